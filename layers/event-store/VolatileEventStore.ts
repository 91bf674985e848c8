/**
 * The journal in this process's memory, for simulation and tests: gone when the process is.
 *
 * Same promises as the SQL stores but durability. Reads no clock and draws no lots; an append is one synchronous step,
 * so a seeded scheduler decides every interleaving.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { hash } from "node:crypto"
import type { Outcome, Receipt } from "#src/kernel/Append.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import type { Hash } from "#src/kernel/Ids.ts"
import { EventStore, EventStoreError, type Row, type RowIndex, Rows, type RowsQuery } from "#src/ports/EventStore.ts"
import * as Following from "./Following.ts"
import * as Numbers from "./Numbers.ts"
import { JournalDefect, prepare, rowName } from "./Preparation.ts"
import { checkQuery } from "./RowsSql.ts"
import * as StoredRow from "./StoredRow.ts"
import * as Journal from "./VolatileJournal.ts"
import * as Wake from "./Wake.ts"

export interface Options {
  /** Where given, a question about any other field is refused, as the SQL stores do. */
  readonly rowIndexes?: ReadonlyArray<RowIndex> | undefined
}

export const layerWith = (options: Options): Layer.Layer<EventStore | Rows> =>
  Layer.effectContext(
    Effect.sync(() => {
      const journal = Journal.empty()
      return Context.make(EventStore, makeStore(journal)).pipe(Context.add(Rows, makeRows(journal, options.rowIndexes)))
    })
  )

export const layer: Layer.Layer<EventStore | Rows> = layerWith({})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const sha256 = (text: string): Hash => hash("sha256", text, "hex") as Hash

const makeStore = (journal: Journal.Journal): EventStore["Service"] => {
  const wake = Wake.make()

  const after = (position: number, limit: number) =>
    journal.events.slice(position, position + Math.min(Math.max(0, limit), Bounds.readLimitMax))

  // A reading for each follower: the processes of a simulation share this store, and one that has crashed would hold up
  // whoever waits for what it was reading.
  const follow = (position: number) =>
    Stream.unwrap(
      Effect.map(
        Following.make((from) => Effect.sync(() => after(from, Bounds.readLimitMax)), wake),
        (following) => following.follow(position)
      )
    )

  return EventStore.of({
    append: (appends) =>
      Numbers.timed(
        Effect.suspend(() => {
          if (appends.length > Bounds.batchAppendsMax) {
            return Effect.die(new JournalDefect(`${appends.length} appends at once; at most ${Bounds.batchAppendsMax}`))
          }
          const outcomes: Array<Outcome> = []
          let defect: JournalDefect | undefined
          for (const prepared of appends.map((append) => prepare(append, sha256))) {
            const judged = Journal.append(journal, prepared)
            if (judged._tag === "Defect") defect ??= judged.defect
            else if (judged._tag !== "Failed") outcomes.push(judged)
          }
          wake.note(journal.events.length)
          return defect === undefined ? Effect.succeed(outcomes) : Effect.die(defect)
        })
      ),
    readStream: (stream) =>
      Effect.try({
        try: () => {
          const events = [...(journal.streams.get(stream) ?? [])]
          if (events.length > Bounds.streamEventsTotalMax) {
            throw StoredRow.corrupt("readStream", `${stream} holds more than ${Bounds.streamEventsTotalMax} events`)
          }
          StoredRow.checkStream(stream, events, "readStream")
          return { events, receipts: (journal.receiptsOf.get(stream) ?? []).toSorted(byVersion) }
        },
        catch: (cause) => (cause instanceof EventStoreError ? cause : StoredRow.corrupt("readStream", String(cause)))
      }),
    readAll: (position, limit, textMax = Number.POSITIVE_INFINITY) =>
      Effect.sync(() => {
        let before = 0
        return after(position, limit).filter(({ text }) => {
          const fits = before <= textMax
          before += Buffer.byteLength(text)
          return fits
        })
      }),
    head: Effect.sync(() => journal.events.length),
    follow,
    receipt: (principal, key) => Effect.sync(() => journal.receipts.get(Journal.receiptName(principal, key)) ?? null),
    forgetReceipts: (quietSinceMillis, limit) =>
      Effect.sync(() => Journal.forgetReceipts(journal, quietSinceMillis, limit)),
    wrappedKey: (subject) => Effect.sync(() => journal.keys.get(subject) ?? null),
    rewrapKey: (from, to) =>
      Effect.sync(() => {
        if (from.subject !== to.subject) {
          throw new JournalDefect(`a key of ${from.subject} can't become one of ${to.subject}`)
        }
        const held = journal.keys.get(from.subject)
        if (held === undefined) return false
        if (held.wrappingVersion !== from.wrappingVersion || held.wrapped !== from.wrapped) return false
        journal.keys.set(to.subject, to)
        return true
      }),
    cell: (name) => Effect.sync(() => journal.cells.get(name) ?? null),
    setCell: (name, from, to) =>
      Effect.sync(() => {
        if (to.length > Bounds.cellTextMax) throw new JournalDefect(`the cell ${name} holds too much text`)
        if ((journal.cells.get(name) ?? null) !== from) return false
        journal.cells.set(name, to)
        return true
      }),
    probe: Effect.void
  })
}

const makeRows = (journal: Journal.Journal, declared: ReadonlyArray<RowIndex> | undefined): Rows["Service"] =>
  Rows.of({
    get: (kind, key) =>
      Effect.sync(() => {
        const row = journal.rows.get(rowName(kind, key))
        return row === undefined ? null : toRow(row)
      }),
    list: (query) =>
      Effect.sync(() => {
        if (declared !== undefined) checkQuery(query, declared)
        return list(journal, query)
      }),
    counter: (name) => Effect.sync(() => journal.counters.get(name) ?? 0),
    counters: (prefix) =>
      Effect.sync(() => {
        const found = [...journal.counters].filter(([name]) => name.startsWith(prefix))
        if (found.length > Bounds.countersMax) throw new JournalDefect(`more than ${Bounds.countersMax} counters`)
        return found.sort(([one], [other]) => byBytes(one, other))
      })
  })

const toRow = ({ kind, key, body, position }: Journal.StoredBody): Row => ({
  kind,
  key,
  body: Canonical.decode(body) as Row["body"],
  position
})

const list = (journal: Journal.Journal, query: RowsQuery): ReadonlyArray<Row> => {
  const { where = {}, atMost, orderBy, after } = query
  const down = query.descending === true ? -1 : 1
  const number = (row: Row, field: string): number | undefined => {
    const value = row.body[field]
    return typeof value === "number" ? value : undefined
  }
  const compare = (one: Row, value: number, key: string): number => {
    const difference = orderBy === undefined ? 0 : (number(one, orderBy) ?? 0) - value
    return down * (difference === 0 ? byBytes(one.key, key) : difference)
  }
  const found: Array<Row> = []
  for (const stored of journal.rows.values()) {
    if (stored.kind !== query.kind) continue
    const row = toRow(stored)
    if (Object.entries(where).some(([field, wanted]) => row.body[field] !== wanted)) continue
    if (atMost !== undefined && !((number(row, atMost.field) ?? Infinity) <= atMost.value)) continue
    if (orderBy !== undefined && number(row, orderBy) === undefined) continue
    if (after !== undefined && compare(row, after.value ?? 0, after.key) <= 0) continue
    found.push(row)
  }
  found.sort((one, other) => compare(one, orderBy === undefined ? 0 : (number(other, orderBy) ?? 0), other.key))
  return found.slice(0, Math.min(Math.max(0, query.limit), Bounds.readLimitMax))
}

const byVersion = (one: Receipt, other: Receipt): number =>
  one.version - other.version || byBytes(one.principal, other.principal) || byBytes(one.key, other.key)

/** The order of the SQL stores: bytes of UTF-8, which is the order of code points. */
const byBytes = (one: string, other: string): number =>
  one === other ? 0 : Buffer.compare(Buffer.from(one), Buffer.from(other))
