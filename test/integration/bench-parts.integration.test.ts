/** The benches of single parts in smoke mode: they still run, still check their answers, and their figures mean nothing. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as History from "../../bench/kit/history.ts"
import * as Opening from "../../bench/kit/opening.ts"
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

  it.live("end where an answer is another than is expected, of the engine as of its floor (the control)", () =>
    Effect.gen(function* () {
      const ending = (change: (one: Policy.Expected) => Partial<Policy.Expected>) =>
        Effect.map(
          Effect.exit(
            Policy.run({ ...Policy.smoke, questions: Policy.questions.map((one) => ({ ...one, ...change(one) })) })
          ),
          String
        )
      // Cedar allows what asks a person: only the engine knows of gates.
      assert.include(
        yield* ending(({ effect }) => ({ effect: effect === "Ask" ? "Run" : effect })),
        "in place of Run by write"
      )
      assert.include(yield* ending(() => ({ by: "nobody" })), "the floor says of")
    })
  )

  it.live("end where a row, a text or a key is another than the gateway's (the control)", () =>
    Effect.gen(function* () {
      const spoil = ({ counters, rows }: History.Tables) => ({ counters, rows: new Map([...rows].slice(1)) })
      for (const at of ["folded", "read"] as const) {
        const ended = yield* Effect.exit(Replay.run({ ...Replay.smoke, sessions: 2, spoil: { [at]: spoil } }))
        assert.include(String(ended), "not those that the gateway wrote", at)
      }
      const history = yield* History.make(2)
      const { events, keys } = history
      const changed = events.map((event, index) => (index === 3 ? { ...event, text: `${event.text} ` } : event))
      assert.throws(() => Opening.make({ ...history, events: changed }), "does not have its hash")
      assert.throws(() => Opening.make({ ...history, events: events.toSpliced(3, 1) }), "is not chained")
      assert.throws(() => Opening.make({ ...history, keys: new Map([...keys].slice(1)) }), "did not open to words")
    }).pipe(Effect.scoped)
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
