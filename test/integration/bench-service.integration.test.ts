/** The benches of the whole service in smoke mode: they still run, still check their answers, and their figures mean nothing. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type pg from "pg"
import * as Concurrency from "../../bench/concurrency.ts"
import * as HumanGate from "../../bench/humanGate.ts"
import * as Decided from "../../bench/kit/Decided.ts"
import * as Floor from "../../bench/kit/Floor.ts"
import * as Postgres from "#test/kit/postgres.ts"

const server = await Postgres.server()

describe.skipIf(server === null)("the benches of the whole service", () => {
  it.live(
    "find in the journal what was acknowledged over twenty WebSockets, and notice an event that was taken out",
    () =>
      Effect.gen(function* () {
        const report = yield* Concurrency.run(Concurrency.smoke)
        assert.deepStrictEqual(report.corruptions, [])
        assert.deepStrictEqual(
          report.rows.map(({ what }) => what),
          ["floor", "Keelson over WebSocket", "its journal alone"]
        )
        for (const { p50Millis, p99Millis, perSecond } of report.rows) {
          assert.isAbove(perSecond.median, 0)
          assert.isAtLeast(p99Millis, p50Millis)
        }
        assert.isAbove(report.eventsPerCommand, 1)
        assert.isAbove(report.writesPerCommand, report.eventsPerCommand)
        assert.isAbove(report.peakMemoryMiB, 0)
        assert.match(
          Concurrency.print(report),
          /^0\.5 of this floor with 20 outstanding leaves .*; it takes [1-9]\d* in all its threads$/m
        )
        assert.include(Concurrency.print(report), "0 corruptions")
        const insert = report.statements?.find(({ text }) => /insert into keelson\.event/i.test(text))
        assert.isAbove(insert?.rowsPerOperation ?? 0, 1, "events that were inserted for a command")
        assert.include(report.takenOut?.join(), "events were acknowledged")
      }),
    120_000
  )

  it.live("write alone what the gateway decided, whole and once, and end where that is not so (the control)", () =>
    Effect.gen(function* () {
      const url = Redacted.value(server!.url)
      const { pool } = yield* Floor.make(url, Postgres.freshSchema())
      const decided = yield* Decided.make(3)
      const [created, touched, denied] = ["session.created", "session.touched", "confirmation.denied"]
      const asked = "action.proposed action.judged confirmation.requested"
      for (const appends of decided) {
        const types = appends.map(({ events }) => events.map(({ envelope }) => envelope.type).join(" "))
        assert.deepStrictEqual(types, [created, touched, asked, denied, touched, touched, asked, denied, touched])
      }

      const write = (of: Decided.Decided, asked: pg.Pool = pool) =>
        Decided.write({ url, pool: asked, schema: Postgres.freshSchema() }, of, 2, (work) => work())
      const sample = yield* Effect.promise(() => write(decided))
      assert.strictEqual(sample.count, 9, "those that were written once the first two callers were in")
      const refused = yield* Effect.exit(Effect.promise(() => write([...decided, decided.at(-1)!])))
      assert.include(String(refused), "an append was")
      const miscounting = {
        query: (text: string) => pool.query(text.replace("count(*)::integer", "count(*)::integer - 1"))
      } as unknown as pg.Pool
      const missing = yield* Effect.exit(Effect.promise(() => write(decided, miscounting)))
      assert.include(String(missing), "events are there of")
    }).pipe(Effect.scoped)
  )

  it.live(
    "ask people about many actions at once, see each that is approved run once, and notice one that did not",
    () =>
      Effect.gen(function* () {
        const report = yield* HumanGate.run(HumanGate.smoke)
        assert.deepStrictEqual(report.corruptions, [])
        assert.deepStrictEqual(
          report.steps.map(({ what }) => what),
          ["asked", "finished"]
        )
        for (const { millis, ratio } of report.steps) assert.isTrue(millis.median > 0 && ratio.median > 0)
        assert.include(HumanGate.print(report), "0 corruptions")
        assert.isAbove(report.statements?.length ?? 0, 2)
        assert.include(report.takenOut?.join(), "actions were approved")
      }),
    120_000
  )
})
