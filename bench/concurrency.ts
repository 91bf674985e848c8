/**
 * How many commands a second the whole service acknowledges over WebSockets, beside the floor of the same run.
 *
 * Floor: `kit/Floor`. A command: one frame of session.create, session.touch, action.propose (which a person must decide)
 * or confirmation.deny, on one of twenty connections, answered after its commit; with authentication, sealing, receipts,
 * policies and the default traces. The service, PostgreSQL and the twenty clients share one machine.
 *
 * Beside it: the same commands' appends, ready made, written by the journal alone (`kit/Decided`), which says how much is
 * left. Of each goal it is told what it leaves for the service (`kit/Room`).
 *
 * Checked after: as many events in the journal as commands that were acknowledged make, and `keelson verify`.
 * In smoke mode an event is taken out then, and the check must complain (`kit/TakenOut`).
 * Not measured: tools that run, a network, more than one process of the service.
 */
import { availableParallelism } from "node:os"
import * as Effect from "effect/Effect"
import type pg from "pg"
import type * as Audit from "#chaos/kit/audit.ts"
import type * as SocketClient from "#chaos/kit/SocketClient.ts"
import * as Callers from "./kit/callers.ts"
import * as Decided from "./kit/Decided.ts"
import * as Floor from "./kit/Floor.ts"
import { loop, type Sample, type Timed } from "./kit/loop.ts"
import { about, type Machine, machine } from "./kit/machine.ts"
import * as Processes from "./kit/Processes.ts"
import * as Room from "./kit/Room.ts"
import { rounds, toFloor } from "./kit/rounds.ts"
import * as Served from "./kit/Served.ts"
import * as Statements from "./kit/Statements.ts"
import { type Spread, spread, table } from "./kit/statistics.ts"
import * as TakenOut from "./kit/TakenOut.ts"

export interface Options extends TakenOut.Wish, Statements.Wish {
  readonly millis: number
  readonly rounds: number
  /** Commands outstanding at once, over the twenty connections. */
  readonly outstanding: ReadonlyArray<number>
  /** Whose appends are written alone: several times as many as are outstanding, so that there always are so many. */
  readonly callers: number
}

export const full: Options = { millis: 2_000, rounds: 7, outstanding: [20, 200], callers: 2_200 }
export const smoke: Options = {
  millis: 200,
  rounds: 1,
  outstanding: [20],
  callers: 40,
  takeOut: true,
  statements: true
}

export interface Row {
  readonly what: string
  readonly outstanding: number
  readonly perSecond: Spread
  readonly ratio: Spread
  readonly p50Millis: number
  readonly p99Millis: number
  /**
   * Microseconds of processor time per operation; null where there is no such process. Where the journal is written alone,
   * the bench's own process does what is the service's, and is no client.
   */
  readonly serviceMicros: number | null
  readonly databaseMicros: number
  readonly clientMicros: number | null
}

export interface Report extends Machine, TakenOut.TakenOut, Statements.Counted {
  readonly options: Options
  readonly processors: number
  readonly rows: ReadonlyArray<Row>
  readonly eventsPerCommand: number
  /** Rows that PostgreSQL wrote or changed for a command, the events among them. */
  readonly writesPerCommand: number
  readonly peakMemoryMiB: number
  readonly corruptions: ReadonlyArray<string>
}

export const run = Effect.fnUntraced(function* (options: Options) {
  const decided = yield* Decided.make(options.callers)
  const { insert, place, pool, start } = yield* Served.make(Statements.options(options))
  const { databaseSchema } = place
  const service = yield* start
  yield* Statements.begin(options, pool)
  const sockets = yield* Served.sockets(service)
  const postmaster = yield* Served.postmaster(pool)
  const told: Callers.Told = { events: 0, commands: 0 }
  const measured = yield* Effect.promise(() =>
    measure(options, { insert, sockets, told, service: service.pid, postmaster, decided, pool, place })
  )
  const peakMemoryMiB = Processes.peakMiB(service.pid)
  yield* Effect.promise(() => service.stop())
  // A server's process reports what it wrote when its connection ends.
  const writes = yield* Effect.promise(() =>
    pool
      .query<{ count: string }>(
        "SELECT sum(n_tup_ins + n_tup_upd) AS count FROM pg_stat_user_tables WHERE schemaname = $1",
        [databaseSchema]
      )
      .then(({ rows }) => Number(rows[0]!.count))
  )
  const counted = yield* Statements.counted(options, pool, { operations: told.commands, schema: databaseSchema })
  const check = () => Callers.check(place, told)
  const corruptions = yield* Effect.promise(check)
  const takenOut = yield* TakenOut.checkAgain(options, () => TakenOut.event(place, "confirmation.denied"), check)
  const report: Report = {
    ...machine(),
    options,
    processors: availableParallelism(),
    rows: measured,
    eventsPerCommand: told.events / told.commands,
    writesPerCommand: writes / told.commands,
    peakMemoryMiB,
    corruptions,
    ...takenOut,
    ...counted
  }
  return report
}, Effect.scoped)

export const print = (report: Report): string => {
  const { corruptions, eventsPerCommand, options, peakMemoryMiB, writesPerCommand } = report
  const micros = (value: number | null) => (value === null ? "" : value.toFixed(0))
  return [
    `${about(report)}; ${options.rounds} rounds of ${options.millis} ms; ${Served.connections} connections`,
    "",
    table(
      [
        "",
        "outstanding",
        "per second",
        "low",
        "high",
        "of floor",
        "p50 ms",
        "p99 ms",
        "µs service",
        "µs database",
        "µs client"
      ],
      report.rows.map((row) => [
        row.what,
        String(row.outstanding),
        row.perSecond.median.toFixed(0),
        row.perSecond.low.toFixed(0),
        row.perSecond.high.toFixed(0),
        row.ratio.median.toFixed(2),
        row.p50Millis.toFixed(2),
        row.p99Millis.toFixed(2),
        micros(row.serviceMicros),
        micros(row.databaseMicros),
        micros(row.clientMicros)
      ])
    ),
    "",
    `${eventsPerCommand.toFixed(2)} events and ${writesPerCommand.toFixed(2)} rows written per command; peak memory of the ` +
      `service ${peakMemoryMiB.toFixed(0)} MiB; ${corruptions.length} corruptions`,
    ...rooms(report),
    ...corruptions,
    ...TakenOut.lines(report),
    ...Statements.lines(report)
  ].join("\n")
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** What each goal leaves, in a sentence. */
const rooms = ({ processors, rows }: Report): ReadonlyArray<string> => {
  const floorPerSecond = rows.find(({ what }) => what === "floor")!.perSecond.median
  return rows.flatMap(({ clientMicros, databaseMicros, outstanding, serviceMicros }) => {
    const goal = Room.goals.get(outstanding)
    if (goal === undefined || serviceMicros === null || clientMicros === null) return []
    const { ofFloor } = goal
    const left = Room.leftMicros({ floorPerSecond, ofFloor, processors, databaseMicros, clientMicros })
    return [
      `${ofFloor.toFixed(1)} of this floor with ${outstanding} outstanding leaves the service ${left.toFixed(0)} µs for a command, ` +
        `on ${processors} processors that it shares; it takes ${serviceMicros.toFixed(0)} in all its threads`
    ]
  })
}

interface Subject {
  readonly insert: (caller: number, count: number) => Promise<void>
  readonly sockets: ReadonlyArray<SocketClient.SocketClient>
  readonly told: Callers.Told
  readonly service: number
  readonly postmaster: number
  readonly decided: Decided.Decided
  readonly pool: pg.Pool
  readonly place: Audit.Place
}

type Measured = Sample & Processes.Spent

const measure = async (options: Options, subject: Subject): Promise<ReadonlyArray<Row>> => {
  const { postmaster, service } = subject
  const timed: Timed<Measured> = async (work) => {
    const before = Processes.times(service, postmaster)
    const sample = await work()
    const after = Processes.times(service, postmaster)
    return { ...sample, ...Processes.spent(before, after, sample.count) }
  }
  let times = 0
  const next = () => (times += 1)
  const cells = [
    floorCell(options, subject, timed, next),
    ...options.outstanding.map((outstanding) => socketCell(options, subject, timed, outstanding)),
    ...options.outstanding.map((outstanding) => journalCell(subject, timed, outstanding, next))
  ]
  const samples = await rounds(
    options.rounds,
    cells.map(({ run }) => run)
  )
  const base = samples[0]!.map(({ perSecond }) => perSecond)
  return cells.map(({ outstanding, what, writer }, index): Row => {
    const taken = samples[index]!
    const median = (of: (one: Measured) => number) => spread(taken.map(of)).median
    const clientMicros = median((one) => one.clientMicros)
    return {
      what,
      outstanding,
      perSecond: spread(taken.map(({ perSecond }) => perSecond)),
      ratio: toFloor(
        taken.map(({ perSecond }) => perSecond),
        base
      ),
      p50Millis: median((one) => one.p50Millis),
      p99Millis: median((one) => one.p99Millis),
      serviceMicros:
        writer === "service" ? median((one) => one.serviceMicros) : writer === "bench" ? clientMicros : null,
      databaseMicros: median((one) => one.databaseMicros),
      clientMicros: writer === "bench" ? null : clientMicros
    }
  })
}

interface Cell {
  readonly what: string
  readonly outstanding: number
  /** Which process writes the journal; the bench itself where a journal is written alone. */
  readonly writer: "service" | "bench" | null
  readonly run: () => Promise<Measured>
}

/** `next` tells one run of a cell from every other: what it writes has names of its own. */
const floorCell = ({ millis }: Options, { insert }: Subject, timed: Timed<Measured>, next: () => number): Cell => ({
  what: "floor",
  outstanding: Floor.callers,
  writer: null,
  run: () => {
    const cell = next()
    return timed(() => loop(Floor.callers, millis, (one, count) => insert(cell * 1_000 + one, count)))
  }
})

const socketCell = (
  { millis }: Options,
  { sockets, told }: Subject,
  timed: Timed<Measured>,
  outstanding: number
): Cell => ({
  what: "Keelson over WebSocket",
  outstanding,
  writer: "service",
  run: () => {
    const working = Array.from({ length: outstanding }, (_, index) =>
      Callers.caller(sockets[index % Served.connections]!, told)
    )
    // However busy the machine: its whole script once, so that what a command makes is what all of them make.
    return timed(() => loop(outstanding, millis, (one) => working[one]!(), Callers.script.length))
  }
})

const journalCell = (
  { decided, place, pool }: Subject,
  timed: Timed<Measured>,
  outstanding: number,
  next: () => number
): Cell => ({
  what: "its journal alone",
  outstanding,
  writer: "bench",
  run: () => {
    const schema = `alone_${process.pid}_${next()}`
    return Decided.write({ url: place.databaseUrl!, pool, schema }, decided, outstanding, timed)
  }
})
