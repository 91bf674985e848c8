/** A tool that an agent runs elsewhere, proposed and approved over the real door. */
import * as Tool from "effect/ai/Tool"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Client from "#layers/client/Client.ts"
import type { ActionId } from "#src/kernel/Ids.ts"
import * as Kit from "./http-kit.ts"

export const clientOf = (name: Kit.Name) =>
  Effect.flatMap(Kit.Caller, ({ url }) => Client.make({ url, token: Redacted.make(Kit.tokenOf(name)) }))

export const Far = (name: string) =>
  Tool.make(name, {
    description: "Keeps a text far away.",
    parameters: Schema.Struct({ text: Schema.String }),
    success: Schema.Struct({ kept: Schema.String })
  })

/** An approved action with a tool, proposed by the session's agent. */
export const approved = Effect.fnUntraced(function* (tool: string) {
  const owner = yield* clientOf("owner")
  const agent = yield* clientOf("agent")
  // Until the tool is declared there is none to propose.
  const { sessionId } = (yield* owner.sessions.create({ headers: Client.fresh(), payload: {} })).body
  const propose = agent.actions.propose({
    params: { sessionId },
    headers: Client.fresh(),
    payload: { tool, arguments: { text: "x" } }
  })
  const { actionId, confirmationId } = (yield* Effect.eventually(propose)).body
  yield* owner.confirmations.approve({
    params: { confirmationId: confirmationId! },
    headers: Client.fresh(),
    payload: {}
  })
  return { owner, actionId }
})

export const ended = Effect.fnUntraced(function* (client: Client.Client, actionId: ActionId, waitMillis = 20_000) {
  return yield* client.actions.get({ params: { actionId }, query: { waitMillis } })
})
