/** The longer benches in smoke mode: they still run, still check their answers, and their figures mean nothing. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Peers from "../../bench/peers.ts"
import * as Recovery from "../../bench/recovery.ts"
import * as Tracing from "../../bench/tracing.ts"
import * as Postgres from "#test/kit/postgres.ts"

const server = await Postgres.server()

describe.skipIf(server === null)("the longer benches of the whole service", () => {
  it.live(
    "trace nothing, into a file, and to a collector as well, and notice an event that was taken out",
    () =>
      Effect.gen(function* () {
        const report = yield* Tracing.run(Tracing.smoke)
        assert.deepStrictEqual(report.corruptions, [])
        assert.deepStrictEqual(
          report.rows.map(({ what }) => what),
          ["off", "default", "full"]
        )
        for (const { perSecond, ratio } of report.rows) assert.isTrue(perSecond.median > 0 && ratio.median > 0)
        assert.include(Tracing.print(report), "0 corruptions")
        assert.include(report.takenOut?.join(), "events were acknowledged")
      }),
    240_000
  )

  it.live(
    "do the same work by Keelson and by a hand-written actor, and notice what was taken out of either",
    () =>
      Effect.gen(function* () {
        const report = yield* Peers.run(Peers.smoke)
        assert.deepStrictEqual(report.corruptions, [])
        assert.deepStrictEqual(
          report.rows.map(({ what }) => what),
          ["floor", "Keelson over HTTP", "hand-written actor with group commit"]
        )
        for (const { perSecond, ratio } of report.rows) assert.isTrue(perSecond.median > 0 && ratio.median > 0)
        assert.include(Peers.print(report), "0 corruptions")
        assert.include(report.takenOut?.join(), "touches were answered")
        assert.include(report.takenOut?.join(), "hand-written actor with group commit answered")
      }),
    240_000
  )
})

describe("the bench of a service that was killed", () => {
  it.live(
    "finds every session again beside a journal that holds one, and notices an event that was taken out",
    () =>
      Effect.gen(function* () {
        const report = yield* Recovery.run(Recovery.smoke)
        assert.deepStrictEqual(report.corruptions, [])
        assert.deepStrictEqual(
          report.rows.map(({ events, what }) => `${what} ${events}`),
          ["floor 1", "long journal 300"]
        )
        for (const { firstMillis, readyMillis } of report.rows) {
          assert.isAbove(readyMillis.median, 0)
          assert.isAbove(firstMillis.median, readyMillis.median)
        }
        assert.include(Recovery.print(report), "0 corruptions")
        assert.include(report.takenOut?.join(), "session.touched were acknowledged")
      }),
    240_000
  )
})
