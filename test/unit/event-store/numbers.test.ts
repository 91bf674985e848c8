/** What is counted of batches, and the spans of those who wait for one. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as TestClock from "effect/testing/TestClock"
import * as Tracer from "effect/Tracer"
import { sha256 } from "#layers/digest/NodeDigest.ts"
import type { Judged } from "#layers/event-store/Batch.ts"
import * as BatchWriter from "#layers/event-store/BatchWriter.ts"
import * as Numbers from "#layers/event-store/Numbers.ts"
import { prepare } from "#layers/event-store/Preparation.ts"
import { unavailable } from "#layers/event-store/SqlFailure.ts"
import type { EventStoreError } from "#src/ports/EventStore.ts"
import { on, start } from "#test/kit/appends.ts"
import * as Spans from "#test/kit/spans.ts"

const one = (name: string) => prepare(on(start(`one:${name}`)).append, sha256)

const done = (): Judged => ({ _tag: "Committed", events: [] })

const fresh = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => Effect.provideService(effect, Metric.MetricRegistry, new Map()))

const outcomes = (outcome: string) =>
  Effect.map(Metric.value(Metric.withAttributes(Numbers.outcomes, { outcome })), ({ count }) => count)

describe("the numbers of the journal", () => {
  it.effect("show how long appends took, how many went together, and what waits", () =>
    Effect.gen(function* () {
      const gates: Array<Deferred.Deferred<ReadonlyArray<Judged>, EventStoreError>> = []
      const sent: Array<number> = []
      const writer = yield* BatchWriter.make(
        (batch) =>
          Effect.suspend(() => {
            sent.push(batch.length)
            const gate = Deferred.makeUnsafe<ReadonlyArray<Judged>, EventStoreError>()
            gates.push(gate)
            return Deferred.await(gate)
          }),
        { overlaps: false }
      )
      const reach = (count: number) =>
        Effect.eventually(Effect.suspend(() => (sent.length >= count ? Effect.void : Effect.fail("not yet"))))
      const append = (name: string) => Effect.forkChild(writer.append([one(name)]), { startImmediately: true })
      const first = yield* append("a")
      yield* reach(1)
      const others = yield* Effect.forEach(["b", "c", "d"], append)
      assert.strictEqual((yield* Metric.value(Numbers.waiting)).value, 3)
      yield* TestClock.adjust(2_000)
      yield* Deferred.succeed(gates[0]!, [done()])
      yield* Fiber.join(first)
      yield* reach(2)
      yield* Deferred.fail(gates[1]!, unavailable("append", "down"))
      yield* Effect.forEach(others, (fiber) => Effect.flip(Fiber.join(fiber)))
      assert.deepStrictEqual(sent, [1, 3])
      const batches = yield* Metric.value(Numbers.batchAppends)
      assert.deepInclude(batches, { count: 2, sum: 4, min: 1, max: 3 })
      const took = yield* Metric.value(Numbers.appendDuration)
      assert.deepInclude(took, { count: 4, sum: 8, min: 2, max: 2 })
      assert.deepStrictEqual(
        took.buckets.filter(([bound]) => bound === 1 || bound === 2.5),
        [
          [1, 0],
          [2.5, 4]
        ]
      )
      assert.strictEqual((yield* Metric.value(Numbers.waiting)).value, 0)
      assert.strictEqual(yield* outcomes("Committed"), 1)
      assert.strictEqual(yield* outcomes("Failed"), 3)
    }).pipe(Effect.scoped, fresh)
  )

  it.effect("come with one span per batch: a child of its first append, linked to the others", () => {
    const { spans, tracer } = Spans.recording()
    return Effect.gen(function* () {
      const writer = yield* BatchWriter.make((batch) => Effect.succeed(batch.map(done)), { overlaps: false })
      yield* Effect.all(
        ["a", "b", "c"].map((name) => Effect.withSpan(writer.append([one(name)]), name)),
        { concurrency: "unbounded" }
      )
      const named = (name: string) => spans.find((span) => span.name === name)!
      const write = named("EventStore.write")
      assert.lengthOf(
        spans.filter(({ name }) => name === "EventStore.write"),
        1
      )
      assert.strictEqual(write.parent._tag === "Some" && write.parent.value.spanId, named("a").spanId)
      assert.deepStrictEqual(
        write.links.map(({ span }) => span.spanId),
        [named("b").spanId, named("c").spanId]
      )
    }).pipe(Effect.scoped, Effect.provideService(Tracer.Tracer, tracer), fresh)
  })
})
