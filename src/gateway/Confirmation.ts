/**
 * How people decide what waits: one winner, whoever comes second is told who won.
 *
 * Owns approve (also with edited arguments), deny, withdraw and expiry of a pending action. Does not own what
 * follows an approval (`Action`): claim, execution, outcome.
 *
 * Invariants: only people decide, never an AGENT; where two must agree they differ from each other and from the
 * proposer; edited arguments pass the policy again under their own digest, and start the count of approvals anew; so
 * does what was judged under a set of policies that is no longer in force, without losing its approvals. A second
 * judgement takes away or demands more, never less than the first.
 */
import * as Result from "effect/Result"
import type { Json } from "../kernel/Canonical.ts"
import { PermitId } from "../kernel/Ids.ts"
import * as Sealed from "../kernel/Sealed.ts"
import type { Actor, Stamp } from "../kernel/Stamp.ts"
import type { Live } from "./Action.ts"
import * as Authority from "./Authority.ts"
import { type Event, event, type Gate } from "./Events.ts"
import type { Judged, Rejection } from "./Protocol.ts"

export type ConfirmationEvent = Event<
  | "action.judged"
  | "confirmation.approved"
  | "confirmation.denied"
  | "confirmation.expired"
  | "confirmation.withdrawn"
  | "action.permitted"
>

type Decided = Result.Result<ReadonlyArray<ConfirmationEvent>, Rejection>

const needed: { readonly [G in Gate]: number } = { none: 0, human: 1, "two-people": 2 }

/** How many more people must approve. */
export const missing = (
  action: Pick<Live, "status" | "gate"> & { readonly approvals: ReadonlyArray<unknown> }
): number => (action.status === "Pending" ? needed[action.gate] - action.approvals.length : 0)

/** The state a latecomer meets: a deadline that passed has decided, even before SYSTEM wrote it down. */
export const statusAt = (action: Live, atMillis: number): Live["status"] =>
  action.status === "Pending" && action.deadlineMillis !== null && atMillis >= action.deadlineMillis
    ? "Expired"
    : action.status

/** What the policies say now: of edited arguments always, of those that stand where another set is in force. */
export interface JudgedAgain {
  readonly judged: Judged
  readonly edited: boolean
}

export const approve = (
  action: Live,
  roles: ReadonlyArray<string>,
  again: JudgedAgain | null,
  stamp: Stamp
): Decided => {
  const refused = undecidable(action, roles, stamp)
  if (refused !== null) return Result.fail(refused)
  const decision = again?.judged.decision ?? null
  if (decision?.effect === "Deny") {
    return Result.fail({ _tag: "PolicyDenied", policies: decision.policies, reason: decision.reason })
  }
  const edited = again?.edited === true ? again.judged : null
  const gate = decision === null ? action.gate : stricter(action.gate, gateOf(decision.effect))
  if (gate === "two-people" && same(stamp.actor, action.proposer)) {
    return Result.fail({ _tag: "Forbidden", detail: "two people must agree, and the proposer is not one of them" })
  }
  const before = edited === null ? action.approvals : []
  if (before.some((one) => same(one, stamp.actor))) {
    return Result.fail({ _tag: "Forbidden", detail: "you have approved this; another person must agree too" })
  }
  const approvals = [...before, stamp.actor]
  const left = Math.max(0, needed[gate] - approvals.length)
  const digest = edited?.digest ?? action.digest
  const approved = event("confirmation.approved", {
    by: stamp.actor,
    digest,
    toolHash: edited?.toolHash ?? action.toolHash,
    arguments: edited === null ? null : Sealed.plain(edited.argumentsText),
    gate,
    missing: left
  })
  const judged = decision === null ? [] : [judgement(decision, digest)]
  if (left > 0) return Result.succeed([...judged, approved])
  return Result.succeed([
    ...judged,
    approved,
    permitted(action, digest, approvals, action.deadlineMillis ?? stamp.atMillis)
  ])
}

export const deny = (action: Live, roles: ReadonlyArray<string>, reason: string | null, stamp: Stamp): Decided => {
  const refused = undecidable(action, roles, stamp)
  if (refused !== null) return Result.fail(refused)
  return Result.succeed([
    event("confirmation.denied", { by: stamp.actor, reason: reason === null ? null : Sealed.plain(reason) })
  ])
}

/** By the proposer or the session's owner; by SYSTEM when the session ends. */
export const withdraw = (action: Live, reason: string | null, stamp: Stamp): Decided => {
  const allowed =
    stamp.actor.kind === "SYSTEM" || Authority.may(stamp.actor, [], "confirmation.withdraw", authoritySubject(action))
  if (!allowed) return Result.fail({ _tag: "Forbidden", detail: "only the proposer or the session's owner withdraws" })
  if (statusAt(action, stamp.atMillis) !== "Pending") return Result.fail(conflict(action, stamp))
  return Result.succeed([
    event("confirmation.withdrawn", { by: stamp.actor, reason: reason === null ? null : Sealed.plain(reason) })
  ])
}

/** What the policies said, of which exact arguments. */
export const judgement = (decision: Judged["decision"], digest: Live["digest"]): Event<"action.judged"> =>
  event("action.judged", {
    effect: decision.effect,
    policies: decision.policies,
    setHash: decision.setHash,
    digest,
    why: Sealed.plain({ reason: decision.reason, errors: decision.errors } as Json)
  })

/** One permit for one action, under the action's own 26 characters. */
export const permitted = (
  action: Pick<Live, "actionId" | "executor">,
  digest: Live["digest"],
  approvedBy: ReadonlyArray<Actor>,
  expiresAtMillis: number
): Event<"action.permitted"> =>
  event("action.permitted", {
    permitId: permitIdOf(action.actionId),
    digest,
    approvedBy,
    expiresAtMillis,
    ...(action.executor === null ? {} : { executorId: action.executor.principalId })
  })

export const permitIdOf = (actionId: string): PermitId => PermitId.make(`pmt_${actionId.slice(4)}`)

export const gateOf = (effect: Judged["decision"]["effect"]): Gate =>
  effect === "AskTwo" ? "two-people" : effect === "Ask" ? "human" : "none"

export const conflict = (action: Live, stamp: Stamp): Rejection => ({
  _tag: "Conflict",
  kind: "action",
  id: action.actionId,
  status: statusAt(action, stamp.atMillis)
})

export const authoritySubject = (action: Live): Authority.Subject => ({
  ownerId: action.ownerId,
  agentId: action.agentId,
  proposer: action.proposer,
  approvers: action.approvers,
  executorId: action.executor?.principalId
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const same = (a: Actor, b: Actor): boolean => a.kind === b.kind && a.id === b.id

const stricter = (a: Gate, b: Gate): Gate => (needed[a] >= needed[b] ? a : b)

const undecidable = (action: Live, roles: ReadonlyArray<string>, stamp: Stamp): Rejection | null => {
  if (!Authority.may(stamp.actor, roles, "confirmation.decide", authoritySubject(action))) {
    return { _tag: "Forbidden", detail: "only the session's owner, or a role that the policy names, decides" }
  }
  return statusAt(action, stamp.atMillis) === "Pending" ? null : conflict(action, stamp)
}
