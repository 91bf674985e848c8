/**
 * How fast a journal is read back: three figures, each beside its own floor of the same run.
 *
 * | figure | what is done with the events | floor |
 * | --- | --- | --- |
 * | fold | decoded, folded into states, and their rows made | `JSON.parse` of the same texts |
 * | verify and open | hash and chain checked, decoded, every sealed field opened | SHA-256 of the texts, and AES-GCM of as many boxes of the same length |
 * | write to tables | rows and counters written into an empty store | one table with a primary key, filled by plain multi-row INSERTs of as many rows |
 *
 * The history comes from the gateway itself: sessions in which an action waits for a person, is approved and runs.
 *
 * Checked: the rows that come out of the fold are those that the gateway wrote while it happened, and so are those in the
 * tables; every box opens to words; a text with one changed letter is found.
 * Not measured: reading events from a database; a journal that does not fit into memory; unwrapping keys.
 */
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Events from "./kit/history.ts"
import { about, type Machine, machine } from "./kit/machine.ts"
import * as Opening from "./kit/opening.ts"
import { rounds, toFloor } from "./kit/rounds.ts"
import { type Spread, spread, table } from "./kit/statistics.ts"
import * as Tables from "./kit/tables.ts"

export interface Options {
  /** Sessions in the history, of eleven events each. */
  readonly sessions: number
  readonly rounds: number
  readonly databases: ReadonlyArray<Tables.Database>
  /** What a fault does to the rows that were folded, or read from the tables: such a run must end. */
  readonly spoil?: { readonly [at in "folded" | "read"]?: (rows: Events.Tables) => Events.Tables }
}

export const full: Options = { sessions: 2_000, rounds: 11, databases: ["PostgreSQL", "PGlite"] }
export const smoke: Options = { sessions: 20, rounds: 1, databases: ["PGlite"] }

export interface Row {
  readonly what: string
  /** Events for the first two figures, rows and counters for the third. */
  readonly things: number
  readonly perSecond: Spread
  readonly floorPerSecond: Spread
  /** To the floor of the same round. */
  readonly ratio: Spread
}

export interface Report extends Machine {
  readonly options: Options
  readonly events: number
  readonly boxes: number
  readonly rows: ReadonlyArray<Row>
}

export const run = Effect.fnUntraced(function* (options: Options) {
  const history = yield* Events.make(options.sessions)
  const { events, expected } = history
  const folded = () => Events.tablesOf(Events.fold(events))
  const { spoil = {} } = options
  Events.insist((spoil.folded ?? identity)(folded()), expected)
  const opening = Opening.make(history)
  const rows = [
    yield* figure(options, "fold", events.length, {
      once: async () => void Events.fold(events),
      floor: async () => events.forEach(({ text }) => JSON.parse(text))
    }),
    yield* figure(options, "verify and open", events.length, {
      once: async () => opening.once(),
      floor: async () => opening.floor()
    })
  ]
  for (const database of options.databases) {
    const tables = yield* Tables.make(database)
    const written = expected.rows.size + expected.counters.size
    const writing = yield* figure(options, `write to tables, ${database}`, written, {
      prepare: tables.empty,
      once: () => tables.write(expected),
      floor: () => tables.floor(expected)
    })
    // The floor may have been the last to run.
    yield* Effect.promise(async () => {
      await tables.empty()
      await tables.write(expected)
      Events.insist((spoil.read ?? identity)(await tables.read()), expected)
    })
    rows.push(writing)
  }
  const report: Report = { ...machine(), options, events: events.length, boxes: opening.boxes, rows }
  return report
}, Effect.scoped)

export const print = (report: Report): string =>
  [
    `${about(report)}; ${report.options.rounds} rounds of ${report.events} events with ${report.boxes} sealed fields`,
    "",
    table(
      ["", "things", "per second", "low", "high", "floor", "of floor", "low", "high"],
      report.rows.map(({ floorPerSecond, perSecond, ratio, things, what }) => [
        what,
        String(things),
        ...[perSecond.median, perSecond.low, perSecond.high, floorPerSecond.median].map((value) => value.toFixed(0)),
        ...[ratio.median, ratio.low, ratio.high].map((value) => value.toFixed(2))
      ])
    )
  ].join("\n")

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

interface Measured {
  /** Before each time, unmeasured. */
  readonly prepare?: () => Promise<void>
  readonly once: () => Promise<void>
  readonly floor: () => Promise<void>
}

const figure = (options: Options, what: string, things: number, { floor, once, prepare }: Measured) =>
  Effect.promise(async (): Promise<Row> => {
    const perSecond = (work: () => Promise<void>) => async () => {
      await prepare?.()
      const startedAt = performance.now()
      await work()
      return (things * 1_000) / (performance.now() - startedAt)
    }
    const [base = [], taken = []] = await rounds(options.rounds, [perSecond(floor), perSecond(once)])
    return {
      what,
      things,
      perSecond: spread(taken),
      floorPerSecond: spread(base),
      ratio: toFloor(taken, base)
    }
  })
