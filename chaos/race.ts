/**
 * Twenty WebSockets that work on the same sessions and actions at once, and what they saw, judged.
 *
 *   clients -> (call, return, answer) per object -> could this have happened one step at a time?
 *           -> the journal: the audit queries, the counters, as many of each as was acknowledged
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as SeededScheduler from "#test/kit/seededScheduler.ts"
import * as Service from "#test/kit/service.ts"
import * as Audit from "./kit/audit.ts"
import type { Violation } from "./kit/ledger.ts"
import * as Linearizable from "./kit/linearizable.ts"
import * as Models from "./kit/models.ts"
import * as SocketClient from "./kit/SocketClient.ts"
import { type Database, type Store, withStore } from "./kit/store.ts"

export interface Options {
  readonly seed: number
  readonly store: Store
  readonly clients: number
  readonly operations: number
}

export const standard = { clients: 20, operations: 100 } as const

export type Operation = Linearizable.Operation<Models.Deed, Models.Seen>

export interface Report {
  readonly operations: number
  readonly objects: number
  /** Operations that overlapped with another one on the same object: what makes it a race. */
  readonly contended: number
  readonly refused: number
  readonly violations: ReadonlyArray<Violation>
  readonly seconds: number
}

export interface Run {
  readonly report: Report
  /** What clients saw, by object. */
  readonly history: ReadonlyMap<string, ObjectHistory>
}

export const run = async (options: Options): Promise<Run> => {
  const folder = mkdtempSync(join(tmpdir(), "keelson-race-"))
  try {
    return await withStore(options.store, (database) => inFolder(options, folder, database))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const inFolder = async (options: Options, folder: string, { url }: Database): Promise<Run> => {
  const databaseSchema = url === null ? "keelson" : `race_${process.pid}_${options.seed}`
  const place = { folder, databaseUrl: url, databaseSchema }
  const startedAt = performance.now()
  const history = await race(options, place)
  const seconds = (performance.now() - startedAt) / 1_000
  const violations = [...judge(history), ...(await Audit.look(place)), ...(await counted(place, history))]
  const operations = [...history.values()].flatMap((object) => object.operations)
  const report: Report = {
    operations: operations.length,
    objects: history.size,
    contended: [...history.values()].reduce((sum, object) => sum + contendedIn(object.operations), 0),
    refused: operations.filter(({ output }) => !output.done && output.status === null).length,
    violations,
    seconds
  }
  return { report, history }
}

export interface ObjectHistory {
  readonly kind: "session" | "action"
  readonly operations: Array<Operation>
}

/** Objects whose history nothing explains. */
export const judge = (history: ReadonlyMap<string, ObjectHistory>): ReadonlyArray<Violation> =>
  [...history].flatMap(([id, { kind, operations }]): ReadonlyArray<Violation> => {
    const explained =
      kind === "session"
        ? Linearizable.explain(Models.session, operations)
        : Linearizable.explain(Models.action, operations)
    if (explained !== null) return []
    const lines = operations
      .toSorted((one, other) => one.from - other.from)
      .map(
        ({ from, input, output, to }) => `${from.toFixed(2)}-${to.toFixed(2)} ${input} ${output.status ?? output.done}`
      )
    return [{ kind: "broken", detail: `${id} is not linearizable:\n  ${lines.join("\n  ")}` }]
  })

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const contendedIn = (operations: ReadonlyArray<Operation>): number =>
  operations.filter((one) => operations.some((other) => other !== one && one.from < other.to && other.from < one.to))
    .length

/** Objects that several clients work on at once; older ones make room. */
const contestedMax = 6

const flags = {
  "sessions-per-principal-max": 100_000,
  "confirmations-pending-max": 100_000,
  "confirmations-pending-per-session-max": 100_000,
  "requests-per-second-max": 100_000
}

const race = async (options: Options, place: Audit.Place): Promise<ReadonlyMap<string, ObjectHistory>> => {
  const service = await Service.start({
    folder: place.folder,
    flags: { ...flags, "database-schema": place.databaseSchema },
    environment: place.databaseUrl === null ? {} : { KEELSON_DATABASE_URL: place.databaseUrl }
  })
  try {
    const history = new Map<string, ObjectHistory>()
    const contested: { readonly session: Array<string>; readonly action: Array<string> } = { session: [], action: [] }
    const work = async (index: number) => {
      const socket = await SocketClient.open(service.url, service.token)
      const random = SeededScheduler.chance(options.seed * 1_009 + index)
      const one = <A>(list: ReadonlyArray<A>): A | undefined => list[Math.floor(random() * list.length)]
      const home = (await socket.ask({ type: "session.create", key: `home-${index}` })).body.sessionId
      for (let count = 0; count < options.operations; count++) {
        const key = `${index}-${count}`
        const kind = random() < 0.5 ? "session" : "action"
        const deed = one(deeds[kind])!
        const target = deed === "create" || deed === "request" ? null : (one(contested[kind]) ?? null)
        const frame = frameOf(kind, deed, target, { home, key })
        const from = performance.now()
        const { body, status } = await socket.ask(frame)
        const to = performance.now()
        const made = kind === "session" ? body.sessionId : body.actionId
        const isNew = target === null
        const id: string = target ?? made
        const output: Models.Seen =
          deed === "look" ? { done: true, status: body.status ?? null } : { done: status < 300, status: null }
        if (status >= 500 || (isNew && status >= 300)) throw new Error(`${deed}: ${JSON.stringify(body)}`)
        const object = history.get(id) ?? { kind, operations: [] }
        history.set(id, object)
        object.operations.push({ from, to, input: isNew ? (kind === "session" ? "create" : "request") : deed, output })
        if (isNew && contested[kind].push(id) > contestedMax) contested[kind].shift()
      }
      socket.close()
    }
    await Promise.all(Array.from({ length: options.clients }, (_, index) => work(index)))
    return history
  } finally {
    await service.stop()
  }
}

const deeds = {
  session: ["create", "touch", "touch", "close", "look"],
  action: ["request", "request", "approve", "deny", "look"]
} as const satisfies { readonly [kind: string]: ReadonlyArray<Models.Deed> }

const frameOf = (
  kind: "session" | "action",
  deed: Models.Deed,
  target: string | null,
  { home, key }: { readonly home: string; readonly key: string }
): SocketClient.Frame => {
  if (target === null) {
    if (kind === "session") return { type: "session.create", key, body: { title: key } }
    const body = { tool: "file.write", arguments: { path: `race-${key}.txt`, content: key } }
    return { type: "action.propose", key, params: { sessionId: home }, body }
  }
  if (kind === "session") {
    const params = { sessionId: target }
    return deed === "look" ? { type: "session.get", params } : { type: `session.${deed}`, key, params }
  }
  if (deed === "look") return { type: "action.get", params: { actionId: target } }
  return { type: `confirmation.${deed}`, key, params: { confirmationId: target.replace("act_", "cfm_") } }
}

/** As many of each in the journal as clients were told. */
const counted = async (
  place: Audit.Place,
  history: ReadonlyMap<string, ObjectHistory>
): Promise<ReadonlyArray<Violation>> => {
  const operations = [...history.values()].flatMap((object) => object.operations)
  const told = (deed: Models.Deed) => operations.filter(({ input, output }) => input === deed && output.done).length
  const expected: { readonly [type: string]: number } = {
    "session.touched": told("touch"),
    "session.closed": told("close"),
    "confirmation.requested": told("request"),
    "confirmation.approved": told("approve"),
    "confirmation.denied": told("deny")
  }
  const kept = await Audit.eventsByType(place)
  return Object.entries(expected)
    .filter(([type, count]) => (kept.get(type) ?? 0) !== count)
    .map(([type, count]) => ({
      kind: "broken" as const,
      detail: `${count} of ${type} were acknowledged, ${kept.get(type) ?? 0} are in the journal`
    }))
}
