/** Numbers that the store is asked for, and doors that are watched. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as TestClock from "effect/testing/TestClock"
import * as Tracer from "effect/Tracer"
import * as Observed from "#layers/telemetry/Observed.ts"
import * as TidyTracer from "#layers/telemetry/TidyTracer.ts"
import * as Vitals from "#layers/telemetry/Vitals.ts"
import { Gateway } from "#src/gateway/Protocol.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as World from "#test/kit/world.ts"

const fresh = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => Effect.provideService(effect, Metric.MetricRegistry, new Map()))

const failures = (look: string) =>
  Effect.map(Metric.value(Metric.withAttributes(Vitals.failed, { look })), ({ count }) => count)

describe("a look at the store", () => {
  it.effect("that fails, breaks or hangs is counted, and keeps no other from being taken", () => {
    let seen = 0
    return Effect.gen(function* () {
      const vitals = yield* Vitals.make([
        { name: "fails", look: Effect.fail("no") },
        { name: "breaks", look: Effect.die(new Error("bug")) },
        { name: "hangs", look: Effect.never },
        { name: "works", look: Effect.sync(() => (seen += 1)) }
      ])
      const asked = yield* Effect.forkChild(vitals.refresh, { startImmediately: true })
      yield* TestClock.adjust(Bounds.vitalsMillis)
      yield* Fiber.join(asked)
      assert.strictEqual(seen, 1)
      for (const name of ["fails", "breaks", "hangs"]) assert.strictEqual(yield* failures(name), 1, name)
      assert.strictEqual(yield* failures("works"), 0)
    }).pipe(fresh)
  })

  it.effect("is shared by everybody who asks at once, and taken again when it is old", () => {
    let seen = 0
    return Effect.gen(function* () {
      const { refresh } = yield* Vitals.make([{ name: "works", look: Effect.sync(() => (seen += 1)) }])
      yield* Effect.all(
        Array.from({ length: 100 }, () => refresh),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(seen, 1)
      yield* TestClock.adjust(Bounds.vitalsFreshMillis + 1)
      yield* refresh
      assert.strictEqual(seen, 2)
    })
  })
})

describe("the gateway's door", () => {
  it.live("has a span for every operation there is, and counts every refusal by its kind", () =>
    Effect.gen(function* () {
      const kept: Array<string> = []
      const door = yield* Gateway
      const tracer = TidyTracer.make(Tracer.nativeTracer, ({ failure, name }) => kept.push(`${name} ${failure}`))
      const names = Object.keys(door) as ReadonlyArray<keyof typeof door>
      assert.isAtLeast(names.length, 10)
      const nobody = World.person("nobody")
      for (const name of names) {
        const operation = door[name] as (...given: ReadonlyArray<unknown>) => Effect.Effect<unknown, unknown>
        const unknown = name === "propose" ? { sessionId: "ses_x", tool: "look", arguments: {} } : "ses_x"
        const given = name === "createSession" ? {} : unknown
        yield* Effect.exit(Effect.provideService(operation(nobody, `key-${name}`, given, null), Tracer.Tracer, tracer))
        assert.match(kept.at(-1) ?? "", new RegExp(`^Gateway\\.${name} `))
      }
      const refused = kept.filter((line) => line.endsWith(" Refused.NotFound"))
      assert.isAbove(refused.length, 5)
      const counted = yield* Metric.value(Metric.withAttributes(Observed.refusals, { kind: "NotFound" }))
      assert.strictEqual(counted.count, refused.length)
    }).pipe(Effect.provide(World.make().layer), fresh)
  )
})
