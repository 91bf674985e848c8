/** The series of a metric. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Series from "#src/kernel/Series.ts"

describe("a metric's series", () => {
  it.effect("are those of Effect's own attributes, each made once, and none takes another's place", () =>
    Effect.gen(function* () {
      const metric = Metric.counter("series_test_total", { incremental: true })
      const of = Series.of(metric, "type", "outcome")
      assert.strictEqual(of("ping", "answered"), of("ping", "answered"))
      assert.notStrictEqual(of("ping", "answered"), of("answered", "ping"))
      assert.notStrictEqual(of("a", "bc"), of("ab", "c"))
      const another = Series.of(Metric.counter("series_test_others_total"), "type", "outcome")
      assert.strictEqual(another("ping", "answered").id, "series_test_others_total")
      yield* Metric.update(of("ping", "answered"), 2)
      yield* Metric.update(of("ping", "Draining"), 1)
      const value = (attributes: { readonly type: string; readonly outcome: string }) =>
        Effect.map(Metric.value(Metric.withAttributes(metric, attributes)), ({ count }) => count)
      assert.strictEqual(yield* value({ type: "ping", outcome: "answered" }), 2)
      assert.strictEqual(yield* value({ outcome: "Draining", type: "ping" }), 1)
      assert.strictEqual(yield* value({ type: "answered", outcome: "ping" }), 0)
    })
  )
})
