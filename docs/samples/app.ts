/**
 * An app of your own around the gate: one tool, one policy, one session. In memory; a service swaps the profile.
 *
 * The README shows the marked part of this file; `readme.test.ts` holds the two together and runs it.
 */
// #region app
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Tool from "effect/ai/Tool"
import * as Volatile from "#layers/profiles/Volatile.ts"
import * as ToolRegistry from "#layers/tool-executor/ToolRegistry.ts"
import { Gateway } from "#src/gateway/Protocol.ts"
import { PrincipalId } from "#src/kernel/Ids.ts"

const Deploy = Tool.make("deploy", {
  description: "Puts a version into production.",
  parameters: Schema.Struct({ version: Schema.String }),
  success: Schema.Struct({ deployed: Schema.String })
})

const deploy = ToolRegistry.register(Deploy, ({ version }) => Effect.succeed({ deployed: version }))

const policies = {
  "deploy.cedar": `
    @id("ask-before-deploying") @gate("human")
    permit (principal, action == Action::"deploy", resource);`
}

const ana = { actor: { kind: "HUMAN" as const, id: PrincipalId.make("ana") }, roles: [] }

const program = Effect.gen(function* () {
  const gateway = yield* Gateway
  const { body: session } = yield* gateway.createSession(ana, "session-1", {})
  const { body: asked } = yield* gateway.propose(ana, "proposal-1", {
    sessionId: session.sessionId,
    tool: "deploy",
    arguments: { version: "1.4.2" }
  })
  // Nothing has run: asked.status is "Pending". A person decides; the tool then runs once, on exactly these arguments.
  const { body: approved } = yield* gateway.approve(ana, "approval-1", asked.actionId)
  return [asked.status, approved.status]
}).pipe(Effect.provide(Volatile.layer({ tools: [deploy], policies })))

console.log(await Effect.runPromise(program))
// #endregion app
