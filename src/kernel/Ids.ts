/**
 * The names of things: streams, events, commands, principals and what they own.
 *
 * Owns the shape of every id. Does not own how an id is made: ids of created
 * things derive from (principal, key) by a digest that a port supplies, so that
 * the same command repeated anywhere, at any time, names the same thing.
 *
 * Patterns carry the flag `u`: that of JSON Schema, without which they would not stand in descriptions of an API.
 */
import * as Schema from "effect/Schema"

/** `<prefix>_` and 26 characters of Crockford's base 32 (no i, l, o, u): 130 bits of a digest. */
const shape = (prefix: string) => Schema.isPattern(new RegExp(`^${prefix}_[0-9a-hjkmnp-tv-z]{26}$`, "u"))

/** `<kind>:<id>`, for example `session:ses_…`. At most 120 characters. */
export const StreamId = Schema.String.check(Schema.isPattern(/^[a-z][a-z-]{0,31}:[A-Za-z0-9_.-]{1,87}$/u)).pipe(
  Schema.brand("StreamId")
)
export type StreamId = typeof StreamId.Type

/** The name under which a data key is kept: `session:ses_…` or, later, `memory:mem_…`. Same shape as a stream. */
export const SubjectId = Schema.String.check(Schema.isPattern(/^[a-z][a-z-]{0,31}:[A-Za-z0-9_.-]{1,87}$/u)).pipe(
  Schema.brand("SubjectId")
)
export type SubjectId = typeof SubjectId.Type

/** Who acts: a person, an agent or the system itself. 1 to 64 plain characters. */
export const PrincipalId = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/u)).pipe(
  Schema.brand("PrincipalId")
)
export type PrincipalId = typeof PrincipalId.Type

/** The caller's own name for a command (HTTP: `Idempotency-Key`). 1 to 200 visible ASCII characters. */
export const CommandKey = Schema.String.check(Schema.isPattern(/^[\x21-\x7e]{1,200}$/u)).pipe(
  Schema.brand("CommandKey")
)
export type CommandKey = typeof CommandKey.Type

export const EventId = Schema.String.check(shape("evt")).pipe(Schema.brand("EventId"))
export type EventId = typeof EventId.Type

/** Names one command for ever: derived from (principal, key). */
export const CommandId = Schema.String.check(shape("cmd")).pipe(Schema.brand("CommandId"))
export type CommandId = typeof CommandId.Type

export const SessionId = Schema.String.check(shape("ses")).pipe(Schema.brand("SessionId"))
export type SessionId = typeof SessionId.Type

export const TurnId = Schema.String.check(shape("trn")).pipe(Schema.brand("TurnId"))
export type TurnId = typeof TurnId.Type

/** An action and its confirmation share the 26 characters: `act_X` waits as `cfm_X`. */
export const ActionId = Schema.String.check(shape("act")).pipe(Schema.brand("ActionId"))
export type ActionId = typeof ActionId.Type

export const ConfirmationId = Schema.String.check(shape("cfm")).pipe(Schema.brand("ConfirmationId"))
export type ConfirmationId = typeof ConfirmationId.Type

export const PermitId = Schema.String.check(shape("pmt")).pipe(Schema.brand("PermitId"))
export type PermitId = typeof PermitId.Type

export const ClaimId = Schema.String.check(shape("clm")).pipe(Schema.brand("ClaimId"))
export type ClaimId = typeof ClaimId.Type

/** One life of one process: a claim belongs to the incarnation that made it, and to no later one. */
export const IncarnationId = Schema.String.check(shape("inc")).pipe(Schema.brand("IncarnationId"))
export type IncarnationId = typeof IncarnationId.Type

/** Names a key of a principal; says nothing of the token that it stands for. */
export const KeyId = Schema.String.check(shape("key")).pipe(Schema.brand("KeyId"))
export type KeyId = typeof KeyId.Type

/** The prefixes an id can be derived with; see `ports/Digest`. */
export type IdPrefix = "evt" | "cmd" | "ses" | "trn" | "act" | "cfm" | "pmt" | "clm" | "inc" | "byp" | "key"

/** SHA-256 or HMAC-SHA-256 as 64 lower-case hex digits. */
export const Hash = Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/u)).pipe(Schema.brand("Hash"))
export type Hash = typeof Hash.Type

/** Milliseconds since 1970-01-01T00:00:00Z, an integer a double holds exactly. */
export const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 8_640_000_000_000_000 }))
