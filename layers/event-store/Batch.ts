/**
 * A batch of appends as the parameters of one call, and the call's answer as outcomes.
 *
 * Owns the columns, and what must hold at the start for all of a batch to hold: every append is tried, in order,
 * against what its predecessors would leave. Where that already fails, the batch goes the slow way from the outset.
 *
 * Invariants: `fast` is offered only where "these conditions hold at the start" is the same as "every append holds in
 * turn"; outcomes come in the order of the appends.
 */
import * as Schema from "effect/Schema"
import type { Outcome, Receipt } from "#src/kernel/Append.ts"
import { genesis } from "#src/kernel/Envelope.ts"
import { CommandId, CommandKey, PrincipalId, StreamId, SubjectId } from "#src/kernel/Ids.ts"
import type { EventStoreError } from "#src/ports/EventStore.ts"
import { type ParameterName, parameters } from "./AppendSql.ts"
import { JournalDefect, type Prepared, rowName } from "./Preparation.ts"

export type Judged =
  | Outcome
  /** The append is a bug; its neighbours are not. */
  | { readonly _tag: "Defect"; readonly defect: JournalDefect }
  /** Tried alone, and nothing of it was written. */
  | { readonly _tag: "Failed"; readonly error: EventStoreError }

/** The call's arguments. `channel` is told of the new head at commit; empty for nobody. */
export const encode = (batch: ReadonlyArray<Prepared>, channel: string, allowFast = true): ReadonlyArray<unknown> => {
  const columns: Columns = { ...noLines }
  const start = new Start()
  for (const prepared of batch) start.take(prepared)
  if (start.possible) start.write(columns)
  writeLists(columns, batch, start)
  return toArguments(columns, {
    p_fast: allowFast && start.possible,
    p_channel: channel,
    p_events: batch.reduce((sum, { append }) => sum + append.events.length, 0),
    p_drops: batch.some(({ rows }) => rows.some(({ body }) => body === null)),
    p_olds: start.olds
  })
}

/** Reads the answer of the call. */
export const decode = (batch: ReadonlyArray<Prepared>, answer: string): ReadonlyArray<Judged> => {
  if (answer.startsWith("F")) {
    let position = Number(answer.slice(1))
    return batch.map((prepared) => {
      const outcome = committed(prepared, position)
      position += prepared.append.events.length
      return outcome
    })
  }
  const verdicts = decodeVerdicts(JSON.parse(answer))
  if (verdicts.length !== batch.length) throw new Error(`${verdicts.length} verdicts for ${batch.length} appends`)
  return batch.map((prepared, index) => judged(prepared, verdicts[index]!))
}

/** A receipt as its columns come back, here and from reads. */
export const ReceiptRow = Schema.Struct({
  principal: PrincipalId,
  key: CommandKey,
  command_id: CommandId,
  stream: StreamId,
  version: Schema.Int,
  subject: SubjectId,
  digest: Schema.String,
  answer: Schema.String,
  recorded_at_millis: Schema.Int,
  hash: Schema.String
})

export const toReceipt = (row: typeof ReceiptRow.Type): Receipt => ({
  principal: row.principal,
  key: row.key,
  commandId: row.command_id,
  stream: row.stream,
  version: row.version,
  subject: row.subject,
  digest: row.digest,
  answer: row.answer,
  recordedAtMillis: row.recorded_at_millis
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

type ListName = Exclude<ParameterName, `p_${string}`>

/** Every list empty. One shape for all batches: this is the journal's hottest object. */
const noLines = Object.fromEntries(parameters.map(([name]) => [name, ""])) as Record<ListName, string>

/** One text per list, a line per element; each line begins with its break, so that an empty first one is not lost. */
type Columns = Record<ListName, string>

const toArguments = (columns: Columns, scalars: { readonly [name: string]: unknown }): ReadonlyArray<unknown> =>
  parameters.map(([name]) => (name in scalars ? scalars[name] : columns[name as ListName].slice(1)))

interface HeadNeed {
  readonly expected: number
  readonly expectedHash: string
  version: number
  hash: string
}
interface CounterNeed {
  delta: number
  /** False where a guard alone names it. */
  touched: boolean
  low: number
  high: number
}

/** What the whole batch needs of the journal as it stands before it. */
class Start {
  possible = true
  /** Streams that go on. */
  olds = 0
  /** What is known of rows so far: whether one is there, and which append wrote it last. */
  readonly known = new Map<string, { present: boolean; last: number }>()
  private readonly heads = new Map<string, HeadNeed>()
  private readonly receipts = new Set<string>()
  private readonly subjects = new Set<string>()
  private readonly rows: Array<{ readonly kind: string; readonly key: string; readonly present: boolean }> = []
  private readonly counters = new Map<string, CounterNeed>()
  private index = 0

  take(prepared: Prepared): void {
    const { append } = prepared
    // Shredding reorders keys within a batch; it is rare, and the slow way knows how.
    if (append.shred.length > 0) this.possible = false
    this.takeHead(prepared)
    if (append.receipt !== null) this.once(this.receipts, `${append.receipt.principal}\n${append.receipt.key}`)
    for (const { subject } of append.keys) this.once(this.subjects, subject)
    this.takeGuardsBefore(prepared)
    this.takeChanges(prepared)
    this.takeGuardsAfter(prepared)
    this.index += 1
  }

  write(columns: Columns): void {
    for (const [stream, need] of this.heads) this.writeHead(columns, stream, need)
    for (const { kind, key, present } of this.rows) {
      columns.f_kind += `\n${kind}`
      columns.f_key += `\n${key}`
      columns.f_present += `\n${String(present)}`
    }
    for (const [name, { delta, touched, low, high }] of this.counters) {
      columns.m_name += `\n${name}`
      columns.m_delta += `\n${delta}`
      columns.m_touched += `\n${String(touched)}`
      columns.m_low += `\n${low}`
      columns.m_high += `\n${high}`
    }
  }

  private writeHead(columns: Columns, stream: string, { expected, expectedHash, version, hash }: HeadNeed): void {
    if (version === expected) {
      columns.t_stream += `\n${stream}`
      columns.t_expected += `\n${expected}`
      columns.t_expected_hash += `\n${expectedHash}`
    } else if (expected === 0) {
      columns.n_stream += `\n${stream}`
      columns.n_version += `\n${version}`
      columns.n_hash += `\n${hash}`
    } else {
      this.olds += 1
      columns.o_stream += `\n${stream}`
      columns.o_expected += `\n${expected}`
      columns.o_expected_hash += `\n${expectedHash}`
      columns.o_version += `\n${version}`
      columns.o_hash += `\n${hash}`
    }
  }

  private once(seen: Set<string>, name: string): void {
    if (seen.has(name)) this.possible = false
    seen.add(name)
  }

  private takeHead({ append }: Prepared): void {
    const version = append.expectedVersion + append.events.length
    const hash = append.events.at(-1)?.hash ?? append.expectedHash
    const before = this.heads.get(append.stream)
    if (before === undefined) {
      const { expectedVersion: expected, expectedHash } = append
      // A stream that begins has nothing before it; another hash never holds, and the slow way says so.
      if (expected === 0 && expectedHash !== genesis) this.possible = false
      this.heads.set(append.stream, { expected, expectedHash, version, hash })
    } else if (before.version === append.expectedVersion && before.hash === append.expectedHash) {
      before.version = version
      before.hash = hash
    } else {
      this.possible = false
    }
  }

  private takeGuardsBefore({ append }: Prepared): void {
    for (const guard of append.guards) {
      if (guard._tag === "AtMost") continue
      const name = rowName(guard.kind, guard.key)
      const present = guard._tag === "Present"
      const known = this.known.get(name)
      if (known === undefined) {
        this.rows.push({ kind: guard.kind, key: guard.key, present })
        this.known.set(name, { present, last: -1 })
      } else if (known.present !== present) {
        this.possible = false
      }
    }
  }

  private takeChanges({ rows, counters }: Prepared): void {
    for (const { name, body } of rows) {
      const known = this.known.get(name)
      if (known === undefined) {
        this.known.set(name, { present: body !== null, last: this.index })
      } else {
        known.present = body !== null
        known.last = this.index
      }
    }
    for (const [name, delta] of counters) {
      const need = this.need(name)
      need.touched = true
      need.delta += delta
      need.low = Math.max(need.low, -need.delta)
    }
  }

  private takeGuardsAfter({ append }: Prepared): void {
    for (const guard of append.guards) {
      if (guard._tag !== "AtMost") continue
      const need = this.need(guard.counter)
      need.high = Math.min(need.high, guard.maximum - need.delta)
    }
  }

  private need(name: string): CounterNeed {
    let need = this.counters.get(name)
    if (need === undefined) {
      need = { delta: 0, touched: false, low: 0, high: Number.MAX_SAFE_INTEGER }
      this.counters.set(name, need)
    }
    return need
  }
}

const writeLists = (columns: Columns, batch: ReadonlyArray<Prepared>, start: Start): void => {
  const ends = { events: 0, receipts: 0, rows: 0, keys: 0, counters: 0, guards: 0, shreds: 0 }
  for (const [index, prepared] of batch.entries()) {
    const { append, rows, counters } = prepared
    ends.events += append.events.length
    ends.receipts += append.receipt === null ? 0 : 1
    ends.rows += rows.length
    ends.keys += append.keys.length
    ends.counters += counters.size
    ends.guards += append.guards.length
    ends.shreds += append.shred.length
    columns.a_stream += `\n${append.stream}`
    columns.a_expected += `\n${append.expectedVersion}`
    columns.a_expected_hash += `\n${append.expectedHash}`
    columns.a_events += `\n${ends.events}`
    columns.a_receipts += `\n${ends.receipts}`
    columns.a_rows += `\n${ends.rows}`
    columns.a_keys += `\n${ends.keys}`
    columns.a_counters += `\n${ends.counters}`
    columns.a_guards += `\n${ends.guards}`
    columns.a_shreds += `\n${ends.shreds}`
    writeEvents(columns, prepared)
    writeReceipt(columns, prepared)
    for (const { name, kind, key, body } of rows) {
      columns.w_kind += `\n${kind}`
      columns.w_key += `\n${key}`
      columns.w_body += `\n${body ?? ""}`
      columns.w_offset += `\n${start.known.get(name)?.last === index ? ends.events : 0}`
    }
    writeRest(columns, prepared)
  }
}

const writeEvents = (columns: Columns, { append }: Prepared): void => {
  for (const { envelope, text, hash } of append.events) {
    columns.e_stream += `\n${envelope.stream}`
    columns.e_version += `\n${envelope.version}`
    columns.e_id += `\n${envelope.eventId}`
    columns.e_type += `\n${envelope.type}`
    columns.e_at += `\n${envelope.occurredAt}`
    columns.e_actor_kind += `\n${envelope.actor.kind}`
    columns.e_actor_id += `\n${envelope.actor.id}`
    columns.e_command += `\n${envelope.commandId}`
    columns.e_correlation += `\n${envelope.correlationId}`
    columns.e_prev += `\n${envelope.prevHash}`
    columns.e_hash += `\n${hash}`
    columns.e_body += `\n${text}`
  }
}

const writeReceipt = (columns: Columns, { append: { receipt }, receiptHash }: Prepared): void => {
  if (receipt === null) return
  columns.r_principal += `\n${receipt.principal}`
  columns.r_key += `\n${receipt.key}`
  columns.r_command += `\n${receipt.commandId}`
  columns.r_stream += `\n${receipt.stream}`
  columns.r_version += `\n${receipt.version}`
  columns.r_subject += `\n${receipt.subject}`
  columns.r_digest += `\n${receipt.digest}`
  columns.r_answer += `\n${receipt.answer}`
  columns.r_at += `\n${receipt.recordedAtMillis}`
  columns.r_hash += `\n${receiptHash ?? ""}`
}

const writeRest = (columns: Columns, { append, counters }: Prepared): void => {
  for (const { subject, wrappingVersion, wrapped } of append.keys) {
    columns.k_subject += `\n${subject}`
    columns.k_version += `\n${wrappingVersion}`
    columns.k_wrapped += `\n${wrapped}`
  }
  for (const [name, delta] of counters) {
    columns.c_name += `\n${name}`
    columns.c_delta += `\n${delta}`
  }
  for (const guard of append.guards) {
    const atMost = guard._tag === "AtMost"
    columns.g_tag += `\n${atMost ? "M" : guard._tag === "Present" ? "P" : "A"}`
    columns.g_name += `\n${atMost ? guard.counter : guard.kind}`
    columns.g_key += `\n${atMost ? "" : guard.key}`
    columns.g_maximum += `\n${atMost ? guard.maximum : 0}`
  }
  for (const subject of append.shred) columns.s_subject += `\n${subject}`
}

// --- answers ---------------------------------------------------------------------------------------------------------

/** As `AppendSql` writes them: committed after a position, version conflict, receipt, guard, key, negative counter. */
const Verdict = Schema.Union([
  Schema.Struct({ c: Schema.Int }),
  Schema.Struct({ v: Schema.Int }),
  Schema.Struct({ r: ReceiptRow }),
  Schema.Struct({ g: Schema.Int }),
  Schema.Struct({ k: SubjectId }),
  Schema.Struct({ n: Schema.String })
])

const decodeVerdicts = Schema.decodeUnknownSync(Schema.Array(Verdict))

const judged = (prepared: Prepared, verdict: typeof Verdict.Type): Judged => {
  const { append } = prepared
  if ("c" in verdict) return committed(prepared, verdict.c)
  if ("v" in verdict) return refused({ _tag: "VersionConflict", expected: append.expectedVersion, actual: verdict.v })
  if ("r" in verdict) return refused({ _tag: "ReceiptExists", receipt: toReceipt(verdict.r) })
  if ("k" in verdict) return refused({ _tag: "KeyConflict", subject: verdict.k })
  if ("n" in verdict) return { _tag: "Defect", defect: belowZero(append.stream, verdict.n) }
  const guard = append.guards[verdict.g]
  if (guard === undefined) throw new Error(`a verdict names guard ${verdict.g}, which the append does not have`)
  return refused({ _tag: "GuardFailed", guard })
}

export const committed = ({ append }: Prepared, headBefore: number): Judged => ({
  _tag: "Committed",
  events: append.events.map(({ envelope, text, hash }, index) => ({
    envelope,
    text,
    hash,
    position: headBefore + index + 1
  }))
})

export const belowZero = (stream: string, counter: string): JournalDefect =>
  new JournalDefect(`${stream}: the counter ${counter} would fall below zero`)

const refused = (refusal: Extract<Outcome, { _tag: "Refused" }>["refusal"]): Judged => ({ _tag: "Refused", refusal })
