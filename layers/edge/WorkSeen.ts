/**
 * What an agent sees of an event of its work: what `GET /v1/actions/{id}` shows it of the action, and no more.
 *
 * Owns which members those are, event by event. Does not own whether it may see the event at all (`Readable.isWork`).
 *
 * Invariants: a member that nobody thought of is not shown; the roles of whoever proposed, the words of whoever denied,
 * what failed while policies were asked, and how others name and trace their requests stay where they are.
 */
import * as Predicate from "effect/Predicate"
import type { Payloads } from "#src/gateway/Events.ts"
import * as Sealed from "#src/kernel/Sealed.ts"
import type { Event } from "./api/Resources.ts"

type OfActions = Extract<keyof Payloads, `action.${string}` | `confirmation.${string}`>

const seen: { readonly [T in OfActions]: ReadonlyArray<keyof Payloads[T]> } = {
  "action.proposed": [
    "actionId",
    "sessionId",
    "ownerId",
    "agentId",
    "turnId",
    "createdAtMillis",
    "proposer",
    "tool",
    "toolHash",
    "arguments",
    "digest",
    "executor"
  ],
  "action.judged": ["effect", "policies", "setHash", "digest", "why"],
  "action.denied": ["policies"],
  "confirmation.requested": ["confirmationId", "gate", "approvers", "digest", "expiresAtMillis"],
  "confirmation.approved": ["by", "digest", "toolHash", "arguments", "gate", "missing"],
  "confirmation.denied": ["by"],
  "confirmation.expired": ["deadlineMillis"],
  "confirmation.withdrawn": ["by"],
  "action.permitted": ["permitId", "digest", "approvedBy", "expiresAtMillis", "executorId"],
  "action.lapsed": ["permitId", "deadlineMillis"],
  "action.claimed": ["permitId", "claimId", "leaseUntilMillis", "runUntilMillis"],
  "action.lease-renewed": ["claimId", "leaseUntilMillis"],
  "action.executed": ["claimId", "output", "late"],
  "action.failed": ["claimId", "code", "output", "late"],
  "action.unknown": ["claimId", "leaseUntilMillis"],
  "action.reconciled": ["claimId", "by", "outcome", "note"]
}

export const cut = (event: Event): Event => ({
  ...event,
  correlationId: event.commandId,
  traceparent: null,
  payload: payloadOf(event)
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const isOfActions = (type: string): type is OfActions => Object.hasOwn(seen, type)

const payloadOf = ({ payload, type }: Event): Event["payload"] => {
  const names: ReadonlyArray<string> = isOfActions(type) ? seen[type] : []
  return Object.fromEntries(
    Object.entries(payload).flatMap(([name, value]) =>
      names.includes(name) ? [[name, name === "why" ? sentence(value) : value]] : []
    )
  )
}

/** Of what the policies said: the sentence. */
const sentence = (why: Event["payload"][string]): Event["payload"][string] => {
  if (why === null || why === undefined || Sealed.isRedacted(why)) return why
  return Predicate.hasProperty(why, "reason") && typeof why.reason === "string" ? { reason: why.reason } : null
}
