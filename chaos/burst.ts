/**
 * The two runs that Keelson's predecessor failed, as counts: of 60 sessions that were acknowledged just before a SIGKILL
 * 5 survived, and 387 of 400 confirmations that several people decided at once ran their tool twice.
 *
 *   burst:  open sessions all at once -> SIGKILL with the last answer -> start -> which of them are there?
 *   rivals: ask for many actions -> approve, deny and approve each again, all at once -> who won, what ran?
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Machine, machine } from "../bench/kit/machine.ts"
import * as SeededScheduler from "#test/kit/seededScheduler.ts"
import * as Service from "#test/kit/service.ts"
import { type Store, withStore } from "./kit/store.ts"

export interface Options {
  readonly runs: number
  readonly seed: number
  readonly store: Store
  readonly sessions: number
  readonly confirmations: number
  readonly mutant: string | null
  readonly say: (line: string) => void
}

export const standard = { sessions: 60, confirmations: 400 } as const

export interface Report extends Machine {
  readonly store: Options["store"]
  readonly seed: number
  readonly sessions: number
  /** Of each run: acknowledged sessions that the next life knew. */
  readonly kept: ReadonlyArray<number>
  readonly rivals: Judgement
}

export interface Judgement {
  readonly confirmations: number
  readonly approved: number
  readonly denied: number
  /** Actions whose tool ran more than once. */
  readonly twice: number
  /** Actions whose tool ran without an approval, or did not run with one. */
  readonly wrong: number
  /** Confirmations that nobody won, or more than one. */
  readonly winners: number
}

/** What came of one confirmation: whose decision was taken, and how often its line stands in the file. */
export interface Decided {
  readonly won: ReadonlyArray<"approve" | "deny">
  readonly ran: number
}

export const judge = (decided: ReadonlyArray<Decided>): Judgement => {
  const count = (which: (one: Decided) => boolean) => decided.filter(which).length
  const isApproved = ({ won }: Decided) => won.includes("approve")
  return {
    confirmations: decided.length,
    approved: count(isApproved),
    denied: count(({ won }) => won.includes("deny")),
    twice: count(({ ran }) => ran > 1),
    wrong: count((one) => isApproved(one) !== one.ran > 0),
    winners: count(({ won }) => won.length !== 1)
  }
}

export const run = (options: Options): Promise<Report> =>
  withStore(options.store, async ({ url }) => {
    const { confirmations, runs, seed, sessions, store } = options
    const kept: Array<number> = []
    for (let index = 0; index < runs; index++) {
      kept.push(await inPlace(options, url, index, (start) => burst(start, sessions)))
      options.say(`run ${index + 1}: ${kept.at(-1)} of ${sessions} sessions`)
    }
    const random = SeededScheduler.chance(seed)
    const decided =
      confirmations === 0 ? [] : await inPlace(options, url, runs, (start) => rivals(start, confirmations, random))
    return { ...machine(), store, seed, sessions, kept, rivals: judge(decided) }
  })

export const holds = ({ kept, rivals: { twice, winners, wrong }, sessions }: Report): boolean =>
  kept.every((count) => count === sessions) && twice + wrong + winners === 0

export const print = ({ kept, rivals: judged, seed, sessions, store }: Report): string =>
  [
    `${kept.filter((count) => count === sessions).length} of ${kept.length} bursts on ${store} kept all ${sessions} sessions` +
      (kept.every((count) => count === sessions) ? "" : `; what each kept: ${kept.join(" ")}`),
    `${judged.twice} of ${judged.confirmations} actions ran twice, each approved, denied and approved again at once ` +
      `(seed ${seed}): ${judged.approved} approved, ${judged.denied} denied, ${judged.winners} without exactly one winner, ` +
      `${judged.wrong} that ran unapproved or did not run`
  ].join("\n")

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

type Start = () => Promise<Service.Service>

const flags = {
  "requests-per-second-max": 1_000_000,
  "confirmations-pending-max": 10_000,
  "confirmations-pending-per-session-max": 10_000,
  ...Service.manyWaits
}

/** A folder and a schema that nobody used before; gone afterwards, with the service. */
const inPlace = async <A>(
  { mutant }: Options,
  databaseUrl: string | null,
  index: number,
  work: (start: Start) => Promise<A>
): Promise<A> => {
  const folder = mkdtempSync(join(tmpdir(), "keelson-burst-"))
  const started: Array<Service.Service> = []
  const schema = databaseUrl === null ? {} : { "database-schema": `burst_${process.pid}_${index}` }
  try {
    return await work(async () => {
      const service = await Service.start({
        folder,
        flags: { ...flags, ...schema },
        ...(mutant === null ? {} : { program: [process.execPath, join(import.meta.dirname, "service.ts")] as const }),
        environment: {
          ...(databaseUrl === null ? {} : { KEELSON_DATABASE_URL: databaseUrl }),
          ...(mutant === null ? {} : { CHAOS_MUTANT: mutant, CHAOS_FOLDER: folder })
        }
      })
      started.push(service)
      return service
    })
  } finally {
    await Promise.all(started.map((service) => service.kill()))
    rmSync(folder, { recursive: true, force: true })
  }
}

const burst = async (start: Start, sessions: number): Promise<number> => {
  const before = await start()
  const opened = await Promise.all(
    Array.from({ length: sessions }, (_, index) => before.post("/v1/sessions", `burst-${index}`, {}))
  )
  await before.kill()
  const refused = opened.find(({ status }) => status !== 201)
  if (refused !== undefined) throw new Error(`a session was not opened: ${JSON.stringify(refused.body)}`)
  const after = await start()
  const found = await Promise.all(opened.map(({ body }) => after.get(`/v1/sessions/${body.sessionId}`)))
  return found.filter(({ body, status }) => status === 200 && body.status === "Open").length
}

/** Each action appends a line of its own to one file: what ran stands there, whatever the service says. */
const rivals = async (start: Start, count: number, random: () => number): Promise<ReadonlyArray<Decided>> => {
  const service = await start()
  const file = join(service.workspace, "lines.txt")
  writeFileSync(file, "")
  const { body: session } = await service.post("/v1/sessions", "rivals", {})
  const asked = await Promise.all(
    Array.from({ length: count }, (_, index) =>
      service.post(`/v1/sessions/${session.sessionId}/actions`, `ask-${index}`, {
        tool: "file.write",
        arguments: { path: "lines.txt", content: `line-${index}\n`, mode: "append" }
      })
    )
  )
  const wishes = asked.flatMap(({ body }, index) =>
    (["approve", "deny", "approve"] as const).map((deed, turn) => ({
      index,
      deed,
      key: `${deed}-${turn}-${index}`,
      path: `/v1/confirmations/${body.confirmationId}/${deed}`,
      order: random()
    }))
  )
  const won = asked.map((): Array<"approve" | "deny"> => [])
  await Promise.all(
    wishes
      .sort((one, other) => one.order - other.order)
      .map(async ({ deed, index, key, path }) => {
        const { body, status } = await service.post(path, key, deed === "deny" ? { reason: "no" } : {})
        if (status === 200) won[index]!.push(deed)
        else if (status !== 409) throw new Error(`${path}: ${JSON.stringify(body)}`)
      })
  )
  const ends = asked.map(({ body }) => service.get(`/v1/actions/${body.actionId}?waitMillis=20000`))
  await Promise.all(ends)
  const lines = readFileSync(file, "utf8").split("\n")
  return won.map((decisions, index) => ({
    won: decisions,
    ran: lines.filter((line) => line === `line-${index}`).length
  }))
}
