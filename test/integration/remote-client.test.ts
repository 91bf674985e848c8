/** The typed client and the agent's side of a remote tool, over the real door. */
import { assert, layer } from "@effect/vitest"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Tool from "effect/ai/Tool"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Client from "#layers/client/Client.ts"
import * as RemoteTool from "#layers/client/RemoteTool.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"

const clientOf = (name: Kit.Name) =>
  Effect.flatMap(Kit.Caller, ({ url }) => Client.make({ url, token: Redacted.make(Kit.tokenOf(name)) }))

const Far = (name: string) =>
  Tool.make(name, {
    description: "Keeps a text far away.",
    parameters: Schema.Struct({ text: Schema.String }),
    success: Schema.Struct({ kept: Schema.String })
  })

/** An approved action with a tool, proposed by the session's agent. */
const approved = Effect.fnUntraced(function* (tool: string) {
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

const ended = Effect.fnUntraced(function* (
  client: Client.Client,
  actionId: Effect.Success<ReturnType<typeof approved>>["actionId"]
) {
  return yield* client.actions.get({ params: { actionId }, query: { waitMillis: 20_000 } })
})

layer(Layer.merge(Kit.serve(World.make()), NodeHttpClient.layerUndici), { excludeTestServices: true })(
  "a tool served by the client",
  (it) => {
    it.effect(
      "runs what was approved, longer than a lease where its heart beats",
      () =>
        Effect.gen(function* () {
          const robot = yield* clientOf("robot")
          const goOn = yield* Deferred.make<void>()
          const tool = RemoteTool.make(Far("far.slow"), ({ text }) => Effect.as(Deferred.await(goOn), { kept: text }), {
            leaseMillis: 5_000
          })
          const serving = yield* Effect.forkChild(RemoteTool.serve(robot, [tool], { pauseMillis: 50 }))
          const { actionId, owner } = yield* approved("far.slow")
          const look = owner.actions.get({ params: { actionId }, query: {} })
          const lease = Effect.flatMap(look, ({ deadlineAt, status }) =>
            status === "Claimed" ? Effect.succeed(Date.parse(deadlineAt!)) : Effect.fail(status)
          )
          const first = yield* Effect.eventually(lease)
          yield* Effect.repeat(lease, { until: (untilMillis) => untilMillis > first + 5_000 })
          yield* Deferred.succeed(goOn, undefined)
          assert.deepInclude(yield* ended(owner, actionId), { status: "Executed", output: { kept: "x" } })
          yield* Fiber.interrupt(serving)
        }),
      30_000
    )

    it.effect(
      "tells what failed, and what was no result, by codes",
      () =>
        Effect.gen(function* () {
          const robot = yield* clientOf("robot")
          const tools = [
            RemoteTool.make(Far("far.no"), () => Effect.fail(RemoteTool.failed("HostUnreachable", "no answer"))),
            RemoteTool.make(Far("far.bug"), () => Effect.die(new Error("the words of a bug"))),
            RemoteTool.make(Far("far.odd"), () => Effect.succeed({ kept: 1 } as never))
          ]
          const serving = yield* Effect.forkChild(RemoteTool.serve(robot, tools, { pauseMillis: 50 }))
          for (const [name, code] of [
            ["far.no", "HostUnreachable"],
            ["far.bug", "Defect"],
            ["far.odd", "OutputInvalid"]
          ] as const) {
            const { actionId, owner } = yield* approved(name)
            const found = yield* ended(owner, actionId)
            assert.deepInclude(found, { status: "Failed", code })
            assert.notInclude(JSON.stringify(found), "the words of a bug")
          }
          yield* Fiber.interrupt(serving)
        }),
      30_000
    )

    it.effect(
      "is stopped with everything, and says so",
      () =>
        Effect.gen(function* () {
          const robot = yield* clientOf("robot")
          const began = yield* Deferred.make<void>()
          let interrupted = false
          const tool = RemoteTool.make(
            Far("far.held"),
            () =>
              Deferred.succeed(began, undefined).pipe(
                Effect.andThen(Effect.never),
                Effect.onInterrupt(() => Effect.sync(() => void (interrupted = true)))
              ),
            { leaseMillis: 5_000 }
          )
          const serving = yield* Effect.forkChild(RemoteTool.serve(robot, [tool], { pauseMillis: 50 }))
          const { actionId, owner } = yield* approved("far.held")
          yield* Deferred.await(began)
          yield* owner.halt.halt({ headers: Client.fresh(), payload: { reason: "a drill", cancelRunning: true } })
          assert.deepInclude(yield* ended(owner, actionId), { status: "Failed", code: "Cancelled" })
          assert.isTrue(interrupted)
          yield* owner.halt.resume({ headers: Client.fresh(), payload: {} })
          yield* Fiber.interrupt(serving)
        }),
      30_000
    )

    it.effect(
      "never runs again what an earlier life of it had claimed",
      () =>
        Effect.gen(function* () {
          const robot = yield* clientOf("robot")
          let runs = 0
          const began = yield* Deferred.make<void>()
          const tool = RemoteTool.make(
            Far("far.dies"),
            () =>
              Effect.sync(() => void (runs += 1)).pipe(
                Effect.andThen(Deferred.succeed(began, undefined)),
                Effect.andThen(Effect.never)
              ),
            { leaseMillis: 5_000 }
          )
          const first = yield* Effect.forkChild(RemoteTool.serve(robot, [tool], { pauseMillis: 50 }))
          const { actionId, owner } = yield* approved("far.dies")
          yield* Deferred.await(began)
          yield* Fiber.interrupt(first)
          const second = yield* Effect.forkChild(RemoteTool.serve(robot, [tool], { pauseMillis: 50 }))
          assert.strictEqual((yield* ended(owner, actionId)).status, "Unknown")
          assert.strictEqual(runs, 1)
          yield* Fiber.interrupt(second)
        }),
      30_000
    )
  }
)
