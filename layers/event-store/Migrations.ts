/**
 * The tables of the journal, as numbered steps that are taken once.
 *
 * Owns tables, triggers and indexes. Does not own the append (`AppendSql`), which step 2 installs.
 *
 * Invariants: two processes that start at once take turns (an advisory lock; Effect's own migrator makes the second
 * one fail); a database that a newer program has changed is refused; events, shredded subjects and the journal's
 * head are protected by triggers that also fire for replication roles.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { RowIndex } from "#src/ports/EventStore.ts"
import { appendFunction } from "./AppendSql.ts"
import { numberOf } from "./RowsSql.ts"

/** The database holds steps this program doesn't know, or the schema's name can't be used. */
export class SchemaRefused extends Schema.TaggedError<SchemaRefused>()("SchemaRefused", {
  schema: Schema.String,
  detail: Schema.String,
  retryable: Schema.Literal(false)
}) {
  override get message() {
    return this.detail
  }
}

/** Brings the schema up to date and declares the indexes of rows. Safe to run at every start. */
export const run = Effect.fn("EventStore.migrate")(function* (
  schema: string,
  rowIndexes: ReadonlyArray<RowIndex>
): Effect.fn.Return<void, SqlError | SchemaRefused, SqlClient> {
  if (!schemaName.test(schema)) return yield* refuse(schema, `${schema} can't be a schema's name`)
  const sql = yield* SqlClient
  const steps = migrations(schema)
  const statements = (texts: ReadonlyArray<string>) =>
    Effect.forEach(texts, (text) => sql.unsafe(text).unprepared, { discard: true })
  yield* Effect.gen(function* () {
    yield* sql`SELECT set_config('statement_timeout', '0', true)`
    yield* sql`SELECT pg_advisory_xact_lock(${lockNumber})`
    yield* statements([
      `CREATE SCHEMA IF NOT EXISTS ${schema}`,
      `CREATE TABLE IF NOT EXISTS ${schema}.migration (id integer PRIMARY KEY, name text NOT NULL)`
    ])
    const taken = yield* sql.unsafe<{ id: number }>(`SELECT id FROM ${schema}.migration ORDER BY id`).unprepared
    const newest = taken.at(-1)?.id ?? 0
    if (newest > steps.length) {
      return yield* refuse(schema, `a newer program wrote this journal: step ${newest}, this one knows ${steps.length}`)
    }
    for (const [index, step] of steps.entries()) {
      const id = index + 1
      if (id <= newest) continue
      yield* statements(step.statements)
      yield* sql.unsafe(`INSERT INTO ${schema}.migration (id, name) VALUES ($1, $2)`, [id, step.name])
    }
    yield* statements(rowIndexes.map((declared) => indexStatement(schema, declared)))
  }).pipe(sql.withTransaction)
})

/** The names of the steps, in their order: what a journal of this program has taken. */
export const stepNames = (schema: string): ReadonlyArray<string> => migrations(schema).map(({ name }) => name)

/** What the database keeps as the text of each function that the steps install. */
export const functionBodies = (schema: string): { readonly append: string; readonly refuse: string } => ({
  append: bodyOf(appendFunction(schema), "$append$"),
  refuse: bodyOf(refuseFunction(schema), "$$")
})

/** From this step on cells have hashes. */
export const cellHashStep = 4

/** A cell's hash as SQL. No event tells what a cell holds, so this is how a change behind the journal's back is seen. */
export const cellHash = (name: string, body: string): string =>
  `encode(sha256(convert_to(${name} || E'\\n' || ${body}, 'UTF8')), 'hex')`

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const schemaName = /^[a-z][a-z0-9_]{0,40}$/

const refuse = (schema: string, detail: string): SchemaRefused =>
  new SchemaRefused({ schema, detail, retryable: false })

/** Any number that nobody else takes: "keelson" in ASCII, cut to 31 bits. */
const lockNumber = 0x6b65656c

const migrations = (schema: string): ReadonlyArray<{ name: string; statements: ReadonlyArray<string> }> => [
  { name: "tables", statements: tables(schema) },
  { name: "append", statements: [appendFunction(schema)] },
  // Receipts come in the order of their time, more or less: a block's bounds find the old ones, and cost an append nothing.
  {
    name: "receipts by age",
    statements: [`CREATE INDEX receipt_by_age ON ${schema}.receipt USING brin (recorded_at_millis)`]
  },
  {
    name: "cells with hashes",
    statements: [
      `ALTER TABLE ${schema}.cell ADD COLUMN hash text COLLATE "C"`,
      `UPDATE ${schema}.cell SET hash = ${cellHash("name", "body")}`,
      `ALTER TABLE ${schema}.cell ALTER COLUMN hash SET NOT NULL`
    ]
  }
]

/** All text compares by bytes (`C`): identifiers need no language, and byte order is what pages and chains agree on. */
const text = `text COLLATE "C" NOT NULL`

const tables = (s: string): ReadonlyArray<string> => [
  `CREATE TABLE ${s}.journal_head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    position bigint NOT NULL CHECK (position >= 0)
  ) WITH (fillfactor = 10)`,
  `INSERT INTO ${s}.journal_head (position) VALUES (0)`,
  `CREATE TABLE ${s}.stream_head (stream ${text} PRIMARY KEY, version integer NOT NULL, hash ${text})
    WITH (fillfactor = 80)`,
  `CREATE TABLE ${s}.event (
    position bigint PRIMARY KEY,
    stream ${text},
    version integer NOT NULL,
    event_id ${text},
    type ${text},
    occurred_at ${text},
    actor_kind ${text},
    actor_id ${text},
    command_id ${text},
    correlation_id ${text},
    prev_hash ${text},
    hash ${text},
    body ${text},
    UNIQUE (stream, version)
  )`,
  `CREATE TABLE ${s}.receipt (
    principal ${text},
    key ${text},
    command_id ${text},
    stream ${text},
    version integer NOT NULL,
    subject ${text},
    digest ${text},
    answer ${text},
    recorded_at_millis bigint NOT NULL,
    hash ${text},
    PRIMARY KEY (principal, key)
  )`,
  `CREATE INDEX receipt_of_stream ON ${s}.receipt (stream, version)`,
  `CREATE TABLE ${s}."row" (
    kind ${text},
    key ${text},
    body jsonb NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (kind, key)
  ) WITH (fillfactor = 80)`,
  `CREATE TABLE ${s}.counter (name ${text} PRIMARY KEY, n bigint NOT NULL CHECK (n >= 0)) WITH (fillfactor = 50)`,
  `CREATE TABLE ${s}.subject_key (subject ${text} PRIMARY KEY, wrapping_version integer NOT NULL, wrapped ${text})`,
  `CREATE TABLE ${s}.shredded (subject ${text} PRIMARY KEY)`,
  `CREATE TABLE ${s}.cell (name ${text} PRIMARY KEY, body ${text})`,
  `CREATE TABLE ${s}.pulse (one boolean PRIMARY KEY DEFAULT true CHECK (one), n bigint NOT NULL)`,
  `INSERT INTO ${s}.pulse (n) VALUES (0)`,
  refuseFunction(s),
  ...protect(s, "event", "UPDATE OR DELETE OR TRUNCATE"),
  ...protect(s, "shredded", "UPDATE OR DELETE OR TRUNCATE"),
  ...protect(s, "journal_head", "DELETE OR TRUNCATE")
]

const refuseFunction = (s: string): string => `CREATE FUNCTION ${s}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION '% of %.% is refused: what the journal holds is never changed',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END $$`

const bodyOf = (definition: string, quote: string): string => definition.split(quote)[1] ?? ""

const protect = (s: string, table: string, operations: string): ReadonlyArray<string> => [
  `CREATE TRIGGER protected BEFORE ${operations} ON ${s}.${table} FOR EACH STATEMENT EXECUTE FUNCTION ${s}.refuse()`,
  `ALTER TABLE ${s}.${table} ENABLE ALWAYS TRIGGER protected`
]

/** Names and kinds come from code, never from a caller; they are checked all the same. */
const indexStatement = (s: string, { kind, field, type }: RowIndex): string => {
  if (!/^[a-z][a-z-]{0,31}$/.test(kind) || !/^[A-Za-z][A-Za-z0-9]{0,31}$/.test(field)) {
    throw new Error(`an index on ${kind}.${field} can't be declared`)
  }
  const name = `row_${kind}_${field}_${type}`
  if (name.length > 63) throw new Error(`the index name ${name} is longer than PostgreSQL keeps`)
  const expression = type === "number" ? numberOf(field) : `(body -> '${field}')`
  return `CREATE INDEX IF NOT EXISTS "${name}" ON ${s}."row" (${expression}, key) WHERE kind = '${kind}'`
}
