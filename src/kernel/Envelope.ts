/**
 * One event as the journal keeps it.
 *
 * Owns the fields, the canonical text and the chain. Does not own sealing or hashing:
 * `assemble` is handed both as functions and is itself pure.
 *
 *   hash     = SHA-256(RFC 8785(envelope without hash and position))
 *   prevHash = hash of the event before it in its stream, 64 zeros for the first
 *
 * The canonical text is what is stored; columns beside it serve look-up only and are
 * checked against it by `keelson verify`.
 */
import * as Schema from "effect/Schema"
import * as Canonical from "./Canonical.ts"
import { CommandId, type CommandKey, EventId, Hash, type PrincipalId, StreamId } from "./Ids.ts"
import * as Sealed from "./Sealed.ts"
import { Actor, CorrelationId, type Stamp, Traceparent } from "./Stamp.ts"

/** A typed pointer from an event to what it builds on, e.g. `{ kind: "session", id: "ses_…" }`. */
export const Ref = Schema.Struct({
  kind: Schema.String.check(Schema.isPattern(/^[a-z][a-z-]{0,31}$/u)),
  id: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(200)),
  hash: Schema.optionalKey(Hash)
})
export type Ref = typeof Ref.Type

/** `session.created`: room-neutral, past tense, at most 64 characters. */
export const EventType = Schema.String.check(Schema.isPattern(/^[a-z][a-z-]{0,31}\.[a-z][a-z-]{0,31}$/u))

export const Envelope = Schema.Struct({
  eventId: EventId,
  stream: StreamId,
  /** Gapless from 1 within the stream. */
  version: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)),
  type: EventType,
  schemaVersion: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)),
  /** RFC 3339, UTC, millisecond precision. */
  occurredAt: Schema.String.check(Schema.isPattern(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/u)),
  actor: Actor,
  commandId: CommandId,
  correlationId: CorrelationId,
  causationId: Schema.NullOr(EventId),
  traceparent: Schema.NullOr(Traceparent),
  refs: Schema.Array(Ref),
  /** The event whose content this one replaces, if any. */
  supersedes: Schema.NullOr(EventId),
  payload: Schema.Record(Schema.String, Schema.Json),
  prevHash: Hash
})
export type Envelope = typeof Envelope.Type

/** An envelope with the text that was hashed, ready to be appended. */
export interface SealedEvent {
  readonly envelope: Envelope
  /** RFC 8785 text of `envelope`. */
  readonly text: string
  readonly hash: Hash
}

/** An event read back: `position` is global, gapless, in commit order, from 1. */
export interface StoredEvent extends SealedEvent {
  readonly position: number
}

/** What a rule says happened, before time, place and chain are added. Payload fields may be `Sealed.Plain`. */
export interface Draft<out Type extends string = string, out Payload = unknown> {
  readonly type: Type
  readonly payload: Payload
  readonly refs?: ReadonlyArray<Ref>
  readonly supersedes?: EventId | null
}

/** What a rule is shown of an event that happened. */
export interface Recorded<out Type extends string = string, out Payload = unknown> {
  readonly type: Type
  readonly payload: Payload
  readonly eventId: EventId
  readonly version: number
  readonly occurredAt: string
  readonly actor: Actor
}

export const genesis = Hash.make("0".repeat(64))

export interface Assembly {
  readonly draft: Draft
  readonly schemaVersion: number
  readonly stamp: Stamp
  /** `stamp.atMillis` as RFC 3339 text. */
  readonly occurredAt: string
  readonly stream: StreamId
  readonly version: number
  readonly prevHash: Hash
  readonly eventId: EventId
  /** Seals one field; `at` (an `aad`) binds it to this stream, version and field. */
  readonly seal: (at: string, words: Canonical.Json) => Sealed.Box | Sealed.Redacted
  readonly sha256: (text: string) => Hash
}

/** The place of a sealed field, authenticated with its words. */
export const aad = (stream: StreamId, version: number, pointer: string): string => `${stream}#${version}#${pointer}`

/** The place of a receipt's answer: never the place of a field, whatever the principal and the key are called. */
export const receiptAad = (stream: StreamId, principal: PrincipalId, key: CommandKey): string =>
  `${stream}#receipt#${principal}#${key}`

/**
 * Whether a box may stand at a pointer of this event: either it was sealed exactly there, or a rule moved it
 * here from an earlier event of this stream or from another stream. What was sealed in this event stays in its field.
 */
export const mayStand = (envelope: Pick<Envelope, "stream" | "version">, box: Sealed.Box, pointer: string): boolean => {
  const { at } = box.sealed
  if (at === aad(envelope.stream, envelope.version, pointer)) return true
  const first = at.indexOf("#")
  const second = at.indexOf("#", first + 1)
  return at.slice(0, first) !== envelope.stream || Number(at.slice(first + 1, second)) < envelope.version
}

/** Seals, encodes once and hashes. */
export const assemble = (input: Assembly): SealedEvent => {
  const { draft, stamp, stream, version } = input
  const payload = Sealed.mapHandles(draft.payload, (handle, pointer) =>
    Sealed.isPlain(handle) ? input.seal(aad(stream, version, pointer), handle.value) : handle
  )
  const envelope: Envelope = {
    eventId: input.eventId,
    stream,
    version,
    type: draft.type,
    schemaVersion: input.schemaVersion,
    occurredAt: input.occurredAt,
    actor: stamp.actor,
    commandId: stamp.commandId,
    correlationId: stamp.correlationId,
    causationId: stamp.causationId,
    traceparent: stamp.traceparent,
    refs: draft.refs ?? [],
    supersedes: draft.supersedes ?? null,
    payload: payload as Envelope["payload"],
    prevHash: input.prevHash
  }
  const text = textOf(envelope)
  return { envelope, text, hash: input.sha256(text) }
}

/**
 * The canonical text. Its fixed keys are written in their order by hand, because every event pays for it; a test holds
 * it equal to `Canonical.encode`.
 */
export const textOf = (envelope: Envelope): string =>
  `{"actor":{"id":${quote(envelope.actor.id)},"kind":${quote(envelope.actor.kind)}},` +
  `"causationId":${orNull(envelope.causationId)},"commandId":${quote(envelope.commandId)},` +
  `"correlationId":${quote(envelope.correlationId)},"eventId":${quote(envelope.eventId)},` +
  `"occurredAt":${quote(envelope.occurredAt)},"payload":${Canonical.encodePart(envelope.payload, 1)},` +
  `"prevHash":${quote(envelope.prevHash)},"refs":${Canonical.encodePart(envelope.refs as Canonical.Json, 1)},` +
  `"schemaVersion":${envelope.schemaVersion},"stream":${quote(envelope.stream)},` +
  `"supersedes":${orNull(envelope.supersedes)},"traceparent":${orNull(envelope.traceparent)},` +
  `"type":${quote(envelope.type)},"version":${envelope.version}}`

/** The event as a rule sees it. */
export const recorded = (envelope: Envelope): Recorded => ({
  type: envelope.type,
  payload: envelope.payload,
  eventId: envelope.eventId,
  version: envelope.version,
  occurredAt: envelope.occurredAt,
  actor: envelope.actor
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const { quote } = Canonical

const orNull = (text: string | null): string => (text === null ? "null" : quote(text))
