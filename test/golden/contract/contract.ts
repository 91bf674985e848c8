/**
 * The contract as documents, and the judge that holds them against the stored copy.
 *
 * Owns what belongs to the contract and when a copy may be written: only for a number that has none. What is written
 * is never changed, so anybody can see what version 1 was.
 */
import * as Effect from "effect/Effect"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { diff } from "node:util"
import { sha256 } from "#layers/digest/NodeDigest.ts"
import { Api } from "#layers/edge/Api.ts"
import * as AsyncApi from "#layers/edge/AsyncApi.ts"
import { events } from "#src/gateway/Events.ts"
import { decode, encode, type Json } from "#src/kernel/Canonical.ts"
import type { EventRegistry } from "#src/kernel/Decider.ts"

/** Text by file name. */
export type Documents = ReadonlyMap<string, string>

/** As a file: keys in one order, so that only what is said counts. */
export const written = (value: unknown): string =>
  `${JSON.stringify(decode(encode(JSON.parse(JSON.stringify(value)) as Json)), null, 2)}\n`

export const openApi = (): unknown => OpenApi.fromApi(Api)

/** Every event type with its schema version and the JSON Schema (2020-12) of its payload as it is stored. */
export const eventTypes = (registry: EventRegistry = events): unknown =>
  Object.fromEntries(
    [...registry].map(([type, { payload, schemaVersion }]) => {
      const { definitions, schema } = Schema.toJsonSchemaDocument(payload)
      return [type, { schemaVersion, payload: asStored({ ...schema, $defs: definitions }) }]
    })
  )

/** The tables of a schema as PostgreSQL tells them back; functions by the hash of their text. */
export const sqlSchema = Effect.fnUntraced(function* (schema: string) {
  const sql = yield* SqlClient
  const ask = (text: string) => Effect.map(sql.unsafe(text, [schema]), (rows) => JSON.parse(JSON.stringify(rows)))
  // Another schema's name in a definition is not another definition.
  const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value).replaceAll(`${schema}.`, "keelson."))
  const functions: ReadonlyArray<{ readonly name: string; readonly definition: string }> = yield* ask(`
    SELECT p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' AS name,
      pg_get_functiondef(p.oid) AS definition
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $1 ORDER BY 1`)
  const relations = `FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace`
  return plain({
    tables: yield* ask(`
      SELECT c.relname AS table, c.relpersistence AS persistence, c.reloptions AS options
      ${relations} WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm') ORDER BY 1`),
    columns: yield* ask(`
      SELECT table_name AS table, ordinal_position AS at, column_name AS column, data_type AS type, is_nullable AS nullable,
        column_default AS "default", collation_name AS collation
      FROM information_schema.columns WHERE table_schema = $1 ORDER BY 1, 2`),
    // NOT NULL stands with the columns; newer servers tell it here too.
    constraints: yield* ask(`
      SELECT c.relname AS table, k.conname AS name, pg_get_constraintdef(k.oid) AS definition
      ${relations} JOIN pg_constraint k ON k.conrelid = c.oid WHERE n.nspname = $1 AND k.contype <> 'n' ORDER BY 1, 2`),
    indexes: yield* ask(`
      SELECT tablename AS table, indexname AS name, indexdef AS definition FROM pg_indexes WHERE schemaname = $1
      ORDER BY 1, 2`),
    triggers: yield* ask(`
      SELECT c.relname AS table, t.tgname AS name, pg_get_triggerdef(t.oid) AS definition, t.tgenabled AS enabled
      ${relations} JOIN pg_trigger t ON t.tgrelid = c.oid WHERE n.nspname = $1 AND NOT t.tgisinternal ORDER BY 1, 2`),
    functions: functions.map(({ definition, name }) => ({
      name,
      sha256: sha256(definition.replaceAll(`${schema}.`, "keelson."))
    }))
  })
})

/** Everything that belongs to the contract. */
export const documents = (schema: string) =>
  Effect.map(
    sqlSchema(schema),
    (sql): Documents =>
      new Map([
        ["openapi.json", written(openApi())],
        ["asyncapi.json", written(AsyncApi.document())],
        ["events.json", written(eventTypes())],
        ["sql.json", written(sql)]
      ])
  )

export interface Stored {
  readonly version: number
  readonly documents: Documents
}

/** The newest copy in a folder of copies, or null. */
export const newest = (folder: string): Stored | null => {
  const versions = existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => /^[1-9]\d*$/.test(name))
        .map(Number)
    : []
  if (versions.length === 0) return null
  const version = Math.max(...versions)
  const at = join(folder, String(version))
  return { version, documents: new Map(readdirSync(at).map((name) => [name, readFileSync(join(at, name), "utf8")])) }
}

/** What stands against this contract under this number: a text for people, or null where nothing does. */
export const objection = (version: number, current: Documents, stored: Stored | null): string | null => {
  if (stored === null || version > stored.version) {
    return `contract ${version} has no copy yet: KEELSON_TEST_UPDATE=1 writes it`
  }
  if (version < stored.version) return `CONTRACT_VERSION is ${version}, but there was a contract ${stored.version}`
  const names = [...new Set([...stored.documents.keys(), ...current.keys()])].sort()
  const changes = names.flatMap((name) => changed(name, stored.documents.get(name), current.get(name)))
  if (changes.length === 0) return null
  return [
    `the contract changed, but CONTRACT_VERSION is still ${version}: raise it (AGENTS.md says how)`,
    ...changes
  ].join("\n")
}

/** Writes the copy of a number that has none; true if it did. A number that has one keeps it, whatever was changed. */
export const write = (folder: string, version: number, current: Documents): boolean => {
  const stored = newest(folder)
  if (stored !== null && version <= stored.version) return false
  const at = join(folder, String(version))
  mkdirSync(at, { recursive: true })
  for (const [name, text] of current) writeFileSync(join(at, name), text)
  return true
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Sealed words are never stored plain: of the forms that a field may have in memory, two are in the journal. */
const asStored = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.filter((one) => !isPlain(one)).map(asStored)
  if (typeof value !== "object" || value === null) return value
  const entries = Object.entries(value).filter(([key]) => key !== "PlainEncoded")
  return Object.fromEntries(entries.map(([key, one]) => [key, asStored(one)]))
}

const isPlain = (value: unknown): boolean =>
  typeof value === "object" && value !== null && "$ref" in value && value.$ref === "#/$defs/PlainEncoded"

const changed = (name: string, before: string | undefined, after: string | undefined): ReadonlyArray<string> => {
  if (before === after) return []
  if (before === undefined || after === undefined) return [`${name} is ${before === undefined ? "new" : "gone"}`]
  return [`--- ${name}`, ...hunks(diff(before.split("\n"), after.split("\n")))]
}

const linesMax = 80
const context = 3

/** Changed lines with what stands around them, cut where it gets long. */
const hunks = (entries: ReturnType<typeof diff>): ReadonlyArray<string> => {
  const near = new Set<number>()
  entries.forEach(([operation], index) => {
    if (operation === 0) return
    for (let at = index - context; at <= index + context; at++) near.add(at)
  })
  const lines = entries.flatMap(([operation, line], index) => {
    if (!near.has(index)) return []
    // `diff` tells what the first has and the second lacks as 1.
    const mark = operation === 0 ? " " : operation === 1 ? "-" : "+"
    return [...(near.has(index - 1) || index === 0 ? [] : ["  ..."]), `${mark} ${line}`]
  })
  return lines.length > linesMax ? [...lines.slice(0, linesMax), `  and ${lines.length - linesMax} lines more`] : lines
}
