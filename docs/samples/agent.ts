/**
 * A whole agent in an app of your own: its responder, its tool, its policy, a turn with a person in the middle.
 *
 * In memory; a service swaps the profile. `readme.test.ts` runs it from the sources, `package.slow.test.ts` from what
 * `npm pack` ships, with types.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Tool from "effect/ai/Tool"
import * as Volatile from "#layers/profiles/Volatile.ts"
import * as ToolRegistry from "#layers/tool-executor/ToolRegistry.ts"
import { Gateway } from "#src/gateway/Protocol.ts"
import { ActionId, PrincipalId } from "#src/kernel/Ids.ts"
import { Rows } from "#src/ports/EventStore.ts"
import { Responder } from "#src/ports/Responder.ts"
import { Vault } from "#src/ports/Vault.ts"

const Deploy = Tool.make("deploy", {
  description: "Puts a version into production.",
  parameters: Schema.Struct({ version: Schema.String }),
  success: Schema.Struct({ deployed: Schema.String })
})

/** Asks for one deployment, then says what became of it. It proposes; it can't run anything. */
const responder = Layer.succeed(Responder, {
  identity: { provider: "sample", model: "deployer-1", deterministic: true },
  respond: (transcript) => {
    const outcome = transcript.findLast((part) => part._tag === "ToolOutcome")
    return Effect.succeed({
      text: outcome === undefined ? "I ask to deploy 1.4.2." : `The deployment: ${outcome.outcome}.`,
      proposals: outcome === undefined ? [{ callId: "call-1", tool: "deploy", arguments: { version: "1.4.2" } }] : [],
      inputTokens: 0,
      outputTokens: 0
    })
  }
})

const policies = {
  "deploy.cedar": `
    @id("ask-before-deploying") @gate("human")
    permit (principal, action == Action::"deploy", resource);`
}

const ana = { actor: { kind: "HUMAN" as const, id: PrincipalId.make("ana") }, roles: [] }

/** The row of this kind that came to this status. */
const row = (kind: "action" | "turn", status: string) =>
  Effect.gen(function* () {
    const rows = yield* Rows
    for (;;) {
      const [found] = yield* rows.list({ kind, where: { status }, limit: 1 })
      if (found !== undefined) return found
      yield* Effect.sleep(Duration.millis(10))
    }
  }).pipe(Effect.timeout(Duration.seconds(10)))

const program = Effect.gen(function* () {
  const deployed: Array<string> = []
  const deploy = ToolRegistry.register(Deploy, ({ version }) =>
    Effect.sync(() => {
      deployed.push(version)
      return { deployed: version }
    })
  )
  return yield* Effect.gen(function* () {
    const gateway = yield* Gateway
    const { body: session } = yield* gateway.createSession(ana, "session-1", {})
    yield* gateway.startTurn(ana, "turn-1", session.sessionId, "Deploy what is ready.")
    const waiting = yield* row("action", "Pending")
    const before = [...deployed]
    yield* gateway.approve(ana, "approval-1", ActionId.make(waiting.key))
    const turn = yield* row("turn", "Completed")
    // Words lie sealed in the journal.
    const answer = yield* Effect.flatMap(Vault, (vault) => vault.open(turn.body["text"]))
    return { before, after: deployed, answer }
  }).pipe(Effect.provide(Volatile.layer({ tools: [deploy], policies, responder })))
})

console.log(JSON.stringify(await Effect.runPromise(program)))
