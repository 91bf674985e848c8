/**
 * Rows and counters, rebuilt from the events into temporary tables and compared with what is stored.
 *
 * Changes are gathered and written in lots; a row's last write counts, and its position may be that of any event from
 * the writing one to the last of the same command beside it (see `SqlVerify`).
 */
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { RowChange } from "#src/kernel/Append.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import { rowName } from "./Preparation.ts"
import type { Walk } from "./SqlVerify.ts"

export interface Rebuilding {
  readonly take: (event: StoredEvent) => Effect.Effect<void, SqlError>
  readonly flush: Effect.Effect<void, SqlError>
  /** False where the rebuild threw: rows can't be compared then. */
  readonly whole: () => boolean
}

export const begin = Effect.fnUntraced(function* (
  on: Walk,
  rebuild: (event: StoredEvent) => ReadonlyArray<RowChange>
): Effect.fn.Return<Rebuilding, SqlError> {
  for (const text of temporaryTables) yield* on.ask(text)
  const rows = new Map<string, Written>()
  const counters = new Map<string, number>()
  let run: { readonly command: string; readonly written: Set<Written> } | null = null
  let whole = true

  const flush = Effect.gen(function* () {
    yield* on.ask(flushRows, lines([...rows.values()]))
    yield* on.ask(flushCounters, [JSON.stringify([...counters])])
    rows.clear()
    counters.clear()
  })

  const take = Effect.fnUntraced(function* (event: StoredEvent) {
    const command = `${event.envelope.stream} ${event.envelope.commandId}`
    if (run === null || run.command !== command) {
      if (rows.size + counters.size >= lot) yield* flush
      run = { command, written: new Set() }
    }
    for (const written of run.written) written.until = event.position
    let changes: ReadonlyArray<Change> = []
    try {
      changes = rebuild(event).map(checked)
    } catch (cause) {
      whole = false
      const { stream, version, eventId } = event.envelope
      const what = `its rows can't be rebuilt: ${cause instanceof Error ? cause.message : String(cause)}`
      on.report({ table: "event", position: event.position, stream, version, eventId, what })
    }
    for (const change of changes) {
      if ("counter" in change) {
        counters.set(change.counter, (counters.get(change.counter) ?? 0) + change.delta)
        continue
      }
      const { kind, key, body } = change
      const written: Written = { kind, key, body, from: event.position, until: event.position }
      const name = rowName(kind, key)
      const earlier = rows.get(name)
      if (earlier !== undefined) run.written.delete(earlier)
      rows.set(name, written)
      run.written.add(written)
    }
  })

  return { take, flush, whole: () => whole }
})

export const finish = Effect.fnUntraced(function* (on: Walk, rebuilding: Rebuilding | null) {
  const s = on.schema
  const [count] = yield* on.ask<{ rows: bigint; counters: bigint }>(
    `SELECT (SELECT count(*) FROM ${s}."row") AS rows, (SELECT count(*) FROM ${s}.counter) AS counters`
  )
  const counts = { rows: Number(count?.rows ?? 0), counters: Number(count?.counters ?? 0) }
  yield* on.progress("rows", 0, counts.rows)
  if (rebuilding === null) return counts
  yield* rebuilding.flush
  if (rebuilding.whole()) {
    yield* compareRows(on)
    yield* compareCounters(on)
  }
  yield* on.progress("rows", counts.rows, counts.rows)
  return counts
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

interface Written {
  readonly kind: string
  readonly key: string
  readonly body: string | null
  readonly from: number
  until: number
}

type Change =
  | { readonly counter: string; readonly delta: number }
  | { readonly kind: string; readonly key: string; readonly body: string | null }

/** A changed event may rebuild to what no row can be: that is told of the event, and not left to the database. */
const checked = (change: RowChange): Change => {
  if (change._tag === "Add") {
    const { counter, delta } = change
    if (typeof counter !== "string" || !Number.isSafeInteger(delta)) throw new Error("a counter has no whole number")
    return { counter, delta }
  }
  const { kind, key } = change
  if (typeof kind !== "string" || typeof key !== "string") throw new Error("a row has no name")
  return { kind, key, body: change._tag === "Put" ? Canonical.encode(change.body) : null }
}

/** Changes gathered before they are written. */
const lot = 5_000

/** Differences listed of one table; a broken room would list all its rows. */
const differencesMax = 1_000

const temporaryTables = [
  `CREATE TEMPORARY TABLE verify_row (
    kind text COLLATE "C", key text COLLATE "C", body jsonb, since bigint NOT NULL, until bigint NOT NULL,
    PRIMARY KEY (kind, key)
  ) ON COMMIT DROP`,
  `CREATE TEMPORARY TABLE verify_counter (name text COLLATE "C" PRIMARY KEY, n bigint NOT NULL) ON COMMIT DROP`
]

const lines = (rows: ReadonlyArray<Written>): ReadonlyArray<unknown> => [
  JSON.stringify(rows.map(({ kind, key, body, from, until }) => [kind, key, body, from, until]))
]

const flushRows = `
  INSERT INTO verify_row AS d (kind, key, body, since, until)
  SELECT e ->> 0, e ->> 1, (e ->> 2)::jsonb, (e ->> 3)::bigint, (e ->> 4)::bigint FROM jsonb_array_elements($1::jsonb) e
  ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body, since = excluded.since, until = excluded.until`

const flushCounters = `
  INSERT INTO verify_counter AS d (name, n)
  SELECT e ->> 0, (e ->> 1)::bigint FROM jsonb_array_elements($1::jsonb) e
  ON CONFLICT (name) DO UPDATE SET n = d.n + excluded.n`

interface RowDifference {
  readonly kind: string
  readonly key: string
  readonly position: bigint | null
  readonly missing: boolean
  readonly extra: boolean
  readonly differs: boolean
}

/** Bodies are compared as JSON's text, so that 1 and 1.0 differ. A dropped row has a null body. */
const compareRows = Effect.fnUntraced(function* (on: Walk) {
  const found = yield* on.ask<RowDifference>(
    `SELECT coalesce(r.kind, v.kind) AS kind, coalesce(r.key, v.key) AS key, r.position,
       r.kind IS NULL AS missing, v.body IS NULL AS extra, r.body::text IS DISTINCT FROM v.body::text AS differs
     FROM ${on.schema}."row" r FULL JOIN verify_row v ON v.kind = r.kind AND v.key = r.key
     WHERE (r.kind IS NULL AND v.body IS NOT NULL)
       OR (r.kind IS NOT NULL AND (r.body::text IS DISTINCT FROM v.body::text
         OR r.position NOT BETWEEN v.since AND v.until))
     ORDER BY 1, 2 LIMIT ${differencesMax}`
  )
  for (const { kind, key, position, missing, extra, differs } of found) {
    const what = missing
      ? "the row is missing"
      : extra
        ? "no event put this row there"
        : differs
          ? "its body differs from what the events give"
          : "its position is not that of the append that wrote it"
    on.report({ table: "row", name: `${kind} ${key}`, position: position === null ? null : Number(position), what })
  }
})

const compareCounters = Effect.fnUntraced(function* (on: Walk) {
  const found = yield* on.ask<{ name: string; stored: bigint | null; rebuilt: bigint | null }>(
    `SELECT coalesce(c.name, v.name) AS name, c.n AS stored, v.n AS rebuilt
     FROM ${on.schema}.counter c FULL JOIN verify_counter v ON v.name = c.name
     WHERE c.n IS DISTINCT FROM v.n ORDER BY 1 LIMIT ${differencesMax}`
  )
  for (const { name, stored, rebuilt } of found) {
    const what = `it stands at ${stored ?? "nothing"} where the events give ${rebuilt ?? "nothing"}`
    on.report({ table: "counter", name, what })
  }
})
