/**
 * An append, checked and folded before any store sees it.
 *
 * Owns what is wrong with an append whatever the journal holds (a `JournalDefect`: a bug of the caller), and its
 * folded form: one write per row, one net change per counter, the receipt's own hash. Does not own judgement
 * against what is stored.
 *
 * Invariants: a prepared append's chain joins its `expectedHash`; every hash was computed here from the text that is
 * stored; no field holds a line break or NUL, so columns can travel as lines of one text.
 */
import type { Append, Guard, Receipt } from "#src/kernel/Append.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import type { Hash } from "#src/kernel/Ids.ts"

/** An append that no journal could take. Raised as a defect: the caller is wrong, and repeating won't help. */
export class JournalDefect extends Error {
  override readonly name = "JournalDefect"
}

/** The last write of one append to one row; `body` is canonical text, null where the row goes. */
export interface RowWrite {
  /** `rowName` of kind and key. */
  readonly name: string
  readonly kind: string
  readonly key: string
  readonly body: string | null
}

export interface Prepared {
  readonly append: Append
  readonly rows: ReadonlyArray<RowWrite>
  /** Net change by counter's name. */
  readonly counters: ReadonlyMap<string, number>
  readonly receiptHash: Hash | null
  /** Text to be sent, in UTF-16 units. */
  readonly size: number
}

/** Throws `JournalDefect`. */
export const prepare = (append: Append, sha256: (text: string) => Hash): Prepared => {
  const size = checkEvents(append, sha256)
  const { receipt } = append
  if (receipt !== null) checkReceipt(append, receipt)
  if (append.events.length === 0 && append.rows.length > 0) {
    throw new JournalDefect(`${append.stream}: rows change only with events, which they are rebuilt from`)
  }
  for (const guard of append.guards) checkGuard(guard)
  checkDistinct(append)
  const { rows, counters, size: rowsSize } = fold(append)
  return {
    append,
    rows,
    counters,
    receiptHash: receipt === null ? null : sha256(receiptText(receipt)),
    size: size + rowsSize + (receipt?.answer.length ?? 0)
  }
}

/**
 * What a receipt's hash covers: the canonical text of all its fields. Written by hand, its keys in order, because every
 * command pays for it; a test holds it equal to `Canonical.encode`.
 */
export const receiptText = (receipt: Receipt): string =>
  `{"answer":${quote(receipt.answer)},"commandId":${quote(receipt.commandId)},"digest":${quote(receipt.digest)},` +
  `"key":${quote(receipt.key)},"principal":${quote(receipt.principal)},` +
  `"recordedAtMillis":${receipt.recordedAtMillis},"stream":${quote(receipt.stream)},` +
  `"subject":${quote(receipt.subject)},"version":${receipt.version}}`

export const rowName = (kind: string, key: string): string => `${kind}\n${key}`

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const { quote } = Canonical

const checkEvents = (append: Append, sha256: (text: string) => Hash): number => {
  const { stream, events } = append
  if (events.length > Bounds.commandEventsMax) {
    throw new JournalDefect(`${stream}: ${events.length} events in one append; at most ${Bounds.commandEventsMax}`)
  }
  let version = append.expectedVersion
  let prevHash = append.expectedHash
  let size = 0
  for (const { envelope, text, hash } of events) {
    version += 1
    if (envelope.stream !== stream) throw new JournalDefect(`${stream}: an event of ${envelope.stream} among its own`)
    if (envelope.version !== version) {
      throw new JournalDefect(`${stream}: version ${envelope.version} where ${version} comes next`)
    }
    if (envelope.prevHash !== prevHash) throw new JournalDefect(`${stream}#${version}: prevHash breaks the chain`)
    if (text.length > Bounds.eventTextMax) throw new JournalDefect(`${stream}#${version}: ${text.length} characters`)
    if (sha256(text) !== hash) throw new JournalDefect(`${stream}#${version}: the hash is not that of the text`)
    prevHash = hash
    size += text.length
  }
  return size
}

const checkReceipt = (append: Append, receipt: Receipt): void => {
  if (receipt.stream !== append.stream) throw new JournalDefect(`${append.stream}: a receipt of ${receipt.stream}`)
  if (receipt.version !== append.expectedVersion + append.events.length) {
    throw new JournalDefect(`${append.stream}: the receipt's version is not the stream's after the command`)
  }
  checkLine(append.stream, receipt.digest)
  checkLine(append.stream, receipt.answer)
}

const checkGuard = (guard: Guard): void => {
  if (guard._tag === "AtMost") {
    checkName("guard", guard.counter)
    if (!Number.isSafeInteger(guard.maximum)) throw new JournalDefect(`${guard.counter}: maximum ${guard.maximum}`)
  } else {
    checkName("guard", guard.kind)
    checkLine("guard", guard.key)
  }
}

const checkDistinct = ({ stream, keys, shred }: Append): void => {
  if (new Set(keys.map(({ subject }) => subject)).size < keys.length) {
    throw new JournalDefect(`${stream}: two keys for one subject`)
  }
  for (const { wrapped } of keys) checkName(stream, wrapped)
  if (new Set(shred).size < shred.length) throw new JournalDefect(`${stream}: a subject shredded twice at once`)
}

const lineBreaker = /[\n\0]/

/** NUL as canonical text writes it, which PostgreSQL's JSON has no room for; a backslash before it is a text's own. */
const escapedNul = /(?<!\\)(?:\\\\)*\\u0000/

const checkName = (place: string, text: string): void => {
  if (text === "") throw new JournalDefect(`${place}: a name is empty`)
  checkLine(place, text)
}

const checkLine = (place: string, text: string): void => {
  if (lineBreaker.test(text)) throw new JournalDefect(`${place}: a name holds a line break or NUL`)
}

const fold = (append: Append) => {
  const rows = new Map<string, RowWrite>()
  const counters = new Map<string, number>()
  let size = 0
  for (const change of append.rows) {
    if (change._tag === "Add") {
      checkName(append.stream, change.counter)
      const delta = (counters.get(change.counter) ?? 0) + change.delta
      if (!Number.isSafeInteger(delta)) throw new JournalDefect(`${change.counter}: not a whole number: ${delta}`)
      counters.set(change.counter, delta)
      continue
    }
    checkName(append.stream, change.kind)
    checkLine(change.kind, change.key)
    const body = change._tag === "Put" ? Canonical.encode(change.body) : null
    if (body !== null && escapedNul.test(body)) throw new JournalDefect(`${change.kind}: a row's body holds NUL`)
    size += body?.length ?? 0
    const name = rowName(change.kind, change.key)
    rows.set(name, { name, kind: change.kind, key: change.key, body })
  }
  return { rows: [...rows.values()], counters, size }
}
