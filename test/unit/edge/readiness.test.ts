import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { Supervisor } from "#layers/actors/Supervisor.ts"
import * as Readiness from "#layers/edge/Readiness.ts"
import * as Bounds from "#src/kernel/Bounds.ts"

const report = Effect.flatMap(Readiness.Readiness, ({ report }) => report)

describe("readiness", () => {
  it.effect("says of every check whether and why not, in order", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* report, [
        { name: "a", ready: true, reason: null },
        { name: "b", ready: false, reason: "no" },
        { name: "c", ready: false, reason: "the check itself broke" },
        { name: "d", ready: true, reason: "to be mended" }
      ])
    }).pipe(
      Effect.provide(
        Readiness.layerChecks([
          { name: "a", check: Effect.void },
          { name: "b", check: Effect.fail("no") },
          { name: "c", check: Effect.die(new Error("secret")) },
          { name: "d", check: Effect.succeed("to be mended") }
        ])
      )
    )
  )

  it.effect("does not wait for a check that does not answer", () =>
    Effect.gen(function* () {
      const asked = yield* Effect.forkChild(report)
      yield* TestClock.adjust(Bounds.readinessMillis)
      assert.deepStrictEqual(yield* Fiber.join(asked), [{ name: "a", ready: false, reason: "no answer in time" }])
    }).pipe(Effect.provide(Readiness.layerChecks([{ name: "a", check: Effect.never }])))
  )

  it.effect("asked a thousand times at once asks the store once, and again when that is old", () => {
    let asked = 0
    const check = Effect.sync(() => {
      asked += 1
    })
    return Effect.gen(function* () {
      yield* Effect.all(
        Array.from({ length: 1_000 }, () => report),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(asked, 1)
      yield* TestClock.adjust(1_000)
      yield* report
      assert.strictEqual(asked, 2)
    }).pipe(Effect.provide(Readiness.layerChecks([{ name: "a", check }])))
  })

  it.effect("names the processes that stay down, and lets one restart", () =>
    Effect.gen(function* () {
      const { check } = yield* Readiness.processes
      assert.strictEqual(yield* Effect.flip(check), "down: dispatcher, timekeeper")
    }).pipe(
      Effect.provide(
        Layer.succeed(Supervisor, {
          supervise: () => Effect.void,
          look: Effect.void,
          status: Effect.succeed(
            new Map([
              ["dispatcher", "down"],
              ["feed", "restarting"],
              ["timekeeper", "down"]
            ] as const)
          )
        })
      )
    )
  )
})
