/**
 * The same 20 x 100 work by what a user would pick instead, beside Keelson and the floor, in one run and by one driver.
 *
 * Floor: `kit/Floor`, as many INSERTs. An operation: one change of one of twenty actors, by one of twenty callers over
 * HTTP, answered once it is durable; a touch of a session at Keelson, one more on a counter elsewhere. Each runs as a
 * process of its own, with a database of its own on one PostgreSQL, and they take turns.
 *
 * Checked: every answer is the next number of its actor, and so is the first one after a SIGKILL and a new start; at
 * Keelson every touch that was answered is in the journal once, and `keelson verify`.
 * Then changes are taken out of each store, and the checks must complain (`kit/TakenOut`).
 * Not measured: what the others leave out: sealing, receipts, policies, authentication, an audit trail; several nodes;
 * work that takes time. Each is used as its guide shows it, and may be faster in the hands of those who know it better.
 *
 * Versions stand in `peers/package.json`; what it names is installed by the first run that needs it.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import * as Effect from "effect/Effect"
import pg from "pg"
import * as Audit from "#chaos/kit/audit.ts"
import * as Floor from "./kit/Floor.ts"
import { about, type Machine, machine } from "./kit/machine.ts"
import { post } from "./kit/post.ts"
import { rounds, toFloor } from "./kit/rounds.ts"
import * as Served from "./kit/Served.ts"
import { type Spread, spread, table } from "./kit/statistics.ts"
import * as TakenOut from "./kit/TakenOut.ts"

type Peer = "actor" | "dbos" | "cluster"

export interface Options extends TakenOut.Wish {
  /** Of each of the twenty callers, per round. */
  readonly operations: number
  readonly rounds: number
  readonly peers: ReadonlyArray<Peer>
}

export const full: Options = { operations: 100, rounds: 7, peers: ["actor", "dbos", "cluster"], takeOut: true }
/** Nothing is installed for it. */
export const smoke: Options = { operations: 5, rounds: 1, peers: ["actor"], takeOut: true }

export interface Row {
  readonly what: string
  readonly perSecond: Spread
  /** To the floor of the same round; 1 for the floor itself. */
  readonly ratio: Spread
}

export interface Report extends Machine, TakenOut.TakenOut {
  readonly options: Options
  readonly rows: ReadonlyArray<Row>
  /** Peers without a figure, with why. */
  readonly missing: ReadonlyArray<string>
  readonly corruptions: ReadonlyArray<string>
}

export const run = Effect.fnUntraced(function* (options: Options) {
  const missing: Array<string> = []
  const installed = options.peers.every((peer) => peer === "actor") || install(missing)
  const { insert, place, pool, start } = yield* Served.make()
  const keelson = yield* keelsonOn(place, yield* start)
  const subjects: Array<Subject> = [floorOf(insert), keelson]
  for (const peer of options.peers) {
    if (peer !== "actor" && !installed) continue
    const database = `bench_${peer}_${process.pid}`
    yield* Effect.promise(() => pool.query(`CREATE DATABASE ${database}`))
    const url = new URL(place.databaseUrl!)
    url.pathname = `/${database}`
    subjects.push(yield* peerOf(peer, url.href))
  }
  const cells = subjects.map((subject) => async () => {
    const startedAt = performance.now()
    await Promise.all(Array.from({ length: callers }, (_, caller) => subject.work(caller, options.operations)))
    return (callers * options.operations * 1_000) / (performance.now() - startedAt)
  })
  const samples = yield* Effect.promise(() => rounds(options.rounds, cells))
  const corruptions: Array<string> = []
  for (const { check } of subjects) corruptions.push(...(yield* Effect.promise(check)))
  const noticed: Array<TakenOut.TakenOut> = []
  for (const { check, takeOut } of subjects) {
    if (takeOut === null) continue
    noticed.push(yield* TakenOut.checkAgain(options, takeOut, check))
  }
  const report: Report = {
    ...machine(),
    options,
    rows: subjects.map(({ what }, index) => ({
      what,
      perSecond: spread(samples[index]!),
      ratio: toFloor(samples[index]!, samples[0]!)
    })),
    missing,
    corruptions,
    ...TakenOut.all(noticed)
  }
  return report
}, Effect.scoped)

export const print = (report: Report): string =>
  [
    `${about(report)}; ${report.options.rounds} rounds of ${callers} x ${report.options.operations} operations`,
    "",
    table(
      ["", "per second", "low", "high", "of floor", "low", "high"],
      report.rows.map(({ perSecond, ratio, what }) => [
        what,
        ...[perSecond.median, perSecond.low, perSecond.high].map((value) => value.toFixed(0)),
        ...[ratio.median, ratio.low, ratio.high].map((value) => value.toFixed(2))
      ])
    ),
    "",
    ...report.missing,
    `${report.corruptions.length} corruptions`,
    ...report.corruptions,
    ...TakenOut.lines(report)
  ].join("\n")

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const callers = Floor.callers

interface Subject {
  readonly what: string
  /** So many operations of one caller, one after the other. */
  readonly work: (caller: number, operations: number) => Promise<void>
  /** What is wrong with what it did. */
  readonly check: () => Promise<ReadonlyArray<string>>
  /** Takes what was acknowledged out of its store; null where nothing is checked. */
  readonly takeOut: (() => Promise<void>) | null
}

const folder = join(import.meta.dirname, "peers")

const names: { readonly [P in Peer]: string } = {
  actor: "hand-written actor with group commit",
  dbos: "DBOS",
  cluster: "Effect's cluster, persisted messages"
}

/** What takes the last change of each actor out. */
const losses: { readonly [P in Peer]: string } = {
  actor: "DELETE FROM entry AS one WHERE n = (SELECT max(n) FROM entry WHERE actor = one.actor)",
  dbos: "UPDATE counter SET n = n - 1",
  cluster: "UPDATE counter SET n = n - 1"
}

/** By the lockfile of the peers; says why where it can't be. */
const install = (missing: Array<string>): boolean => {
  if (existsSync(join(folder, "node_modules/.package-lock.json"))) return true
  console.error("installing what bench/peers/package.json names (once)")
  const { status } = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"]
  })
  if (status !== 0) missing.push("no figures for DBOS and Effect's cluster: npm could not install bench/peers")
  return status === 0
}

const floorOf = (insert: (caller: number, count: number) => Promise<void>): Subject => {
  let inserted = 0
  return {
    what: "floor",
    work: async (caller, operations) => {
      for (let count = 0; count < operations; count++) await insert((inserted += 1), caller)
    },
    check: async () => [],
    takeOut: null
  }
}

const keelsonOn = Effect.fnUntraced(function* (
  place: Audit.Place,
  service: Effect.Success<Effect.Success<ReturnType<typeof Served.make>>["start"]>
) {
  const sessions = yield* Effect.promise(() =>
    Promise.all(
      Array.from({ length: callers }, async (_, caller) => {
        const { body } = await service.post("/v1/sessions", `session-${caller}`, {})
        return String(body.sessionId)
      })
    )
  )
  let touched = 0
  const subject: Subject = {
    what: "Keelson over HTTP",
    work: async (caller, operations) => {
      for (let count = 0; count < operations; count++) {
        const path = `/v1/sessions/${sessions[caller]!}/touch`
        const { body, status } = await service.post(path, `touch-${(touched += 1)}`, {})
        if (status !== 200) throw new Error(`a touch was answered with ${status}: ${JSON.stringify(body)}`)
      }
    },
    check: async () => {
      await service.stop()
      const found = (await Audit.look(place)).map(({ detail }) => `Keelson: ${detail}`)
      const there = (await Audit.eventsByType(place)).get("session.touched") ?? 0
      return there === touched ? found : [...found, `Keelson: ${touched} touches were answered, ${there} are there`]
    },
    takeOut: () => TakenOut.event(place, "session.touched")
  }
  return subject
})

/** A peer's process, killed at the end of the scope. */
const peerOf = Effect.fnUntraced(function* (peer: Peer, url: string) {
  let child: ChildProcess | null = null
  let port = 0
  const begin = async () => {
    child = spawn(process.execPath, [join(folder, `${peer}.mjs`)], {
      env: { PATH: process.env["PATH"], HOME: process.env["HOME"], PEER_DATABASE_URL: url },
      stdio: ["ignore", "pipe", "inherit"]
    })
    port = await portOf(child)
  }
  const end = async () => {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    child.kill("SIGKILL")
    await once(child, "exit")
  }
  yield* Effect.addFinalizer(() => Effect.promise(end))
  yield* Effect.promise(begin)
  const counts = Array.from({ length: callers }, () => 0)
  /** Says the next one, and throws where the answer is another. */
  const add = async (caller: number) => {
    const expected = (counts[caller] = counts[caller]! + 1)
    const count = await post(port, { actor: `actor-${caller}`, key: `actor-${caller}-${expected}` })
    if (count !== expected) throw new Error(`${names[peer]} answered ${count} in place of ${expected}`)
  }
  const subject: Subject = {
    what: names[peer],
    work: async (caller, operations) => {
      for (let count = 0; count < operations; count++) await add(caller)
    },
    check: async () => {
      await end()
      await begin()
      const ends = await Promise.allSettled(counts.map((_, caller) => add(caller)))
      return ends.flatMap((one) => (one.status === "rejected" ? [`after a kill: ${String(one.reason)}`] : []))
    },
    takeOut: async () => {
      await end()
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      await client.query(losses[peer])
      await client.end()
    }
  }
  return subject
})

const portOf = (child: ChildProcess): Promise<number> =>
  new Promise((resolve, reject) => {
    createInterface({ input: child.stdout! }).on("line", (line) => {
      if (line.startsWith('{"port":')) resolve((JSON.parse(line) as { readonly port: number }).port)
    })
    child.once("exit", (code, signal) => reject(new Error(`a peer ended (${code ?? signal}) before it listened`)))
  })
