/**
 * How many appends a second the journal takes, beside the floor of the same run.
 *
 * Floor: the plain `pg` client, a named prepared statement, one durable single-row INSERT per operation, 20
 * connections; on PGlite the same INSERT through the same wire bridge as the store, 20 at a time.
 * An append: one command's events (sealed field, canonical text, SHA-256), its receipt (HMAC, sealed answer) and one
 * row, answered after its commit. Callers wait for their answer before they send the next.
 *
 * Checked before anything is timed, and again after: every append was committed, the journal has no gap, and it holds
 * as many events as were acknowledged. Not measured: actors, HTTP, policies; more than one process; a network.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { SqlClient } from "effect/sql/SqlClient"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as PgliteEventStore from "#layers/event-store/PgliteEventStore.ts"
import * as PostgresEventStore from "#layers/event-store/PostgresEventStore.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"
import * as Floor from "./kit/Floor.ts"
import { loop, type Sample } from "./kit/loop.ts"
import { about, type Machine, machine } from "./kit/machine.ts"
import * as Server from "./kit/server.ts"
import { type Spread, spread, table } from "./kit/statistics.ts"
import * as TakenOut from "./kit/TakenOut.ts"
import * as Work from "./kit/work.ts"

export interface Options extends TakenOut.Wish {
  /** How long each cell is measured, per round. */
  readonly millis: number
  readonly rounds: number
  readonly callers: ReadonlyArray<number>
  readonly eventsPerAppend: ReadonlyArray<number>
  readonly databases: ReadonlyArray<"PostgreSQL" | "PGlite">
}

export const full: Options = {
  millis: 1_000,
  rounds: 11,
  callers: [1, 20, 200],
  eventsPerAppend: [1, 3],
  databases: ["PostgreSQL", "PGlite"]
}

/** Small inputs, so that the bench can't rot: its figures mean nothing. */
export const smoke: Options = {
  millis: 150,
  rounds: 1,
  callers: [1, 20],
  eventsPerAppend: [1, 3],
  databases: ["PGlite"],
  takeOut: true
}

export interface Row {
  readonly database: string
  readonly what: string
  readonly callers: number
  readonly eventsPerAppend: number
  readonly perSecond: Spread
  readonly p50Millis: number
  readonly p99Millis: number
  /** To the floor measured in the same round, which a busy neighbour slows as well; 1 for the floor itself. */
  readonly ratio: Spread
}

export interface Report extends Machine, TakenOut.TakenOut {
  readonly options: Options
  readonly rows: ReadonlyArray<Row>
  readonly corruptions: ReadonlyArray<string>
}

export const run = Effect.fnUntraced(function* (options: Options) {
  const rows: Array<Row> = []
  const corruptions: Array<string> = []
  const noticed: Array<TakenOut.TakenOut> = []
  for (const database of options.databases) {
    const subject = yield* database === "PGlite" ? pglite : postgres
    rows.push(...(yield* measure(database, subject, options)))
    corruptions.push(...(yield* Effect.promise(subject.check)))
    noticed.push(yield* TakenOut.checkAgain(options, subject.takeOut, subject.check))
  }
  const report: Report = { ...machine(), options, rows, corruptions, ...TakenOut.all(noticed) }
  return report
}, Effect.scoped)

export const print = (report: Report): string =>
  [
    `${about(report)}; ${report.options.rounds} rounds of ${report.options.millis} ms`,
    "",
    table(
      ["", "callers", "events", "per second", "low", "high", "p50 ms", "p99 ms", "of floor", "low", "high"],
      report.rows.map((row) => [
        `${row.database} ${row.what}`,
        String(row.callers),
        String(row.eventsPerAppend),
        row.perSecond.median.toFixed(0),
        row.perSecond.low.toFixed(0),
        row.perSecond.high.toFixed(0),
        row.p50Millis.toFixed(2),
        row.p99Millis.toFixed(2),
        row.ratio.median.toFixed(2),
        row.ratio.low.toFixed(2),
        row.ratio.high.toFixed(2)
      ])
    ),
    "",
    `${report.corruptions.length} corruptions`,
    ...report.corruptions,
    ...TakenOut.lines(report)
  ].join("\n")

/** What is wrong: positions that are missing, or another number of events than were acknowledged. */
const check = Effect.fnUntraced(function* (store: Pick<EventStore["Service"], "readAll">, acknowledged: number) {
  const found: Array<string> = []
  let [position, there] = [0, 0]
  for (;;) {
    const events = yield* store.readAll(position, 1_000)
    for (const event of events) {
      if (event.position !== position + 1) found.push(`position ${position + 1} is missing`)
      position = event.position
      there += 1
    }
    if (events.length === 0) break
  }
  return there === acknowledged ? found : [...found, `${acknowledged} events were acknowledged, ${there} are there`]
}, Effect.orDie)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

interface Subject {
  /** One durable single-row INSERT; callers run it side by side. */
  readonly insert: (caller: number, count: number) => Promise<void>
  /** One append of a caller, to its commit. */
  readonly append: (caller: Work.Caller) => Promise<void>
  readonly check: () => Promise<ReadonlyArray<string>>
  /** Takes its newest event out. */
  readonly takeOut: () => Promise<void>
}

const over = (schema: string, insert: Subject["insert"]) =>
  Effect.gen(function* () {
    const store = yield* EventStore
    const runPromise = Effect.runPromiseWith(yield* Effect.context<SqlClient>())
    let acknowledged = 0
    const append = (caller: Work.Caller) => {
      const next = caller.next()
      return runPromise(store.append([next])).then(([outcome]) => {
        if (outcome?._tag !== "Committed") throw new Error(`an append was ${JSON.stringify(outcome)}`)
        acknowledged += next.events.length
      })
    }
    return {
      insert,
      append,
      check: () => runPromise(check(store, acknowledged)),
      takeOut: () => runPromise(Effect.orDie(TakenOut.newest(schema, null)))
    } satisfies Subject
  })

const pglite = Effect.gen(function* () {
  const folder = yield* TemporaryFolder.make
  const context = yield* Layer.build(
    PgliteEventStore.layer({ folder: `${folder}/journal` }).pipe(Layer.provide(NodeDigest.layer))
  )
  return yield* Effect.gen(function* () {
    const sql = yield* SqlClient
    yield* sql`CREATE TABLE floor (id text PRIMARY KEY, body text NOT NULL)`
    const runPromise = Effect.runPromiseWith(yield* Effect.context<never>())
    return yield* over("keelson", (caller, count) =>
      runPromise(Effect.asVoid(sql`INSERT INTO floor (id, body) VALUES (${`${caller}-${count}`}, ${Floor.body})`))
    )
  }).pipe(Effect.provideContext(context))
})

const postgres = Effect.gen(function* () {
  const url = yield* Server.make()
  const schema = `bench_${process.pid}`
  const { insert } = yield* Floor.make(url, `${schema}_floor`)
  const context = yield* Layer.build(
    PostgresEventStore.layer({ url: Redacted.make(url), schema }).pipe(Layer.provide(NodeDigest.layer))
  )
  return yield* over(schema, insert).pipe(Effect.provideContext(context))
})

interface Cell {
  readonly what: string
  readonly callers: number
  readonly eventsPerAppend: number
  readonly run: () => Promise<Sample>
}

let cellsRun = 0

const measure = (database: string, subject: Subject, options: Options) =>
  Effect.promise(async () => {
    const floor: Cell = {
      what: "floor",
      callers: Floor.callers,
      eventsPerAppend: 1,
      run: () => {
        const cell = ++cellsRun
        return loop(Floor.callers, options.millis, (caller, count) => subject.insert(cell * 1_000 + caller, count))
      }
    }
    const cells = options.callers.flatMap((callers) =>
      options.eventsPerAppend.map((eventsPerAppend): Cell => ({
        what: "append",
        callers,
        eventsPerAppend,
        run: async () => {
          const cell = ++cellsRun
          const names = Array.from({ length: callers }, (_, index) => `c${cell}-${index}`)
          const working = await Promise.all(names.map((name) => Effect.runPromise(Work.caller(name, eventsPerAppend))))
          return loop(callers, options.millis, (caller) => subject.append(working[caller]!))
        }
      }))
    )
    const all = [floor, ...cells]
    // Warm-up, unrecorded; then every round in another order, so that no cell always follows the same one.
    for (const cell of all) await cell.run()
    const samples = new Map<Cell, Array<Sample>>(all.map((cell) => [cell, []]))
    for (let round = 0; round < options.rounds; round++) {
      for (let index = 0; index < all.length; index++) {
        const cell = all[(index + round) % all.length]!
        samples.get(cell)!.push(await cell.run())
      }
    }
    const base = samples.get(floor)!.map((sample) => sample.perSecond)
    return all.map((cell): Row => {
      const taken = samples.get(cell)!
      const perSecond = spread(taken.map((sample) => sample.perSecond))
      return {
        database,
        what: cell.what,
        callers: cell.callers,
        eventsPerAppend: cell.eventsPerAppend,
        perSecond,
        p50Millis: spread(taken.map((sample) => sample.p50Millis)).median,
        p99Millis: spread(taken.map((sample) => sample.p99Millis)).median,
        ratio: spread(taken.map((sample, round) => sample.perSecond / base[round]!))
      }
    })
  })
