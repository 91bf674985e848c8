/**
 * What a crash may never leave, looked for in the journal and in the world outside.
 *
 * The journal is opened by its own client while no service has it; what is asked are the queries of `docs/queries`.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { basename, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { SqlClient } from "effect/sql/SqlClient"
import * as Journal from "#layers/profiles/Journal.ts"
import * as Settings from "#layers/profiles/Settings.ts"
import * as Verification from "#layers/profiles/Verification.ts"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import type { Violation } from "./ledger.ts"

export interface Place {
  readonly folder: string
  readonly databaseUrl: string | null
  readonly databaseSchema: string
}

const queries = join(import.meta.dirname, "../../docs/queries")

/** Which column of the report a published query's row belongs to. */
const kinds: { readonly [query: string]: Violation["kind"] } = {
  "orphaned-sessions.sql": "orphaned",
  "phantom-confirmations.sql": "phantom",
  "broken-chains.sql": "broken",
  "double-executions.sql": "double",
  "conserved-counters.sql": "broken"
}

export interface Due {
  /** When the service died: what fell due later is nobody's fault, however long the looking takes. */
  readonly atMillis: number
  /** In place of the minute that an expiry may take: after a life that had the time, nothing is overdue at all. */
  readonly graceMillis: number
}

/** As the published query says it, now. */
const published = (): Due => ({ atMillis: Date.now(), graceMillis: 60_000 })

/** Everything, with the service stopped. */
export const look = async (place: Place, due: Due = published()): Promise<ReadonlyArray<Violation>> => {
  const settings = settingsOf(place)
  const found: Array<Violation> = []
  const { problems } = await Effect.runPromise(Verification.verify(settings, { problemsMax: 20 }))
  for (const problem of problems) found.push({ kind: "broken", detail: `verify: ${JSON.stringify(problem)}` })
  await within(
    place,
    Effect.gen(function* () {
      const sql = yield* SqlClient
      const ask = (text: string) =>
        sql.unsafe<Record<string, unknown>>(text.replaceAll("keelson.", `${place.databaseSchema}.`)).unprepared
      for (const name of readdirSync(queries).filter((file) => file.endsWith(".sql"))) {
        const kind = kinds[name]
        if (kind === undefined) throw new Error(`${name} has no place in the report`)
        const text = readFileSync(join(queries, name), "utf8")
        for (const row of yield* ask(name === "orphaned-sessions.sql" ? judgedAt(text, due) : text)) {
          found.push({ kind, detail: `${basename(name, ".sql")}: ${shown(row)}` })
        }
      }
      const effects = yield* ask(marked)
      const marks = join(place.folder, "marks.txt")
      found.push(...outside(existsSync(marks) ? readFileSync(marks, "utf8") : "", effects))
    })
  )
  return found
}

/** How many events of each type there are. */
export const eventsByType = (place: Place): Promise<ReadonlyMap<string, number>> =>
  within(
    place,
    Effect.gen(function* () {
      const sql = yield* SqlClient
      const text = `SELECT type, count(*)::int AS count FROM ${place.databaseSchema}.event GROUP BY type`
      const rows = yield* sql.unsafe<{ readonly type: string; readonly count: number }>(text).unprepared
      return new Map(rows.map(({ count, type }) => [type, count]))
    })
  )

/** Asks the journal, which no service has at the time. */
export const within = <A, E>(place: Place, ask: Effect.Effect<A, E, SqlClient>): Promise<A> => {
  const journal = Journal.journal(settingsOf(place)).pipe(Layer.provide(NodeDigest.layer))
  return Effect.runPromise(ask.pipe(Effect.provide(journal), Effect.scoped))
}

/** Marks without a claim, marks made twice, and outcomes without their mark. */
export const outside = (text: string, effects: ReadonlyArray<Record<string, unknown>>): ReadonlyArray<Violation> => {
  const times = new Map<string, number>()
  for (const line of text.split("\n").filter((mark) => mark !== "")) {
    const action = line.split(" ")[0]!
    times.set(action, (times.get(action) ?? 0) + 1)
  }
  const known = new Map(effects.map((effect) => [String(effect["action"]), effect]))
  const found: Array<Violation> = []
  for (const [action, count] of times) {
    if (count > 1) found.push({ kind: "double", detail: `the tool ran ${count} times for ${action}` })
    if (known.get(action)?.["claimed"] !== true)
      found.push({ kind: "phantom", detail: `the tool ran for ${action}, which nobody claimed` })
  }
  for (const [action, effect] of known) {
    if (effect["executed"] === true && !times.has(action))
      found.push({ kind: "phantom", detail: `${action} is executed, but the tool left no mark` })
  }
  return found
}

/** The published query with another moment and another patience. It is an error where the query no longer says either. */
export const judgedAt = (query: string, { atMillis, graceMillis }: Due): string => {
  const replaced = (text: string, from: string, to: string) => {
    if (!text.includes(from)) throw new Error(`orphaned-sessions.sql no longer says: ${from}`)
    return text.replace(from, to)
  }
  const patient = replaced(query, "+ 60000", `+ ${graceMillis}`)
  return replaced(patient, "extract(epoch FROM clock_timestamp()) * 1000", String(atMillis))
}

/** Counts come as bigints, which JSON has no form for. */
export const shown = (row: Record<string, unknown>): string =>
  JSON.stringify(row, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value))

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const settingsOf = (place: Place): Settings.Settings => ({
  ...Settings.defaults,
  dataFolder: join(place.folder, "data"),
  databaseUrl: place.databaseUrl === null ? null : Redacted.make(place.databaseUrl),
  databaseSchema: place.databaseSchema
})

/** What the journal says of each action with the tool that leaves marks. */
const marked = `
SELECT substr(stream, 8) AS action, bool_or(type = 'action.claimed') AS claimed,
  bool_or(type = 'action.executed') AS executed
FROM keelson.event
WHERE stream IN (
  SELECT stream FROM keelson.event
  WHERE type = 'action.proposed' AND body::jsonb #>> '{payload,tool}' = 'chaos.mark'
)
GROUP BY stream`
