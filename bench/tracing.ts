/**
 * What tracing costs the concurrency work: three services beside each other, which take turns.
 *
 *   off      no trace file: the floor
 *   default  every span into the local trace file, as a service does unless it is told otherwise
 *   full     that, and traces, numbers and logs to an OTLP collector on this machine
 *
 * A command is that of `concurrency`, from twenty connections, one outstanding on each. Each service has journal and
 * data folder of its own on one PostgreSQL.
 *
 * Checked after: as many events in each journal as were acknowledged, `keelson verify`; `off` has written no trace,
 * `default` a file and nothing else, and the collector has heard of `full`.
 * In smoke mode an event is taken out then, and the check must complain (`kit/TakenOut`).
 * Not measured: a collector elsewhere; other numbers of connections. In `off` spans are still made, and go nowhere.
 */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import * as Effect from "effect/Effect"
import type * as Audit from "#chaos/kit/audit.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"
import * as Callers from "./kit/callers.ts"
import { loop } from "./kit/loop.ts"
import { about, type Machine, machine } from "./kit/machine.ts"
import * as Processes from "./kit/Processes.ts"
import { rounds, toFloor } from "./kit/rounds.ts"
import * as Served from "./kit/Served.ts"
import * as Server from "./kit/server.ts"
import { type Spread, spread, table } from "./kit/statistics.ts"
import * as TakenOut from "./kit/TakenOut.ts"

export interface Options extends TakenOut.Wish {
  readonly millis: number
  readonly rounds: number
}

export const full: Options = { millis: 2_000, rounds: 15 }
export const smoke: Options = { millis: 200, rounds: 1, takeOut: true }

const ways = ["off", "default", "full"] as const

export interface Row {
  readonly what: (typeof ways)[number]
  readonly perSecond: Spread
  /** To `off` in the same round; 1 for `off` itself. */
  readonly ratio: Spread
  readonly p50Millis: number
  readonly p99Millis: number
  /** Microseconds of the service's processor time per command. */
  readonly serviceMicros: number
}

export interface Report extends Machine, TakenOut.TakenOut {
  readonly options: Options
  readonly rows: ReadonlyArray<Row>
  readonly corruptions: ReadonlyArray<string>
}

export const run = Effect.fnUntraced(function* (options: Options) {
  const databaseUrl = yield* Server.make()
  const collector = yield* collecting
  const lives = yield* Effect.forEach(ways, (way) => lifeOf(way, databaseUrl, collector))
  const cells = lives.map(
    ({ once }) =>
      () =>
        once(options.millis)
  )
  const samples = yield* Effect.promise(() => rounds(options.rounds, cells))
  const taken = samples.map((ofCell) => ofCell.map(({ perSecond }) => perSecond))
  const rows = ways.map((what, index): Row => {
    const median = (of: "p50Millis" | "p99Millis" | "serviceMicros") =>
      spread(samples[index]!.map((one) => one[of])).median
    return {
      what,
      perSecond: spread(taken[index]!),
      ratio: toFloor(taken[index]!, taken[0]!),
      p50Millis: median("p50Millis"),
      p99Millis: median("p99Millis"),
      serviceMicros: median("serviceMicros")
    }
  })
  const corruptions: Array<string> = []
  for (const { check } of lives) corruptions.push(...(yield* Effect.promise(check)))
  const bytes = yield* Effect.promise(async () => Number(await (await fetch(`${collector}/taken`)).text()))
  if (bytes === 0) corruptions.push("full: the collector has heard of nothing")
  const [{ check, place }] = lives
  const takenOut = yield* TakenOut.checkAgain(options, () => TakenOut.event(place, "confirmation.denied"), check)
  const report: Report = { ...machine(), options, rows, corruptions, ...takenOut }
  return report
}, Effect.scoped)

export const print = (report: Report): string =>
  [
    `${about(report)}; ${report.options.rounds} rounds of ${report.options.millis} ms; ${Served.connections} connections`,
    "",
    table(
      ["tracing", "per second", "low", "high", "of off", "low", "high", "p50 ms", "p99 ms", "µs service"],
      report.rows.map(({ p50Millis, p99Millis, perSecond, ratio, serviceMicros, what }) => [
        what,
        ...[perSecond.median, perSecond.low, perSecond.high].map((value) => value.toFixed(0)),
        ...[ratio.median, ratio.low, ratio.high, p50Millis, p99Millis].map((value) => value.toFixed(2)),
        serviceMicros.toFixed(0)
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

/** Answers its URL. */
const collecting = Effect.acquireRelease(
  Effect.sync(() =>
    spawn(process.execPath, [join(import.meta.dirname, "kit/collectorProcess.ts")], {
      stdio: ["ignore", "pipe", "inherit"]
    })
  ),
  (child) => Effect.sync(() => child.kill("SIGKILL"))
).pipe(
  Effect.flatMap((child) =>
    Effect.promise(
      () => new Promise<string>((resolve) => createInterface({ input: child.stdout }).once("line", resolve))
    )
  )
)

/** A service that traces so, and its callers. */
const lifeOf = Effect.fnUntraced(function* (way: (typeof ways)[number], databaseUrl: string, collector: string) {
  const folder = yield* TemporaryFolder.make
  const place: Audit.Place = { folder, databaseUrl, databaseSchema: `bench_${way}_${process.pid}` }
  const service = yield* Served.start(place, {
    flags: way === "off" ? { "trace-file-bytes": 0 } : {},
    environment: way === "full" ? { OTEL_EXPORTER_OTLP_ENDPOINT: collector } : {}
  })
  const told: Callers.Told = { commands: 0, events: 0 }
  const callers = (yield* Served.sockets(service)).map((socket) => Callers.caller(socket, told))
  const once = async (millis: number) => {
    const before = Processes.micros(service.pid)
    const commands = told.commands
    const sample = await loop(callers.length, millis, (one) => callers[one]!())
    const serviceMicros = (Processes.micros(service.pid) - before) / (told.commands - commands)
    return { ...sample, serviceMicros }
  }
  const check = async () => {
    await service.stop()
    const found = (await Callers.check(place, told)).map((one) => `${way}: ${one}`)
    const traced = existsSync(join(folder, "data", "traces", "trace.jsonl"))
    if (traced !== (way !== "off")) found.push(`${way}: ${traced ? "a trace file was" : "no trace file was"} written`)
    return found
  }
  return { once, check, place }
})
