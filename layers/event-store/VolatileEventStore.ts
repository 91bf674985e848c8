/**
 * The journal in memory: for simulation and unit tests. Keeps every promise of the port but durability.
 *
 * Owns the same order of judgement as the SQL function. Deterministic: no clock, no chance; what waits is taken
 * in the order it came.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import * as Context from "effect/Context"
import type { Append, Guard, Outcome, Receipt, Refusal, RowChange, WrappedKey } from "#src/kernel/Append.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import * as Envelope from "#src/kernel/Envelope.ts"
import type { Hash, StreamId, SubjectId } from "#src/kernel/Ids.ts"
import { EventStore, type Row, Rows, type RowsQuery } from "#src/ports/EventStore.ts"

interface StreamState {
  version: number
  hash: Hash
  readonly events: Array<StoredEvent>
  readonly receipts: Array<Receipt>
}

export const make = Effect.sync(() => {
  const journal: Array<StoredEvent> = []
  const streams = new Map<StreamId, StreamState>()
  const receipts = new Map<string, Receipt>()
  const keys = new Map<SubjectId, WrappedKey>()
  const shredded = new Set<SubjectId>()
  const rows = new Map<string, Map<string, Row>>()
  const counters = new Map<string, number>()
  const cells = new Map<string, string>()
  let committed = Latch.makeUnsafe(false)

  const row = (kind: string, key: string) => rows.get(kind)?.get(key)
  const receiptName = (principal: string, key: string) => `${principal} ${key}`

  const holdsBefore = (guard: Guard): boolean =>
    guard._tag === "AtMost" || (row(guard.kind, guard.key) !== undefined) === (guard._tag === "Present")

  const counterAfter = (changes: ReadonlyArray<RowChange>, counter: string): number =>
    changes.reduce(
      (total, change) => (change._tag === "Add" && change.counter === counter ? total + change.delta : total),
      counters.get(counter) ?? 0
    )

  const judge = (append: Append): Refusal | null => {
    const stream = streams.get(append.stream)
    const actual = stream?.version ?? 0
    const hash = stream?.hash ?? Envelope.genesis
    if (actual !== append.expectedVersion || hash !== append.expectedHash) {
      return { _tag: "VersionConflict", expected: append.expectedVersion, actual }
    }
    const { receipt } = append
    const known = receipt === null ? undefined : receipts.get(receiptName(receipt.principal, receipt.key))
    if (known !== undefined) return { _tag: "ReceiptExists", receipt: known }
    for (const { subject } of append.keys) {
      if (keys.has(subject) || shredded.has(subject)) return { _tag: "KeyConflict", subject }
    }
    for (const guard of append.guards) {
      if (!holdsBefore(guard)) return { _tag: "GuardFailed", guard }
    }
    for (const guard of append.guards) {
      if (guard._tag === "AtMost" && counterAfter(append.rows, guard.counter) > guard.maximum) {
        return { _tag: "GuardFailed", guard }
      }
    }
    return null
  }

  const change = (changed: RowChange, position: number) => {
    if (changed._tag === "Add") {
      const after = (counters.get(changed.counter) ?? 0) + changed.delta
      if (after < 0) throw new Error(`counter ${changed.counter} would be ${after}`)
      counters.set(changed.counter, after)
    } else if (changed._tag === "Drop") rows.get(changed.kind)?.delete(changed.key)
    else {
      const { kind, key, body } = changed
      const kept = rows.get(kind) ?? new Map<string, Row>()
      rows.set(kind, kept.set(key, { kind, key, body: structuredClone(body), position }))
    }
  }

  const write = (append: Append): Outcome => {
    const stream = streams.get(append.stream) ?? { version: 0, hash: Envelope.genesis, events: [], receipts: [] }
    const events = append.events.map((event, index): StoredEvent => ({
      ...event,
      position: journal.length + 1 + index
    }))
    const last = events[events.length - 1]
    const position = last?.position ?? journal.length
    for (const changed of append.rows) change(changed, position)
    journal.push(...events)
    stream.events.push(...events)
    if (last !== undefined) {
      stream.version = last.envelope.version
      stream.hash = last.hash
    }
    if (append.receipt !== null) {
      receipts.set(receiptName(append.receipt.principal, append.receipt.key), append.receipt)
      stream.receipts.push(append.receipt)
    }
    streams.set(append.stream, stream)
    for (const key of append.keys) keys.set(key.subject, key)
    for (const subject of append.shred) {
      keys.delete(subject)
      shredded.add(subject)
    }
    return { _tag: "Committed", events }
  }

  const append: EventStore["Service"]["append"] = (appends) =>
    // One turn of the scheduler between call and commit, so that callers interleave as they do with a database.
    Effect.andThen(
      Effect.yieldNow,
      Effect.sync(() => {
        const before = journal.length
        const outcomes = appends.map((one): Outcome => {
          const refusal = judge(one)
          return refusal === null ? write(one) : { _tag: "Refused", refusal }
        })
        if (journal.length > before) {
          committed.openUnsafe()
          committed = Latch.makeUnsafe(false)
        }
        return outcomes
      })
    )

  const follow = (after: number): Stream.Stream<StoredEvent> =>
    Stream.unfold(after, (cursor) =>
      Effect.gen(function* () {
        while (journal.length <= cursor) yield* committed.await
        return [journal[cursor] as StoredEvent, cursor + 1] as const
      })
    )

  const store = EventStore.of({
    append,
    readStream: (stream) =>
      Effect.sync(() => {
        const found = streams.get(stream)
        return { events: [...(found?.events ?? [])], receipts: [...(found?.receipts ?? [])] }
      }),
    readAll: (after, limit) =>
      Effect.sync(() => journal.slice(after, after + Math.min(Math.max(0, limit), Bounds.readLimitMax))),
    head: Effect.sync(() => journal.length),
    follow,
    receipt: (principal, key) => Effect.sync(() => receipts.get(receiptName(principal, key)) ?? null),
    wrappedKey: (subject) => Effect.sync(() => keys.get(subject) ?? null),
    rewrapKey: (from, to) =>
      Effect.sync(() => {
        const now = keys.get(from.subject)
        if (now === undefined || now.wrapped !== from.wrapped || now.wrappingVersion !== from.wrappingVersion)
          return false
        keys.set(to.subject, to)
        return true
      }),
    cell: (name) => Effect.sync(() => cells.get(name) ?? null),
    setCell: (name, from, to) =>
      Effect.sync(() => {
        if ((cells.get(name) ?? null) !== from) return false
        cells.set(name, to)
        return true
      }),
    probe: Effect.void
  })

  const questions = Rows.of({
    get: (kind, key) => Effect.sync(() => row(kind, key) ?? null),
    list: (query) => Effect.sync(() => list(rows.get(query.kind) ?? new Map(), query)),
    counter: (name) => Effect.sync(() => counters.get(name) ?? 0),
    counters: (prefix) =>
      Effect.sync(() => [...counters].filter(([name]) => name.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1)))
  })

  return Context.make(EventStore, store).pipe(Context.add(Rows, questions))
})

export const layer: Layer.Layer<EventStore | Rows> = Layer.effectContext(make)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const list = (rows: ReadonlyMap<string, Row>, query: RowsQuery): ReadonlyArray<Row> => {
  const { where = {}, atMost, orderBy, after, descending = false } = query
  const valueOf = (row: Row): number => (orderBy === undefined ? 0 : Number(row.body[orderBy]))
  const sign = descending ? -1 : 1
  const byKey = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
  const order = (a: Row, b: Row): number => sign * (valueOf(a) - valueOf(b) || byKey(a.key, b.key))
  const isAfter = (row: Row): boolean => {
    if (after === undefined) return true
    const value = orderBy === undefined ? 0 : (after.value ?? 0)
    return sign * (valueOf(row) - value || byKey(row.key, after.key)) > 0
  }
  const matches = (row: Row): boolean =>
    Object.entries(where).every(([field, value]) => row.body[field] === value) &&
    (orderBy === undefined || typeof row.body[orderBy] === "number") &&
    (atMost === undefined ||
      (typeof row.body[atMost.field] === "number" && Number(row.body[atMost.field]) <= atMost.value)) &&
    isAfter(row)
  return [...rows.values()].filter(matches).sort(order).slice(0, Math.min(query.limit, Bounds.readLimitMax))
}
