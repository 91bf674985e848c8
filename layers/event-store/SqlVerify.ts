/**
 * Does what is stored contradict itself? The walk behind `keelson verify`.
 *
 *   the steps taken --> events by position --> heads --> receipts --> rows and counters, rebuilt from the events --> keys, cells,
 *   protection
 *
 * Owns every comparison that needs nothing but the store: hashes, chains, contiguity, columns against the canonical
 * text, tables against the events; and, where it is given one, the comparison with a signed checkpoint, which sees what
 * an owner of the database who recomputes every hash could hide. Does not own what rows an event means (`rebuild` is
 * the rooms' own function) nor who signed.
 *
 * Invariants: it reads one snapshot, so a journal in use can be verified; it changes nothing; events pass through in
 * pages and rebuilt rows lie in temporary tables, so memory does not grow with either.
 *
 * Law for a row's position: it is that of the last event of the append that wrote the row. Appends leave no mark
 * beside their command, so any event from the writing one to the end of its command's run in the stream is taken.
 */
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { RowChange, WrappedKey } from "#src/kernel/Append.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import { Digest } from "#src/ports/Digest.ts"
import type { EventStoreError } from "#src/ports/EventStore.ts"
import * as SqlFailure from "./SqlFailure.ts"
import * as VerifyCheckpoint from "./VerifyCheckpoint.ts"
import * as VerifyEvents from "./VerifyEvents.ts"
import * as VerifyRows from "./VerifyRows.ts"
import * as VerifyTables from "./VerifyTables.ts"

/** One contradiction. Fields are null where the table has no such thing. */
export interface Problem {
  readonly table:
    | "event"
    | "stream_head"
    | "journal_head"
    | "receipt"
    | "row"
    | "counter"
    | "subject_key"
    | "cell"
    | "migration"
    | "protection"
    | "checkpoint"
  readonly position: number | null
  readonly stream: string | null
  readonly version: number | null
  readonly eventId: string | null
  /** The name of what is wrong where it is no event: `kind key`, a counter, `principal key`. */
  readonly name: string | null
  /** One sentence. Never contains stored words. */
  readonly what: string
}

export interface Progress {
  readonly phase: "events" | "heads" | "receipts" | "rows" | "keys"
  readonly done: number
  /** How many there are in all, where that is known. */
  readonly total: number | null
}

export interface Report {
  readonly events: number
  readonly streams: number
  readonly receipts: number
  readonly rows: number
  readonly counters: number
  /** The first ones, in the order of the walk. */
  readonly problems: ReadonlyArray<Problem>
  /** All of them, also those that are not listed. */
  readonly problemCount: number
}

export interface Options {
  readonly schema?: string | undefined
  /**
   * The rows each event changes, called with every event in order of position. Without it rows and counters are not
   * compared. A throw is reported as a problem of that event.
   */
  readonly rebuild?: ((event: StoredEvent) => ReadonlyArray<RowChange>) | undefined
  /** Says what is wrong with a wrapped key, or null. */
  readonly checkKey?: ((key: WrappedKey) => Effect.Effect<string | null>) | undefined
  /** What was signed of this journal: its events are held against that too. */
  readonly signed?: VerifyCheckpoint.Signed | undefined
  readonly onProgress?: ((progress: Progress) => Effect.Effect<void>) | undefined
  /** Problems to list; 100 unless told. */
  readonly problemsMax?: number | undefined
}

/** Fails only where the store can't be read. */
export const verify = Effect.fn("EventStore.verify")(function* (
  options: Options = {}
): Effect.fn.Return<Report, EventStoreError, SqlClient | Digest> {
  const sql = yield* SqlClient
  const digest = yield* Digest
  return yield* walk(sql, digest, options).pipe(
    sql.withTransaction,
    Effect.mapError((error) => SqlFailure.toError("verify", error))
  )
})

/** What every part of the walk is handed. */
export interface Walk {
  readonly schema: string
  readonly sha256: Digest["Service"]["sha256"]
  readonly sha256OfHex: Digest["Service"]["sha256OfHex"]
  readonly report: (problem: Partial<Problem> & Pick<Problem, "table" | "what">) => void
  readonly progress: (phase: Progress["phase"], done: number, total?: number) => Effect.Effect<void>
  readonly ask: <Row extends object>(
    text: string,
    values?: ReadonlyArray<unknown>
  ) => Effect.Effect<ReadonlyArray<Row>, SqlError>
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const problemsMaxDefault = 100

const walk = Effect.fnUntraced(function* (
  sql: SqlClient,
  { sha256, sha256OfHex }: Digest["Service"],
  options: Options
) {
  const schema = options.schema ?? "keelson"
  const max = options.problemsMax ?? problemsMaxDefault
  const problems: Array<Problem> = []
  let problemCount = 0
  const on: Walk = {
    schema,
    sha256,
    sha256OfHex,
    report: (problem) => {
      problemCount += 1
      if (problems.length < max) problems.push({ ...nowhere, ...problem })
    },
    progress: (phase, done, total) => options.onProgress?.({ phase, done, total: total ?? null }) ?? Effect.void,
    ask: (text, values = []) => sql.unsafe(text, values)
  }
  // One snapshot from the first read on, and no limit on how long a statement of a whole table may take.
  yield* sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`
  yield* sql`SELECT set_config('statement_timeout', '0', true)`
  // Whole tables are compared: an embedded session, which otherwise goes by indexes only, may read them through.
  for (const plan of ["enable_seqscan", "enable_hashjoin", "enable_mergejoin"]) {
    yield* sql`SELECT set_config(${plan}, 'on', true)`
  }

  const steps = yield* VerifyTables.steps(on)
  const rebuilding = options.rebuild === undefined ? null : yield* VerifyRows.begin(on, options.rebuild)
  const signed = options.signed === undefined ? null : VerifyCheckpoint.begin(on, options.signed)
  const { events, streams } = yield* VerifyEvents.walk(on, rebuilding, signed)
  signed?.finish()
  yield* VerifyTables.heads(on, events)
  const receipts = yield* VerifyTables.receipts(on)
  const { rows, counters } = yield* VerifyRows.finish(on, rebuilding)
  yield* VerifyTables.keys(on, options.checkKey)
  yield* VerifyTables.cells(on, steps)
  yield* VerifyTables.protection(on)
  return { events, streams, receipts, rows, counters, problems, problemCount }
})

const nowhere = { position: null, stream: null, version: null, eventId: null, name: null }
