/**
 * Kills the real service again and again, at named moments and at random ones, and looks what is left.
 *
 *   start, armed -> clients work -> it dies -> start -> everything that was acknowledged is asked again
 *                                                    -> now and then: stop, verify, the queries, the world outside
 *
 * Owns the order of the kills and whose fault a finding is. Does not own what is done (`kit/workload`), what was told
 * (`kit/ledger`) nor what may not be (`kit/audit`).
 *
 * A seed decides points, times and work; how fast the machine is decides the rest, so a run is not repeated to the byte.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Machine, machine } from "../bench/kit/machine.ts"
import * as PostgresServer from "#test/kit/PostgresServer.ts"
import * as SeededScheduler from "#test/kit/seededScheduler.ts"
import * as Service from "#test/kit/service.ts"
import * as Audit from "./kit/audit.ts"
import { Ledger, type Violation } from "./kit/ledger.ts"
import { database, moment, type Point, points } from "./kit/points.ts"
import { type Database, type Store, withStore } from "./kit/store.ts"
import * as Turns from "./kit/turns.ts"
import * as Workload from "./kit/workload.ts"

export interface Options extends Turns.Asked {
  readonly seed: number
  readonly store: Store
  readonly mutant: string | null
  /** Kills between two whole audits. */
  readonly auditEvery: number
  readonly say: (line: string) => void
}

export interface Row {
  readonly point: string
  hits: number
  readonly found: Array<Violation>
}

export interface Report extends Machine {
  readonly seed: number
  readonly store: Options["store"]
  readonly kills: number
  readonly acknowledged: number
  readonly marks: number
  readonly seconds: number
  readonly rows: ReadonlyArray<Row>
  /** Moments that did not come as often as asked: nothing is known of them. */
  readonly missed: ReadonlyArray<string>
  readonly hitsMin: number
  /** Found by the audits of everything: whichever crash it was. */
  readonly whole: ReadonlyArray<Violation>
}

/** Longest that an armed life waits for its moment; then it is killed from outside. */
const lifeMillisMax = 10_000
const clientCount = 6
/** It dies at one of the first times that it passes its moment. */
const nthMax = 3
/** What an expiry may take in a life that had nothing else to do. */
const graceMillis = 2_000

export const run = async (options: Options): Promise<Report> => {
  const folder = mkdtempSync(join(tmpdir(), "keelson-chaos-"))
  try {
    return await withStore(options.store, (database) => inFolder(options, folder, database))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Every finding of a report. */
export const findings = ({ rows, whole }: Report): ReadonlyArray<Violation> => [
  ...rows.flatMap(({ found }) => found),
  ...whole
]

/** Nothing was found, and everything that was to be tried was. */
export const isGood = (report: Report): boolean => findings(report).length === 0 && report.missed.length === 0

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

interface World {
  readonly options: Options
  readonly random: () => number
  readonly place: Audit.Place
  readonly server: string | null
  readonly ledger: Ledger
  readonly rows: Map<string, Row>
  readonly whole: Array<Violation>
  /** The moment of the last death: whose fault it is what is missing now. */
  died: string | null
}

const inFolder = async (options: Options, folder: string, { server, url }: Database): Promise<Report> => {
  const startedAt = performance.now()
  const world: World = {
    options,
    random: SeededScheduler.chance(options.seed),
    place: { folder, databaseUrl: url, databaseSchema: url === null ? "keelson" : `chaos_${process.pid}` },
    server,
    ledger: new Ledger(),
    rows: new Map(),
    whole: [],
    died: null
  }
  const turns = await killAll(world)
  return {
    ...machine(),
    seed: options.seed,
    store: options.store,
    kills: Turns.kills(turns),
    acknowledged: world.ledger.acknowledged,
    marks: marksIn(folder),
    seconds: (performance.now() - startedAt) / 1_000,
    rows: [...world.rows.values()],
    missed: options.mutant === null ? Turns.missed(turns, options) : [],
    hitsMin: options.hitsMin,
    whole: world.whole
  }
}

const flags = {
  "confirmation-ttl-millis": Workload.confirmationMillis,
  "claim-lease-millis": Workload.leaseMillis,
  "requests-per-second-max": 100_000,
  "sessions-per-principal-max": 100_000,
  "confirmations-pending-max": 10_000
}

const start = (
  { place }: World,
  armed: { readonly point: string; readonly nth: number } | null,
  mutant: string | null
) =>
  Service.start({
    folder: place.folder,
    policies: Workload.policies,
    flags: { ...flags, "database-schema": place.databaseSchema },
    program: [process.execPath, join(import.meta.dirname, "service.ts")],
    environment: {
      CHAOS_FOLDER: place.folder,
      ...(place.databaseUrl === null ? {} : { KEELSON_DATABASE_URL: place.databaseUrl }),
      ...(armed === null ? {} : { CHAOS_POINT: armed.point, CHAOS_NTH: String(armed.nth) }),
      ...(mutant === null ? {} : { CHAOS_MUTANT: mutant })
    }
  })

/** All moments; random ones and the database twice, so that they come twice as often. */
const turnsOf = (world: World): ReadonlyArray<Turns.Turn> => {
  const outside: ReadonlyArray<Point> = [
    { name: moment, recipe: "approve" },
    ...(world.server === null ? [] : [{ name: database, recipe: "approve" as const }])
  ]
  return Turns.make([...points, ...outside, ...outside])
}

const killAll = async (world: World): Promise<ReadonlyArray<Turns.Turn>> => {
  const { options } = world
  const first = await start(world, null, null)
  const agent = await Workload.prepare(first)
  await first.kill()
  const turns = turnsOf(world)
  const found = () => findingsOf(world).length
  let told = 0
  while (!Turns.isOver(turns, options) && (options.mutant === null || found() === 0)) {
    const turn = Turns.next(turns, options, world.random)
    world.died = await oneLife(world, agent, turn.point, Turns.kills(turns))
    world.rows.set(world.died, { ...rowOf(world, world.died), hits: rowOf(world, world.died).hits + 1 })
    Turns.took(turn, world.died)
    const kills = Turns.kills(turns)
    if (kills % options.auditEvery === 0 || Turns.isOver(turns, options)) await quiet(world)
    const { acknowledged } = world.ledger
    for (const { detail, kind } of findingsOf(world).slice(told)) options.say(`  ${kind}: ${detail}`)
    told = found()
    const least = options.hitsMin > 0 ? "at least " : ""
    options.say(`${kills} of ${least}${options.kills}: ${world.died}; ${acknowledged} acknowledged, ${found()} found`)
  }
  return turns
}

const rowOf = (world: World, point: string): Row => world.rows.get(point) ?? { point, hits: 0, found: [] }

const findingsOf = ({ rows, whole }: World): ReadonlyArray<Violation> => [
  ...[...rows.values()].flatMap(({ found }) => found),
  ...whole
]

/** Asks again for everything that was acknowledged; what is wrong is the fault of the crash before. */
const settle = async (world: World, service: Service.Service): Promise<void> => {
  await world.ledger.settle(service, world.random)
  if (world.died !== null) rowOf(world, world.died).found.push(...world.ledger.violations.splice(0))
}

/** A halt that outlived its client would keep everything from being done in this life, and in every later one. */
const goOn = (service: Service.Service, life: number): Promise<unknown> =>
  service
    .post("/v1/resume", `go-on-${life}`, { reason: "the halt's client died with the life before" })
    .catch(() => null)

/** A life in which nothing happens and everything that is due is done; then all of it is looked through. */
const quiet = async (world: World): Promise<void> => {
  const service = await start(world, null, world.options.mutant)
  await settle(world, service)
  await new Promise((wake) => setTimeout(wake, Workload.confirmationMillis + graceMillis))
  await service.kill()
  world.whole.push(...(await Audit.look(world.place, { atMillis: Date.now(), graceMillis })))
}

/** Works until it dies; answers at which moment it did. */
const oneLife = async (world: World, agent: Workload.Agent, point: Point, life: number): Promise<string> => {
  const { options, place, random } = world
  const isOutside = point.name === moment || point.name === database
  const nth = point.once === true ? 1 : 1 + Math.floor(random() * nthMax)
  const died = join(place.folder, "died.txt")
  rmSync(died, { force: true })
  const deaths = () => (existsSync(died) ? readFileSync(died, "utf8").trim() : null)
  const service = await start(world, isOutside ? null : { point: point.name, nth }, options.mutant).catch(
    (cause: unknown) => {
      // A moment of recovery: it died while it started.
      if (deaths() === null) throw cause
      return null
    }
  )
  if (service === null) return deaths()!
  await settle(world, service)
  await goOn(service, life)
  const clients = clientsOf(world, agent, life)
  const over = { yet: false }
  const favourite = isOutside ? null : point.recipe
  const working = Promise.all(clients.map((client) => Workload.work(client, service, favourite, () => over.yet)))
  const limit = isOutside ? 200 + random() * 1_500 : lifeMillisMax
  await Promise.race([working, new Promise((wake) => setTimeout(wake, limit))])
  if (point.name === database && world.server !== null) {
    await PostgresServer.crash(world.server)
    over.yet = true
    await working
  }
  over.yet = true
  await service.kill()
  await working
  for (const { claimed } of clients) {
    for (const [action, times] of claimed) {
      if (times > 1) world.ledger.violations.push({ kind: "double", detail: `${action} was claimed ${times} times` })
    }
  }
  return deaths() ?? (isOutside ? point.name : moment)
}

const clientsOf = ({ ledger, options }: World, agent: Workload.Agent, life: number): ReadonlyArray<Workload.Client> =>
  Array.from({ length: clientCount }, (_, index) => ({
    name: `${life}-${index}`,
    random: SeededScheduler.chance(options.seed * 1_000_003 + life * 101 + index),
    ledger,
    agent,
    claimed: new Map(),
    sessionId: null,
    count: 0
  }))

const marksIn = (folder: string): number => {
  const file = join(folder, "marks.txt")
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").length - 1 : 0
}
