/**
 * Rows of the journal's tables as events and receipts, checked on the way in.
 *
 * Invariants: an event leaves here only where its hash is that of its text and the columns beside it say the same;
 * a stream only where its versions are contiguous from 1 and each `prevHash` is the hash before it.
 */
import type { Receipt } from "#src/kernel/Append.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import { type Envelope, genesis, type StoredEvent } from "#src/kernel/Envelope.ts"
import type { Hash, StreamId } from "#src/kernel/Ids.ts"
import { EventStoreError } from "#src/ports/EventStore.ts"
import { receiptText } from "./Preparation.ts"

export type Sha256 = (text: string) => Hash

/** The columns every read of events takes. */
export interface EventRow {
  readonly position: bigint
  readonly stream: string
  readonly version: number
  readonly hash: string
  readonly body: string
}

export const eventColumns = "position, stream, version, hash, body"

/** Throws `EventStoreError` with reason `Corrupt`. */
export const toEvent = (row: EventRow, sha256: Sha256, operation: string): StoredEvent => {
  const position = Number(row.position)
  const place = `event ${position} (${row.stream}#${row.version})`
  if (sha256(row.body) !== row.hash) throw corrupt(operation, `${place}: its text does not have its hash`)
  const envelope = Canonical.decode(row.body) as unknown as Envelope
  if (envelope.stream !== row.stream || envelope.version !== row.version) {
    throw corrupt(operation, `${place}: its text names ${envelope.stream}#${envelope.version}`)
  }
  return { position, envelope, text: row.body, hash: row.hash as Hash }
}

/** Throws `EventStoreError` with reason `Corrupt` where the events are not the whole, chained stream from version 1. */
export const checkStream = (stream: StreamId, events: ReadonlyArray<StoredEvent>, operation: string): void => {
  let version = 0
  let hash = genesis
  let position = 0
  for (const event of events) {
    version += 1
    const place = `${stream}#${version}`
    if (event.envelope.version !== version) throw corrupt(operation, `${place} is missing`)
    if (event.envelope.prevHash !== hash) throw corrupt(operation, `${place}: prevHash is not the hash before it`)
    if (event.position <= position) throw corrupt(operation, `${place}: its position is before its predecessor's`)
    hash = event.hash
    position = event.position
  }
}

/** Throws `EventStoreError` with reason `Corrupt`. */
export const checkReceipt = (receipt: Receipt, hash: string, sha256: Sha256, operation: string): Receipt => {
  if (sha256(receiptText(receipt)) === hash) return receipt
  throw corrupt(operation, `the receipt of ${receipt.principal} for ${receipt.key} does not have its hash`)
}

export const corrupt = (operation: string, detail: string): EventStoreError =>
  new EventStoreError({ reason: "Corrupt", operation, detail, retryable: false })
