/** The journal's bench in smoke mode: it still runs, still checks its answers, and its figures mean nothing. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Journal from "../../bench/journal.ts"
import { quantile, spread, table } from "../../bench/kit/statistics.ts"

describe("the journal's bench", () => {
  it.live(
    "appends beside a floor of the same run, finds what was acknowledged, and notices an event that was taken out",
    () =>
      Effect.gen(function* () {
        const report = yield* Journal.run(Journal.smoke)
        const { callers, databases, eventsPerAppend } = Journal.smoke
        assert.lengthOf(report.rows, databases.length * (1 + callers.length * eventsPerAppend.length))
        for (const row of report.rows) {
          assert.isAbove(row.perSecond.median, 0)
          assert.isAtLeast(row.p99Millis, row.p50Millis)
          assert.strictEqual(row.what === "floor", row.ratio.median === 1)
        }
        assert.include(Journal.print(report), "of floor")
        assert.deepStrictEqual(report.corruptions, [])
        assert.include(report.takenOut?.join(), "events were acknowledged")
      }),
    60_000
  )

  it("takes the median, the ends and the nearest rank", () => {
    assert.deepStrictEqual(spread([5, 1, 3]), { median: 3, low: 1, high: 5 })
    assert.strictEqual(quantile([1, 2, 3, 4], 0.99), 4)
    assert.strictEqual(quantile([1, 2, 3, 4], 0.5), 2)
  })

  it("lines up its table", () => assert.strictEqual(table(["a", "n"], [["bb", "10"]]), "a    n\n--  --\nbb  10"))
})
