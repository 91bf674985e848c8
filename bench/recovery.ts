/**
 * How long the service takes from its start to its work, after a SIGKILL, with a long journal.
 *
 *   start --> ready: `/ready` answers 200 --> first: one touch of a session that was there before, answered --> SIGKILL
 *
 * Floor: the same start of the same service after the same SIGKILL, on a store of the same kind that holds one session.
 * Both stores live side by side, and rounds take turns. The sessions are open and live for a day; no checkpoint covers
 * what was filled in.
 *
 * Checked: what was filled in and every command that was answered is in the journal, and nothing else of its kind;
 * `keelson verify` and the audit queries.
 * In smoke mode an event is taken out then, and the check must complain (`kit/TakenOut`).
 * Not measured: a machine that was without power (pages are warm), a database that has to recover itself, other kinds of
 * work that waits, such as actions with a claim.
 */
import * as Effect from "effect/Effect"
import * as Audit from "#chaos/kit/audit.ts"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"
import { about, type Machine, machine } from "./kit/machine.ts"
import { rounds, toFloor } from "./kit/rounds.ts"
import * as Server from "./kit/server.ts"
import * as Sessions from "./kit/sessions.ts"
import { type Spread, spread, table } from "./kit/statistics.ts"
import * as TakenOut from "./kit/TakenOut.ts"

export interface Options extends TakenOut.Wish {
  readonly sessions: number
  readonly eventsEach: number
  readonly rounds: number
  readonly databases: ReadonlyArray<"PostgreSQL" | "PGlite">
}

export const full: Options = { sessions: 10_000, eventsEach: 10, rounds: 7, databases: ["PostgreSQL", "PGlite"] }
export const smoke: Options = { sessions: 30, eventsEach: 10, rounds: 1, databases: ["PGlite"], takeOut: true }

export interface Row {
  readonly database: string
  readonly what: "floor" | "long journal"
  readonly events: number
  readonly readyMillis: Spread
  readonly firstMillis: Spread
  /** Of the time until ready, to the floor of the same round; 1 for the floor itself. */
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
    const url = database === "PGlite" ? null : yield* Server.make()
    const empty = yield* lifeOf(url, "floor", 1, 1)
    const long = yield* lifeOf(url, "long", options.sessions, options.eventsEach)
    const samples = yield* Effect.promise(() => rounds(options.rounds, [empty.restart, long.restart]))
    const ready = samples.map((taken) => taken.map(({ readyMillis }) => readyMillis))
    for (const [index, { events }] of [empty, long].entries()) {
      rows.push({
        database,
        what: index === 0 ? "floor" : "long journal",
        events,
        readyMillis: spread(ready[index]!),
        firstMillis: spread(samples[index]!.map(({ firstMillis }) => firstMillis)),
        ratio: toFloor(ready[index]!, ready[0]!)
      })
    }
    for (const { check } of [empty, long]) corruptions.push(...(yield* Effect.promise(check)))
    const takeOut = () => TakenOut.event(long.place, "session.touched")
    noticed.push(yield* TakenOut.checkAgain(options, takeOut, long.check))
  }
  const report: Report = { ...machine(), options, rows, corruptions, ...TakenOut.all(noticed) }
  return report
}, Effect.scoped)

export const print = (report: Report): string =>
  [
    `${about(report)}; ${report.options.rounds} rounds`,
    "",
    table(
      ["", "events", "ready ms", "low", "high", "first answer ms", "low", "high", "x floor", "low", "high"],
      report.rows.map(({ database, events, firstMillis, ratio, readyMillis, what }) => [
        `${database} ${what}`,
        String(events),
        ...[readyMillis.median, readyMillis.low, readyMillis.high].map((value) => value.toFixed(0)),
        ...[firstMillis.median, firstMillis.low, firstMillis.high].map((value) => value.toFixed(0)),
        ...[ratio.median, ratio.low, ratio.high].map((value) => value.toFixed(2))
      ])
    ),
    "",
    `${report.corruptions.length} corruptions`,
    ...report.corruptions,
    ...TakenOut.lines(report)
  ].join("\n")

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** A store with sessions in it, whose service was killed at work. */
const lifeOf = Effect.fnUntraced(function* (url: string | null, name: string, sessions: number, eventsEach: number) {
  const folder = yield* TemporaryFolder.make
  const databaseSchema = url === null ? "keelson" : `bench_${name}_${process.pid}`
  const place: Audit.Place = { folder, databaseUrl: url, databaseSchema }
  const start = () =>
    Service.start({
      folder,
      flags: {
        "sessions-per-principal-max": 1_000_000,
        ...(url === null ? {} : { "database-schema": databaseSchema })
      },
      environment: url === null ? {} : { KEELSON_DATABASE_URL: url }
    })
  let running: Service.Service | null = null
  yield* Effect.addFinalizer(() => Effect.promise(async () => running?.kill()))
  let touched = 0
  const touch = async (service: Service.Service) => {
    const id = Sessions.idOf((touched * 7_919) % sessions)
    const { body, status } = await service.post(`/v1/sessions/${id}/touch`, `touch-${(touched += 1)}`, {})
    if (status !== 200 || body.status !== "Open")
      throw new Error(`a session was lost: ${status} ${JSON.stringify(body)}`)
  }

  const restart = async () => {
    const from = performance.now()
    running = await start()
    while ((await running.get("/ready", null)).status !== 200);
    const readyMillis = performance.now() - from
    await touch(running)
    const firstMillis = performance.now() - from
    await running.kill()
    return { readyMillis, firstMillis }
  }

  const check = async () => {
    const found = (await Audit.look(place)).map(({ detail }) => `${name}: ${detail}`)
    const byType = await Audit.eventsByType(place)
    const expected = { "session.created": sessions, "session.touched": sessions * (eventsEach - 1) + touched }
    for (const [type, count] of Object.entries(expected)) {
      const there = byType.get(type) ?? 0
      if (there !== count) found.push(`${name}: ${count} ${type} were acknowledged, ${there} are there`)
    }
    return found
  }

  yield* Effect.promise(async () => {
    running = await start()
    await running.stop()
    await Sessions.fill(place, sessions, eventsEach)
    running = await start()
    await touch(running)
    await running.kill()
  })
  return { restart, check, place, events: sessions * eventsEach }
})
