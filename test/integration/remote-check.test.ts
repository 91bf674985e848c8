/** What became of a run that a crash cut off, told by the tool's own check. */
import { assert, layer } from "@effect/vitest"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as RemoteTool from "#layers/client/RemoteTool.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"
import * as Remote from "./remote-kit.ts"

layer(Layer.merge(Kit.serve(World.make()), NodeHttpClient.layerUndici), { excludeTestServices: true })(
  "a tool served by the client",
  (it) => {
    it.effect(
      "settles by its own check what an earlier life left unknown, where the check can tell, and asks it once",
      () =>
        Effect.gen(function* () {
          const robot = yield* Remote.clientOf("robot")
          const began = yield* Deferred.make<void>()
          const dies = (name: string) =>
            RemoteTool.make(Remote.Far(name), () => Effect.andThen(Deferred.succeed(began, undefined), Effect.never), {
              leaseMillis: 5_000
            })
          const names = ["far.done", "far.not-done", "far.who-knows"] as const
          const first = yield* Effect.forkChild(RemoteTool.serve(robot, names.map(dies), { pauseMillis: 50 }))
          const wishes = yield* Effect.forEach(names, Remote.approved)
          for (const { actionId, owner } of wishes) {
            const look = owner.actions.get({ params: { actionId }, query: {} })
            yield* Effect.repeat(look, { until: ({ status }) => status === "Claimed" })
          }
          yield* Fiber.interrupt(first)
          for (const { actionId, owner } of wishes) {
            assert.strictEqual((yield* Remote.ended(owner, actionId)).status, "Unknown")
          }
          const asked: Array<string> = []
          const found: { readonly [name: string]: Effect.Effect<{ readonly kept: string } | null, RemoteTool.Failed> } =
            {
              "far.done": Effect.succeed({ kept: "it is there" }),
              "far.not-done": Effect.fail(RemoteTool.failed("NotThere", "nothing was kept")),
              "far.who-knows": Effect.succeed(null)
            }
          const tools = names.map((name) =>
            RemoteTool.make(Remote.Far(name), () => Effect.die(new Error("run again")), {
              leaseMillis: 5_000,
              check: ({ text }) =>
                Effect.andThen(
                  Effect.sync(() => void asked.push(`${name} ${text}`)),
                  found[name]!
                )
            })
          )
          const second = yield* Effect.forkChild(RemoteTool.serve(robot, tools, { pauseMillis: 20 }))
          const settled = (wish: (typeof wishes)[number]) =>
            wish.owner.actions.get({ params: { actionId: wish.actionId }, query: {} })
          const [done, notDone, whoKnows] = wishes
          yield* Effect.repeat(settled(done!), { until: ({ status }) => status !== "Unknown" })
          yield* Effect.repeat(settled(notDone!), { until: ({ status }) => status !== "Unknown" })
          assert.deepInclude(yield* settled(done!), { status: "Executed", output: { kept: "it is there" } })
          assert.deepInclude(yield* settled(notDone!), { status: "Failed", code: "NotThere" })
          assert.strictEqual((yield* settled(whoKnows!)).status, "Unknown")
          assert.sameMembers(
            asked.map((one) => one.split(" ")[0]),
            [...names]
          )
          yield* Fiber.interrupt(second)
        }),
      60_000
    )
  }
)
