/**
 * When, who and under which name: what the world adds to a command before a rule sees it.
 *
 * Rules read no clock and draw no lots. Whatever they need of time, identity and
 * chance stands here as plain data, so that a command replayed gives the same bytes.
 */
import * as Schema from "effect/Schema"
import { CommandId, CommandKey, EventId, Millis, PrincipalId } from "./Ids.ts"

export const ActorKind = Schema.Literals(["HUMAN", "AGENT", "SYSTEM"])
export type ActorKind = typeof ActorKind.Type

/** The one who acts. `SYSTEM` is Keelson itself: expiries, leases, the turn's own progress. */
export const Actor = Schema.Struct({ kind: ActorKind, id: PrincipalId })
export type Actor = typeof Actor.Type

/** W3C Trace Context `traceparent`, version 00 (https://www.w3.org/TR/trace-context/). */
export const Traceparent = Schema.String.check(Schema.isPattern(/^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/u))

/** 1 to 200 visible characters that tie together what belongs together; defaults to the command's id. */
export const CorrelationId = Schema.String.check(Schema.isPattern(/^[\x21-\x7e]{1,200}$/u))

export const Stamp = Schema.Struct({
  /** When the command was accepted at the door, in epoch milliseconds. */
  atMillis: Millis,
  actor: Actor,
  /** The caller's own key; with `actor.id` it names the command. */
  key: CommandKey,
  /** Derived from (actor.id, key). */
  commandId: CommandId,
  correlationId: CorrelationId,
  /** The event that led to this command, if an event did. */
  causationId: Schema.NullOr(EventId),
  traceparent: Schema.NullOr(Traceparent)
})
export type Stamp = typeof Stamp.Type
