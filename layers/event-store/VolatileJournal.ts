/**
 * The append's rules on plain maps: the journal's model, which the SQL stores are tested against.
 *
 * Owns state and judgement, both synchronous and without clock or chance. Does not own waiting (`VolatileEventStore`).
 *
 * Invariants: an append is judged before anything of it is written, so nothing is ever undone; order of judgement as
 * in `kernel/Append`.
 */
import type { Receipt, Refusal, WrappedKey } from "#src/kernel/Append.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { genesis, type StoredEvent } from "#src/kernel/Envelope.ts"
import type { Hash } from "#src/kernel/Ids.ts"
import { belowZero, committed, type Judged } from "./Batch.ts"
import { type Prepared, rowName } from "./Preparation.ts"

export interface StoredBody {
  readonly kind: string
  readonly key: string
  /** Canonical text. */
  readonly body: string
  readonly position: number
}

export interface Journal {
  readonly events: Array<StoredEvent>
  readonly streams: Map<string, Array<StoredEvent>>
  readonly receipts: Map<string, Receipt>
  readonly receiptsOf: Map<string, Array<Receipt>>
  readonly rows: Map<string, StoredBody>
  readonly counters: Map<string, number>
  readonly keys: Map<string, WrappedKey>
  readonly shredded: Set<string>
  readonly cells: Map<string, string>
}

export const empty = (): Journal => ({
  events: [],
  streams: new Map(),
  receipts: new Map(),
  receiptsOf: new Map(),
  rows: new Map(),
  counters: new Map(),
  keys: new Map(),
  shredded: new Set(),
  cells: new Map()
})

export const receiptName = (principal: string, key: string): string => `${principal}\n${key}`

/** Judges one append, and writes it where it holds. */
export const append = (journal: Journal, prepared: Prepared): Judged => {
  const refusal = judgeBefore(journal, prepared)
  if (refusal !== null) return { _tag: "Refused", refusal }
  for (const [counter, delta] of prepared.counters) {
    if ((journal.counters.get(counter) ?? 0) + delta < 0) {
      return { _tag: "Defect", defect: belowZero(prepared.append.stream, counter) }
    }
  }
  const exceeded = prepared.append.guards.find(
    (guard) =>
      guard._tag === "AtMost" &&
      (journal.counters.get(guard.counter) ?? 0) + (prepared.counters.get(guard.counter) ?? 0) > guard.maximum
  )
  if (exceeded !== undefined) return { _tag: "Refused", refusal: { _tag: "GuardFailed", guard: exceeded } }
  return write(journal, prepared)
}

/** Forgets old receipts of quiet streams. Answers how many. */
export const forgetReceipts = (journal: Journal, quietSinceMillis: number, limit: number): number => {
  const old = [...journal.receipts.values()].filter(({ stream, recordedAtMillis }) => {
    const last = journal.streams.get(stream)?.at(-1)
    const quiet = last === undefined || Date.parse(last.envelope.occurredAt) < quietSinceMillis
    return quiet && recordedAtMillis < quietSinceMillis
  })
  const forgotten = new Set(old.slice(0, Math.min(Math.max(0, limit), Bounds.readLimitMax)))
  for (const { principal, key } of forgotten) journal.receipts.delete(receiptName(principal, key))
  for (const stream of new Set([...forgotten].map(({ stream }) => stream))) {
    const left = (journal.receiptsOf.get(stream) ?? []).filter((receipt) => !forgotten.has(receipt))
    journal.receiptsOf.set(stream, left)
  }
  return forgotten.size
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const judgeBefore = (journal: Journal, { append }: Prepared): Refusal | null => {
  const head = journal.streams.get(append.stream)?.at(-1)
  const actual = head?.envelope.version ?? 0
  const hash: Hash = head?.hash ?? genesis
  if (actual !== append.expectedVersion || hash !== append.expectedHash) {
    return { _tag: "VersionConflict", expected: append.expectedVersion, actual }
  }
  if (append.receipt !== null) {
    const receipt = journal.receipts.get(receiptName(append.receipt.principal, append.receipt.key))
    if (receipt !== undefined) return { _tag: "ReceiptExists", receipt }
  }
  for (const { subject } of append.keys) {
    if (journal.keys.has(subject) || journal.shredded.has(subject)) return { _tag: "KeyConflict", subject }
  }
  for (const guard of append.guards) {
    if (guard._tag === "AtMost") continue
    if (journal.rows.has(rowName(guard.kind, guard.key)) !== (guard._tag === "Present")) {
      return { _tag: "GuardFailed", guard }
    }
  }
  return null
}

const write = (journal: Journal, prepared: Prepared): Judged => {
  const { append, rows, counters } = prepared
  const outcome = committed(prepared, journal.events.length)
  if (outcome._tag === "Committed" && outcome.events.length > 0) {
    const stream = journal.streams.get(append.stream) ?? []
    journal.streams.set(append.stream, stream)
    for (const event of outcome.events) {
      stream.push(event)
      journal.events.push(event)
    }
  }
  if (append.receipt !== null) {
    journal.receipts.set(receiptName(append.receipt.principal, append.receipt.key), append.receipt)
    const receipts = journal.receiptsOf.get(append.stream) ?? []
    journal.receiptsOf.set(append.stream, receipts)
    receipts.push(append.receipt)
  }
  for (const key of append.keys) journal.keys.set(key.subject, key)
  for (const subject of append.shred) {
    journal.keys.delete(subject)
    journal.shredded.add(subject)
  }
  for (const { kind, key, body } of rows) {
    const name = rowName(kind, key)
    if (body === null) journal.rows.delete(name)
    else journal.rows.set(name, { kind, key, body, position: journal.events.length })
  }
  for (const [counter, delta] of counters) journal.counters.set(counter, (journal.counters.get(counter) ?? 0) + delta)
  return outcome
}
