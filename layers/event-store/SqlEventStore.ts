/**
 * The journal on PostgreSQL's SQL: one implementation for a server and for PGlite.
 *
 * Owns reads, cells, keys and what a failed batch means. Does not own the append's rules (`AppendSql`), batching
 * (`BatchWriter`), connections (`sql-client`) nor how commits of other processes become known (`Wake`'s owner).
 *
 *   batch --answer--> outcomes
 *         --no answer--> Indeterminate for all of it
 *         --refused as a whole for one append's data--> each append alone
 *         --not sent, or rolled back--> EventStoreError: nothing was written
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import { SqlError } from "effect/sql/SqlError"
import type { Receipt, WrappedKey } from "#src/kernel/Append.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import { type StreamId, SubjectId } from "#src/kernel/Ids.ts"
import { Digest } from "#src/ports/Digest.ts"
import { EventStore, EventStoreError, type RowIndex, Rows, type StreamSlice } from "#src/ports/EventStore.ts"
import { appendCall } from "./AppendSql.ts"
import * as Batch from "./Batch.ts"
import * as BatchWriter from "./BatchWriter.ts"
import * as Following from "./Following.ts"
import { cellHash } from "./Migrations.ts"
import { JournalDefect, prepare, type Prepared } from "./Preparation.ts"
import * as SqlFailure from "./SqlFailure.ts"
import * as SqlRows from "./SqlRows.ts"
import * as StoredRow from "./StoredRow.ts"
import type { Wake } from "./Wake.ts"
import type { Send } from "./WriterSession.ts"

export interface Options {
  readonly schema: string
  readonly rowIndexes: ReadonlyArray<RowIndex>
  /** Sends the appends. Reads go to the `SqlClient` around. */
  readonly send: Send
  readonly wake: Wake
  /** Whom a commit tells of the new head, or empty. */
  readonly channel: string
  /** How long an answer is waited for; null where the engine runs in this very thread. */
  readonly timeoutMillis: number | null
  /** Fails where the journal can't take more just now (a disk that fills up). */
  readonly admit: Effect.Effect<void, EventStoreError>
  /**
   * Asked when a batch's answer was lost: the error to fail with where it can be shown that nothing was written (an
   * embedded engine has one writer, so its head tells), or null where nobody knows.
   */
  readonly afterLoss: (headBefore: number) => Effect.Effect<EventStoreError | null>
  /** False sends every batch the slow way; for the test that both ways are one. */
  readonly allowFast?: boolean | undefined
}

export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Context.Context<EventStore | Rows>, EventStoreError, SqlClient | Digest | Scope.Scope> {
  const { schema, wake } = options
  const sql = yield* SqlClient
  const { sha256 } = yield* Digest

  /** Answers rows, or says why not. */
  const ask = <Row extends object>(
    operation: string,
    text: string,
    values: ReadonlyArray<unknown> = []
  ): Effect.Effect<ReadonlyArray<Row>, EventStoreError> =>
    SqlFailure.within(options.timeoutMillis, sql.unsafe<Row>(text, values)).pipe(
      Effect.mapError((error) =>
        error instanceof SqlError
          ? SqlFailure.toError(operation, error)
          : SqlFailure.unavailable(operation, error.message)
      ),
      (asking) => Effect.withSpan(asking, `EventStore.${operation}`, { captureStackTrace: false })
    )

  /** The same where something is written beside the appends: only while there may be. */
  const change: Ask = <Row extends object>(operation: string, text: string, values?: ReadonlyArray<unknown>) =>
    Effect.andThen(options.admit, ask<Row>(operation, text, values))

  const head = Effect.map(ask<{ position: bigint }>("head", `SELECT position FROM ${schema}.journal_head`), (rows) =>
    Number(rows[0]?.position ?? 0)
  )

  const events = (operation: string, rows: ReadonlyArray<StoredRow.EventRow>) =>
    Effect.try({
      try: () => rows.map((row) => StoredRow.toEvent(row, sha256, operation)),
      catch: (cause) => asCorrupt(operation, cause)
    })

  const page = (after: number) =>
    Effect.flatMap(
      ask<StoredRow.EventRow>("follow", pageText(schema), [BigInt(after), Bounds.readLimitMax, Bounds.batchBytesMax]),
      (rows) => events("follow", rows)
    )

  wake.note(yield* head)
  const { follow, keep } = yield* Following.make(page, wake)
  const writer = yield* BatchWriter.make(writeBatch(options, keep), { overlaps: options.timeoutMillis !== null })

  const store = EventStore.of({
    append: (appends) => Effect.suspend(() => writer.append(appends.map((append) => prepare(append, sha256)))),
    readStream: Effect.fnUntraced(function* (stream) {
      const rows = yield* ask<StreamRow>("readStream", readStreamText(schema), [
        stream,
        Bounds.streamEventsTotalMax + 1
      ])
      return yield* Effect.try({
        try: () => toSlice(stream, rows, sha256),
        catch: (cause) => asCorrupt("readStream", cause)
      })
    }),
    readAll: (afterPosition, limit, textMax) => {
      const most = [BigInt(afterPosition), Math.min(Math.max(0, limit), Bounds.readLimitMax)]
      const rows =
        textMax === undefined
          ? ask<StoredRow.EventRow>("readAll", rangeText(schema), most)
          : ask<StoredRow.EventRow>("readAll", pageText(schema), [...most, textMax])
      return Effect.flatMap(rows, (found) => events("readAll", found))
    },
    head,
    follow,
    receipt: (principal, key) =>
      Effect.flatMap(
        ask<object>("receipt", `SELECT ${receiptColumns} FROM ${schema}.receipt WHERE principal = $1 AND key = $2`, [
          principal,
          key
        ]),
        (rows) =>
          Effect.try({
            try: () => (rows[0] === undefined ? null : readReceipt(rows[0], sha256, "receipt")),
            catch: (cause) => asCorrupt("receipt", cause)
          })
      ),
    forgetReceipts: (quietSinceMillis, limit) =>
      Effect.map(
        change("forgetReceipts", forgetReceiptsText(schema), [
          BigInt(quietSinceMillis),
          new Date(quietSinceMillis).toISOString(),
          Math.min(Math.max(0, limit), Bounds.readLimitMax)
        ]),
        (rows) => rows.length
      ),
    ...keysAndCells(schema, ask, change),
    probe: Effect.asVoid(change("probe", `UPDATE ${schema}.pulse SET n = n + 1 WHERE one RETURNING n`))
  })
  const rows = SqlRows.make(schema, options.rowIndexes, ask)
  return Context.make(EventStore, store).pipe(Context.add(Rows, rows))
})

export type Ask = <Row extends object>(
  operation: string,
  text: string,
  values?: ReadonlyArray<unknown>
) => Effect.Effect<ReadonlyArray<Row>, EventStoreError>

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const asCorrupt = (operation: string, cause: unknown): EventStoreError =>
  cause instanceof EventStoreError ? cause : StoredRow.corrupt(operation, String(cause))

// --- writing ---------------------------------------------------------------------------------------------------------

const writeBatch = (options: Options, keep: Following.Following["keep"]): BatchWriter.Write => {
  const call = appendCall(options.schema)
  const send = (batch: ReadonlyArray<Prepared>) => {
    const values = Batch.encode(batch, options.channel, options.allowFast)
    return Effect.flatMap(options.send(call, values), (answer) => {
      const judged = Batch.decode(batch, String(answer))
      // One commit: its positions follow each other.
      const written = judged.flatMap((one) => (one._tag === "Committed" ? one.events : []))
      return Effect.as(
        Effect.andThen(
          keep(written),
          Effect.sync(() => options.wake.note(written.at(-1)?.position ?? 0))
        ),
        judged
      )
    })
  }

  const lost = (batch: ReadonlyArray<Prepared>, headBefore: number, cause: string) => {
    const indeterminate = batch.map((): Batch.Judged => ({ _tag: "Indeterminate", cause }))
    // Receipts alone leave the head where it was: it tells nothing about them.
    if (batch.every(({ append }) => append.events.length === 0)) return Effect.succeed(indeterminate)
    return Effect.flatMap(options.afterLoss(headBefore), (error) =>
      error === null ? Effect.succeed(indeterminate) : Effect.fail(error)
    )
  }

  /** Each for itself. A failure is the one append's own: its neighbours may be written already. */
  const singly = (batch: ReadonlyArray<Prepared>) =>
    Effect.forEach(batch, (one) =>
      Effect.match(write([one]), {
        onSuccess: (judged) => judged[0]!,
        onFailure: (error): Batch.Judged => ({ _tag: "Failed", error })
      })
    )

  const write: BatchWriter.Write = (batch) => {
    const sending = send(batch)
    return Effect.andThen(
      options.admit,
      Effect.suspend(() => {
        const headBefore = options.wake.known()
        return Effect.catch(sending, (error) => {
          if (!(error instanceof SqlError)) return lost(batch, headBefore, error.message)
          if (SqlFailure.mayHaveRun(error)) return lost(batch, headBefore, error.message)
          if (!SqlFailure.isData(error)) return Effect.fail(SqlFailure.toError("append", error))
          if (batch.length > 1) return singly(batch)
          const defect = new JournalDefect(`${batch[0]!.append.stream}: ${error.message}`, { cause: error })
          return Effect.succeed([{ _tag: "Defect" as const, defect }])
        })
      })
    )
  }
  return write
}

// --- reading ---------------------------------------------------------------------------------------------------------

const receiptColumns =
  "principal, key, command_id, stream, version, subject, digest, answer, " +
  "recorded_at_millis::double precision AS recorded_at_millis, hash"

/** RFC 3339 in one precision and zone compares as text, by bytes. */
const forgetReceiptsText = (schema: string): string => `
  DELETE FROM ${schema}.receipt d WHERE (d.principal, d.key) IN (
    SELECT r.principal, r.key FROM ${schema}.receipt r
    LEFT JOIN ${schema}.stream_head h ON h.stream = r.stream
    LEFT JOIN ${schema}.event e ON e.stream = h.stream AND e.version = h.version
    WHERE r.recorded_at_millis < $1 AND (e.occurred_at IS NULL OR e.occurred_at < $2)
    LIMIT $3
  ) RETURNING 1 AS one`

interface StreamRow extends StoredRow.EventRow {
  readonly receipt: unknown
}

/** Events and receipts of one stream in one snapshot. Receipts are taken newest first: an old one is still in the way of its repeat. */
const readStreamText = (schema: string): string => `
  (SELECT ${StoredRow.eventColumns}, NULL::json AS receipt FROM ${schema}.event
    WHERE stream = $1 ORDER BY version LIMIT $2)
  UNION ALL
  (SELECT 0, stream, version, hash, '', row_to_json(r) FROM ${schema}.receipt r
    WHERE stream = $1 ORDER BY version DESC, principal DESC, key DESC LIMIT $2)`

const toSlice = (stream: StreamId, rows: ReadonlyArray<StreamRow>, sha256: StoredRow.Sha256): StreamSlice => {
  const events: Array<StoredEvent> = []
  const receipts: Array<Receipt> = []
  for (const row of rows) {
    if (row.receipt === null) events.push(StoredRow.toEvent(row, sha256, "readStream"))
    else receipts.push(readReceipt(row.receipt, sha256, "readStream"))
  }
  if (events.length > Bounds.streamEventsTotalMax) {
    throw StoredRow.corrupt("readStream", `${stream} holds more than ${Bounds.streamEventsTotalMax} events`)
  }
  StoredRow.checkStream(stream, events, "readStream")
  return { events, receipts: receipts.reverse() }
}

const decodeReceipt = Schema.decodeUnknownSync(Batch.ReceiptRow)

const readReceipt = (row: unknown, sha256: StoredRow.Sha256, operation: string): Receipt => {
  const decoded = decodeReceipt(row)
  return StoredRow.checkReceipt(Batch.toReceipt(decoded), decoded.hash, sha256, operation)
}

const rangeText = (schema: string): string =>
  `SELECT ${StoredRow.eventColumns} FROM ${schema}.event WHERE position > $1 ORDER BY position LIMIT $2`

/** At most so many events and about so many bytes of text: what a reader holds at once. */
const pageText = (schema: string): string => `
  SELECT ${StoredRow.eventColumns} FROM (
    SELECT *, sum(octet_length(body)) OVER (ORDER BY position) - octet_length(body) AS before FROM (
      ${rangeText(schema)}
    ) page
  ) measured WHERE before <= $3 ORDER BY position`

// --- keys and cells --------------------------------------------------------------------------------------------------

const KeyRow = Schema.Struct({ subject: SubjectId, wrapping_version: Schema.Int, wrapped: Schema.String })
const decodeKey = Schema.decodeUnknownSync(KeyRow)

const keysAndCells = (schema: string, ask: Ask, change: Ask) => ({
  wrappedKey: (subject: SubjectId) =>
    Effect.map(
      ask<object>(
        "wrappedKey",
        `SELECT subject, wrapping_version, wrapped FROM ${schema}.subject_key WHERE subject = $1`,
        [subject]
      ),
      (rows): WrappedKey | null => {
        if (rows[0] === undefined) return null
        const row = decodeKey(rows[0])
        return { subject: row.subject, wrappingVersion: row.wrapping_version, wrapped: row.wrapped }
      }
    ),
  rewrapKey: (from: WrappedKey, to: WrappedKey) =>
    from.subject !== to.subject
      ? Effect.die(new JournalDefect(`a key of ${from.subject} can't become one of ${to.subject}`))
      : Effect.map(
          change(
            "rewrapKey",
            `UPDATE ${schema}.subject_key SET wrapping_version = $2, wrapped = $3
             WHERE subject = $1 AND wrapping_version = $4 AND wrapped = $5 RETURNING 1 AS one`,
            [to.subject, to.wrappingVersion, to.wrapped, from.wrappingVersion, from.wrapped]
          ),
          (rows) => rows.length === 1
        ),
  cell: (name: string) =>
    Effect.map(
      ask<{ body: string }>("cell", `SELECT body FROM ${schema}.cell WHERE name = $1`, [name]),
      (rows) => rows[0]?.body ?? null
    ),
  setCell: (name: string, from: string | null, to: string) => {
    if (to.length > Bounds.cellTextMax) return Effect.die(new JournalDefect(`the cell ${name} holds too much text`))
    const hash = cellHash("$1::text", "$2::text")
    const text =
      from === null
        ? `INSERT INTO ${schema}.cell (name, body, hash) VALUES ($1::text, $2::text, ${hash})
           ON CONFLICT DO NOTHING RETURNING 1 AS one`
        : `UPDATE ${schema}.cell SET body = $2::text, hash = ${hash}
           WHERE name = $1::text AND body = $3 RETURNING 1 AS one`
    return Effect.map(
      change("setCell", text, from === null ? [name, to] : [name, to, from]),
      (rows) => rows.length === 1
    )
  }
})
