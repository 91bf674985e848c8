/** The tables beside the events: heads, receipts, keys, cells, and the triggers that protect them. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import type { WrappedKey } from "#src/kernel/Append.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { SubjectId } from "#src/kernel/Ids.ts"
import { ReceiptRow, toReceipt } from "./Batch.ts"
import { cellHash, cellHashStep, functionBodies, stepNames } from "./Migrations.ts"
import { receiptText } from "./Preparation.ts"
import type { Walk } from "./SqlVerify.ts"

/** `events` is how many there are, and so the position of the last where none is missing. */
export const heads = Effect.fnUntraced(function* (on: Walk, events: number): Effect.fn.Return<void, SqlError> {
  const s = on.schema
  yield* on.progress("heads", 0)
  const [journal] = yield* on.ask<{ heads: bigint; head: bigint | null; last: bigint | null }>(
    `SELECT count(*) AS heads, max(position) AS head, (SELECT max(position) FROM ${s}.event) AS last
     FROM ${s}.journal_head`
  )
  if (Number(journal?.heads ?? 0) !== 1) on.report({ table: "journal_head", what: "there must be one row" })
  const last = Number(journal?.last ?? 0)
  if (Number(journal?.head ?? 0) !== last || last !== events) {
    const what = `it stands at ${journal?.head ?? "nothing"}; the last of ${events} events has position ${last}`
    on.report({ table: "journal_head", position: Number(journal?.head ?? 0), what })
  }
  const streams = yield* on.ask<{ stream: string; head: number | null; last: number | null; same: boolean }>(
    `SELECT coalesce(h.stream, e.stream) AS stream, h.version AS head, e.version AS last, h.hash = e.hash AS same
     FROM ${s}.stream_head h
     FULL JOIN (SELECT DISTINCT ON (stream) stream, version, hash FROM ${s}.event ORDER BY stream, version DESC) e
       ON e.stream = h.stream
     WHERE h.version IS DISTINCT FROM e.version OR h.hash IS DISTINCT FROM e.hash
     ORDER BY 1 LIMIT ${differencesMax}`
  )
  for (const { stream, head, last, same } of streams) {
    const what =
      head === last && same !== true
        ? "its hash is not that of the stream's last event"
        : `it stands at version ${head ?? "none"}; the stream's last event has ${last ?? "none"}`
    on.report({ table: "stream_head", stream, version: head, name: stream, what })
  }
})

/** Every receipt, by principal and key. Answers how many there are. */
export const receipts = Effect.fnUntraced(function* (on: Walk): Effect.fn.Return<number, SqlError> {
  let count = 0
  let after = ["", ""]
  for (;;) {
    const page = yield* on.ask<Stored>(receiptPage(on.schema), [...after, Bounds.readLimitMax])
    const last = page.at(-1)
    if (last === undefined) return count
    for (const row of page) {
      const what = receiptProblem(on, row)
      if (what !== null) {
        const { stream, version } = row
        on.report({ table: "receipt", stream, version, name: `${row.principal} ${row.key}`, what })
      }
    }
    count += page.length
    after = [last.principal, last.key]
    yield* on.progress("receipts", count)
  }
})

/** Keys that contradict the shredded, keys that are missing, and keys that don't open where somebody can tell. */
export const keys = Effect.fnUntraced(function* (
  on: Walk,
  check: ((key: WrappedKey) => Effect.Effect<string | null>) | undefined
): Effect.fn.Return<void, SqlError> {
  const s = on.schema
  const returned = yield* on.ask<{ subject: string }>(
    `SELECT subject FROM ${s}.subject_key JOIN ${s}.shredded USING (subject) ORDER BY 1 LIMIT ${differencesMax}`
  )
  for (const { subject } of returned) {
    on.report({ table: "subject_key", name: subject, what: "the subject was shredded, and has a key again" })
  }
  const lost = yield* on.ask<{ subject: string }>(
    `SELECT subject FROM verify_subject v
     WHERE NOT EXISTS (SELECT FROM ${s}.subject_key k WHERE k.subject = v.subject)
       AND NOT EXISTS (SELECT FROM ${s}.shredded d WHERE d.subject = v.subject)
     ORDER BY 1 LIMIT ${differencesMax}`
  )
  for (const { subject } of lost) {
    on.report({
      table: "subject_key",
      name: subject,
      what: "words are sealed under it, and it is gone without an erasure"
    })
  }
  if (check === undefined) return
  let after = ""
  let count = 0
  for (;;) {
    const page = yield* on.ask<KeyRow>(
      `SELECT subject, wrapping_version, wrapped FROM ${s}.subject_key WHERE subject > $1 ORDER BY subject LIMIT $2`,
      [after, Bounds.readLimitMax]
    )
    const last = page.at(-1)
    if (last === undefined) return
    for (const { subject, wrapping_version, wrapped } of page) {
      const what = isSubject(subject)
        ? yield* check({ subject, wrappingVersion: wrapping_version, wrapped })
        : "its name is not that of a subject"
      if (what !== null) on.report({ table: "subject_key", name: subject, what })
    }
    count += page.length
    after = last.subject
    yield* on.progress("keys", count)
  }
})

/** Cells, by the hashes that were written with them. */
export const cells = Effect.fnUntraced(function* (on: Walk, steps: number): Effect.fn.Return<void, SqlError> {
  if (steps < cellHashStep) return
  const changed = yield* on.ask<{ name: string }>(
    `SELECT name FROM ${on.schema}.cell WHERE hash <> ${cellHash("name", "body")} ORDER BY 1 LIMIT ${differencesMax}`
  )
  for (const { name } of changed) on.report({ table: "cell", name, what: "its columns do not have its hash" })
})

/**
 * The steps that made the tables. An older program has taken fewer of them, which is no fault; answers how many in a
 * row are there, so that what a later one brought is not looked for.
 */
export const steps = Effect.fnUntraced(function* (on: Walk): Effect.fn.Return<number, SqlError> {
  const taken = yield* on.ask<{ id: number; name: string }>(`SELECT id, name FROM ${on.schema}.migration ORDER BY id`)
  const known = stepNames(on.schema)
  let inRow = 0
  for (const [index, { id, name }] of taken.entries()) {
    if (id === index + 1 && name === known[index]) {
      inRow = id
      continue
    }
    const what = `step ${id} is called ${name}; this program's step ${index + 1} is ${known[index] ?? "none"}`
    on.report({ table: "migration", name: String(id), what })
  }
  return inRow
})

/** The triggers that refuse changes: present, and firing for everyone; and what they and the append do. */
export const protection = Effect.fnUntraced(function* (on: Walk): Effect.fn.Return<void, SqlError> {
  const found = yield* on.ask<{ name: string; state: string }>(
    `SELECT c.relname::text AS name, t.tgenabled::text AS state FROM pg_trigger t
     JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND t.tgname = 'protected'`,
    [on.schema]
  )
  const states = new Map(found.map(({ name, state }) => [name, state]))
  for (const table of ["event", "shredded", "journal_head"]) {
    if (states.get(table) === "A") continue
    const what = `the trigger that protects ${table} is ${states.has(table) ? "disabled" : "gone"}`
    on.report({ table: "protection", name: table, what })
  }
  const functions = yield* on.ask<{ name: string; source: string }>(
    `SELECT p.proname::text AS name, p.prosrc AS source FROM pg_proc p
     JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $1`,
    [on.schema]
  )
  const sources = new Map(functions.map(({ name, source }) => [name, source]))
  for (const [name, source] of Object.entries(functionBodies(on.schema))) {
    if (sources.get(name) === source) continue
    const what = `the function ${name} is ${sources.has(name) ? "not the one that Keelson installs" : "gone"}`
    on.report({ table: "protection", name, what })
  }
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Differences listed of one table. */
const differencesMax = 1_000

interface KeyRow {
  readonly subject: string
  readonly wrapping_version: number
  readonly wrapped: string
}

const isSubject = Schema.is(SubjectId)

interface Stored {
  readonly principal: string
  readonly key: string
  readonly stream: string
  readonly version: number
  readonly hash: string
  /** The stream's head; null where the stream has no events. */
  readonly head: number | null
}

const receiptPage = (s: string): string => `
  SELECT r.principal, r.key, r.command_id, r.stream, r.version, r.subject, r.digest, r.answer,
    r.recorded_at_millis::double precision AS recorded_at_millis, r.hash, h.version AS head
  FROM ${s}.receipt r LEFT JOIN ${s}.stream_head h ON h.stream = r.stream
  WHERE (r.principal, r.key) > ($1, $2) ORDER BY r.principal, r.key LIMIT $3`

const decodeReceipt = Schema.decodeUnknownOption(ReceiptRow)

const receiptProblem = (on: Walk, row: Stored): string | null => {
  const decoded = decodeReceipt(row)
  if (decoded._tag === "None" || on.sha256(receiptText(toReceipt(decoded.value))) !== row.hash) {
    return "its columns do not have its hash"
  }
  if (row.version > (row.head ?? 0)) return `it names version ${row.version}; its stream ends at ${row.head ?? 0}`
  return null
}
