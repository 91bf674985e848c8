/**
 * Everything durable that a journal's tables hold, as lines of text, and back into empty tables.
 *
 *   event 1 .. P | stream_head | receipt | row | counter | subject_key | shredded | cell
 *
 * Owns the lines: a table's name and one of its rows as JSON, in the order of the table's key. Does not own the file.
 *
 * Invariants: one snapshot, so the lines belong to one position; pages, so memory does not grow with the journal; the
 * same store gives the same lines on a server and in PGlite, so their digest compares two stores.
 */
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import { SqlError } from "effect/sql/SqlError"
import type { EventStoreError } from "#src/ports/EventStore.ts"
import { stepNames } from "./Migrations.ts"
import * as SqlFailure from "./SqlFailure.ts"

/** What a snapshot is of. */
export interface Moment {
  /** Position of the newest event. */
  readonly position: number
  /** Steps that made the tables (`Migrations`). */
  readonly steps: number
}

/** The cell that says that a restore has begun and not ended. It is in no backup. */
export const restoringCell = "restoring"

/** Hands over every line, a page at a time; `begin` is told first of what. */
export const dump = Effect.fnUntraced(function* <A, E, R>(
  schema: string,
  begin: (moment: Moment) => Effect.Effect<A, E, R>,
  emit: (to: A, lines: ReadonlyArray<string>) => Effect.Effect<void, E, R>
): Effect.fn.Return<A, E | EventStoreError, SqlClient | R> {
  const sql = yield* SqlClient
  return yield* Effect.gen(function* () {
    yield* sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY`
    yield* sql`SELECT set_config('statement_timeout', '0', true)`
    const [head] = yield* sql.unsafe<{ position: bigint }>(`SELECT position FROM ${schema}.journal_head`)
    const [taken] = yield* sql.unsafe<{ steps: number }>(`SELECT max(id) AS steps FROM ${schema}.migration`)
    const to = yield* begin({ position: Number(head!.position), steps: taken!.steps })
    for (const { keys, name } of tables) {
      let after: ReadonlyArray<unknown> = name === "event" ? [0n] : keys.map(() => "")
      for (;;) {
        const page: ReadonlyArray<Page> = yield* sql.unsafe<Page>(pageStatement(schema, name, keys), [
          ...after,
          pageRows
        ])
        const last = page.at(-1)
        if (last === undefined) break
        yield* emit(
          to,
          page.map(({ line }) => `${name} ${line}`)
        )
        after = keys.map((_, index) => last[`k${index}`])
      }
    }
    return to
  }).pipe(
    sql.withTransaction,
    Effect.mapError((error) => (error instanceof SqlError ? SqlFailure.toError("backup", error) : error))
  )
})

/** Whether the tables hold nothing but what a first step puts there, and perhaps a restore that was cut short. */
export const isEmpty = Effect.fnUntraced(function* (schema: string) {
  const sql = yield* SqlClient
  const [found] = yield* sql
    .unsafe<{ held: boolean }>(
      `SELECT (SELECT position FROM ${schema}.journal_head) > 0
        OR EXISTS (SELECT FROM ${schema}.receipt)
        OR EXISTS (SELECT FROM ${schema}.cell WHERE name <> $1) AS held`,
      [restoringCell]
    )
    .pipe(Effect.mapError((error) => SqlFailure.toError("restore", error)))
  return found?.held === false
})

/** How many steps this program takes. */
export const stepsKnown = (schema: string): number => stepNames(schema).length

/**
 * Puts lines into empty tables, all of them or none. Keys of `forgotten` subjects are left out: they never come near
 * the disk.
 */
export const load = Effect.fnUntraced(function* <E>(
  schema: string,
  position: number,
  pages: Effect.Effect<ReadonlyArray<string> | null, E>,
  forgotten: ReadonlySet<string>
): Effect.fn.Return<void, E | EventStoreError, SqlClient> {
  const sql = yield* SqlClient
  const insert = (table: string, rows: ReadonlyArray<string>) =>
    sql.unsafe(
      `INSERT INTO ${schema}."${table}" SELECT * FROM json_populate_recordset(NULL::${schema}."${table}", $1::text::json)`,
      [`[${rows.join(",")}]`]
    )
  yield* Effect.gen(function* () {
    yield* sql`SELECT set_config('statement_timeout', '0', true)`
    for (;;) {
      const page = yield* pages
      if (page === null) break
      for (const { name } of tables) {
        const start = `${name} `
        const rows = page.filter((line) => line.startsWith(start)).map((line) => line.slice(start.length))
        const kept = name === "subject_key" ? rows.filter((row) => !forgotten.has(subjectOf(row))) : rows
        if (kept.length > 0) yield* insert(name, kept)
      }
    }
    yield* sql.unsafe(`UPDATE ${schema}.journal_head SET position = $1`, [BigInt(position)])
  }).pipe(
    sql.withTransaction,
    Effect.mapError((error) => (error instanceof SqlError ? SqlFailure.toError("restore", error) : error))
  )
})

/** Takes the mark of a restore away: it is whole. */
export const finish = Effect.fnUntraced(function* (schema: string) {
  const sql = yield* SqlClient
  yield* sql
    .unsafe(`DELETE FROM ${schema}.cell WHERE name = $1`, [restoringCell])
    .pipe(Effect.mapError((error) => SqlFailure.toError("restore", error)))
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

interface Page {
  readonly line: string
  readonly [key: `k${number}`]: unknown
}

/** Rows of a page. Texts of events are bounded, so a page is too. */
const pageRows = 200

const tables: ReadonlyArray<{ readonly name: string; readonly keys: ReadonlyArray<string> }> = [
  { name: "event", keys: ["position"] },
  { name: "stream_head", keys: ["stream"] },
  { name: "receipt", keys: ["principal", "key"] },
  { name: "row", keys: ["kind", "key"] },
  { name: "counter", keys: ["name"] },
  { name: "subject_key", keys: ["subject"] },
  { name: "shredded", keys: ["subject"] },
  { name: "cell", keys: ["name"] }
]

const pageStatement = (schema: string, name: string, keys: ReadonlyArray<string>): string => {
  const columns = keys.map((key) => `t."${key}"`).join(", ")
  const after = keys.map((_, index) => `$${index + 1}`).join(", ")
  return (
    `SELECT to_json(t)::text AS line, ${keys.map((key, index) => `t."${key}" AS k${index}`).join(", ")} ` +
    `FROM ${schema}."${name}" t WHERE (${columns}) > (${after}) ORDER BY ${columns} LIMIT $${keys.length + 1}`
  )
}

const subjectOf = (row: string): string => String((JSON.parse(row) as { readonly subject: unknown }).subject)
