/** The benches of single parts in smoke mode: they still run, still check their answers, and their figures mean nothing. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Policy from "../../bench/policy.ts"
import * as Replay from "../../bench/replay.ts"

describe("the benches of single parts", () => {
  it.live("decide as the policies say, with few and with many, beside a floor that agrees", () =>
    Effect.gen(function* () {
      const report = yield* Policy.run(Policy.smoke)
      assert.deepStrictEqual(
        report.rows.map(({ policies, what }) => `${what} ${policies}`),
        ["floor 3", "decision 3", "floor 103", "decision 103"]
      )
      for (const { perSecond, ratio, what } of report.rows) {
        assert.isAbove(perSecond.median, 0)
        assert.strictEqual(what === "floor", ratio.median === 1)
      }
      assert.include(Policy.print(report), "of floor")
    })
  )

  it.live("read a journal back to the rows that the gateway wrote, each figure beside a floor of its own", () =>
    Effect.gen(function* () {
      const report = yield* Replay.run(Replay.smoke)
      assert.deepStrictEqual(
        report.rows.map(({ what }) => what),
        ["fold", "verify and open", "write to tables, PGlite"]
      )
      for (const { perSecond, ratio } of report.rows) assert.isTrue(perSecond.median > 0 && ratio.median > 0)
      assert.strictEqual(report.events, Replay.smoke.sessions * 11 + 1)
      assert.isAbove(report.boxes, Replay.smoke.sessions)
      assert.include(Replay.print(report), "of floor")
    })
  )
})
