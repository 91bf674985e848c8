/**
 * An action: a tool with exact arguments, from proposal to outcome.
 *
 * ```
 * proposed + judged -> Denied                                      (policy forbids)
 *                   -> Approved (permitted)                        (policy lets it run)
 *                   -> Pending -> Approved | Denied | Expired | Withdrawn   (people decide: `Confirmation`)
 * Approved -> Claimed -> Executed | Failed | Unknown -> Executed | Failed
 *          -> Lapsed                                               (never claimed in time)
 * ```
 *
 * Owns the claim (which spends the permit) and the outcome. Nothing here runs a tool.
 *
 * Invariants: one claim per action, ever; a claim needs an open session and no halt (guards judged with the
 * commit); only SYSTEM raises `Unknown`, after the lease; an outcome carries the claim's id.
 */
import * as Result from "effect/Result"
import type { Decider } from "../kernel/Decider.ts"
import type { Recorded } from "../kernel/Envelope.ts"
import {
  type ActionId,
  type ClaimId,
  ConfirmationId,
  type Hash,
  type IncarnationId,
  type PermitId,
  type PrincipalId,
  type SessionId,
  type TurnId
} from "../kernel/Ids.ts"
import type { Json } from "../kernel/Canonical.ts"
import * as Sealed from "../kernel/Sealed.ts"
import type { Actor, Stamp } from "../kernel/Stamp.ts"
import type { RemoteExecutor } from "../ports/ToolExecutor.ts"
import * as Authority from "./Authority.ts"
import * as Confirmation from "./Confirmation.ts"
import { type Event, event, type Gate } from "./Events.ts"
import type { ActionAnswer, ActionCommand, ActionStatus, Judged, Rejection } from "./Protocol.ts"

export interface Live {
  readonly actionId: ActionId
  readonly sessionId: SessionId
  readonly ownerId: PrincipalId
  readonly agentId: PrincipalId
  readonly turnId: TurnId | null
  readonly callId: string | null
  readonly proposer: Actor
  readonly roles: ReadonlyArray<string>
  readonly tool: string
  readonly toolHash: Hash
  readonly arguments: Sealed.Handle
  readonly digest: Hash
  readonly createdAtMillis: number
  readonly status: ActionStatus
  readonly policies: ReadonlyArray<string>
  readonly setHash: Hash | null
  /** What the policies said of the arguments as they stand: a sentence, and what failed while they were asked. */
  readonly why: Sealed.Handle | null
  readonly gate: Gate
  readonly approvers: ReadonlyArray<string>
  readonly confirmationId: ConfirmationId | null
  /** Approvals of the arguments as they stand. */
  readonly approvals: ReadonlyArray<Actor>
  /** Who decided last: approved, denied or withdrew. */
  readonly decidedBy: Actor | null
  readonly edited: boolean
  /** When the state changes by itself: a confirmation or permit expires, a lease ends. Null where it never does. */
  readonly deadlineMillis: number | null
  readonly permitId: PermitId | null
  readonly claimId: ClaimId | null
  readonly incarnation: IncarnationId | null
  readonly code: string | null
  readonly output: Sealed.Handle | null
  /** Who runs the tool elsewhere; null where this service does. */
  readonly executor: RemoteExecutor | null
  /** The end of a remote run, once it is claimed. */
  readonly runUntilMillis: number | null
}

export type State = Live | null

/** A command with what the rules need to know: the policy's word on exact arguments, and the configured times. */
export interface Prepared {
  readonly command: ActionCommand
  readonly judged: Judged | null
  readonly confirmationTtlMillis: number
  readonly claimLeaseMillis: number
}

export type ActionEvent =
  | Event<
      | "action.proposed"
      | "action.judged"
      | "action.denied"
      | "confirmation.requested"
      | "action.lapsed"
      | "action.claimed"
      | "action.lease-renewed"
      | "action.executed"
      | "action.failed"
      | "action.unknown"
      | "action.reconciled"
    >
  | Confirmation.ConfirmationEvent

type Decided = Result.Result<ReadonlyArray<ActionEvent>, Rejection>

export const initial: State = null

export const decide = (state: State, prepared: Prepared, stamp: Stamp): Decided => {
  const command = prepared.command
  if (command._tag === "ProposeAction") return propose(state, command, prepared, stamp)
  if (state === null) return Result.fail({ _tag: "NotFound", kind: "action", id: "" })
  switch (command._tag) {
    case "Approve":
      return Confirmation.approve(state, command.roles, judgedAgain(command, prepared), stamp)
    case "Deny":
      return Confirmation.deny(state, command.roles, command.reason, stamp)
    case "Withdraw":
      return Confirmation.withdraw(state, command.reason, stamp)
    case "Reconcile":
      return reconcile(state, command, stamp)
    case "Claim":
    case "ReportOutcome":
    case "RenewLease":
      return byExecutor(state, command, prepared, stamp)
    case "ExpireAction":
    case "RaiseUnknown":
      if (stamp.actor.kind !== "SYSTEM") return Result.fail({ _tag: "Forbidden", detail: "only SYSTEM says this" })
      return command._tag === "ExpireAction"
        ? expire(state, command.deadlineMillis, stamp)
        : raiseUnknown(state, command.leaseUntilMillis, stamp)
  }
}

export const evolve = (state: State, recorded: Recorded): State => {
  const happened = recorded as ActionEvent
  if (happened.type === "action.proposed") return proposed(happened.payload)
  if (state === null) return state
  switch (happened.type) {
    case "action.judged":
      return {
        ...state,
        policies: happened.payload.policies,
        setHash: happened.payload.setHash,
        why: happened.payload.why
      }
    case "action.denied":
      return { ...state, status: "Denied", deadlineMillis: null }
    case "confirmation.requested": {
      const { confirmationId, gate, approvers, expiresAtMillis } = happened.payload
      return { ...state, status: "Pending", confirmationId, gate, approvers, deadlineMillis: expiresAtMillis }
    }
    case "confirmation.approved":
      return approvedBy(state, happened.payload)
    case "confirmation.denied":
      return { ...state, status: "Denied", decidedBy: happened.payload.by, deadlineMillis: null }
    case "confirmation.expired":
      return { ...state, status: "Expired", deadlineMillis: null }
    case "confirmation.withdrawn":
      return { ...state, status: "Withdrawn", decidedBy: happened.payload.by, deadlineMillis: null }
    case "action.permitted": {
      const { permitId, expiresAtMillis } = happened.payload
      return { ...state, status: "Approved", permitId, deadlineMillis: expiresAtMillis }
    }
    case "action.lapsed":
      return { ...state, status: "Lapsed", deadlineMillis: null }
    case "action.claimed": {
      const { claimId, incarnation, leaseUntilMillis, runUntilMillis = null } = happened.payload
      return { ...state, status: "Claimed", claimId, incarnation, deadlineMillis: leaseUntilMillis, runUntilMillis }
    }
    case "action.lease-renewed":
      return { ...state, deadlineMillis: happened.payload.leaseUntilMillis }
    case "action.executed":
      return { ...state, status: "Executed", output: happened.payload.output, deadlineMillis: null }
    case "action.failed": {
      const { code, output } = happened.payload
      return { ...state, status: "Failed", code, output, deadlineMillis: null }
    }
    case "action.unknown":
      return { ...state, status: "Unknown", deadlineMillis: null }
    case "action.reconciled": {
      const { by, note, outcome } = happened.payload
      return {
        ...state,
        status: outcome,
        decidedBy: by,
        output: note,
        code: outcome === "Failed" ? "Reconciled" : null
      }
    }
  }
}

export const decider: Decider<State, Prepared, ActionEvent, Rejection> = { initial, decide, evolve }

export const answer = (action: Live): ActionAnswer => ({
  actionId: action.actionId,
  sessionId: action.sessionId,
  turnId: action.turnId,
  tool: action.tool,
  status: action.status,
  confirmationId: action.confirmationId,
  permitId: action.permitId,
  claimId: action.claimId,
  approvalsMissing: Confirmation.missing(action),
  policies: action.policies,
  setHash: action.setHash,
  deadlineMillis: action.deadlineMillis
})

export const permitIdOf = Confirmation.permitIdOf

export const confirmationIdOf = (actionId: string): ConfirmationId => ConfirmationId.make(`cfm_${actionId.slice(4)}`)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

type Propose = Extract<ActionCommand, { _tag: "ProposeAction" }>
type ByExecutor = Extract<ActionCommand, { _tag: "Claim" | "ReportOutcome" | "RenewLease" }>

const propose = (state: State, command: Propose, prepared: Prepared, stamp: Stamp): Decided => {
  if (state !== null) return Result.fail(Confirmation.conflict(state, stamp))
  const judged = prepared.judged
  if (judged === null) return Result.fail({ _tag: "UnknownTool", tool: command.tool })
  const { actionId, sessionId, ownerId, agentId, turnId, callId, roles, tool } = command
  const { decision, digest, toolHash } = judged
  const refs = [{ kind: "session", id: sessionId }, ...(turnId === null ? [] : [{ kind: "turn", id: turnId }])]
  const expiresAtMillis = stamp.atMillis + prepared.confirmationTtlMillis
  const said = Sealed.plain(judged.argumentsText)
  const { executor } = judged
  const remote = executor === null ? {} : { executor }
  const facts = { actionId, sessionId, ownerId, agentId, turnId, callId, roles, tool, toolHash, digest, ...remote }
  const happened: ReadonlyArray<ActionEvent> = [
    event(
      "action.proposed",
      { ...facts, createdAtMillis: stamp.atMillis, proposer: stamp.actor, arguments: said },
      { refs }
    ),
    Confirmation.judgement(decision, digest)
  ]
  switch (decision.effect) {
    case "Deny":
      return Result.succeed([...happened, event("action.denied", { policies: decision.policies })])
    case "Run":
      return Result.succeed([...happened, Confirmation.permitted({ actionId, executor }, digest, [], expiresAtMillis)])
    case "Ask":
    case "AskTwo":
      return Result.succeed([
        ...happened,
        event("confirmation.requested", {
          confirmationId: confirmationIdOf(actionId),
          gate: Confirmation.gateOf(decision.effect),
          approvers: decision.approvers,
          digest,
          expiresAtMillis
        })
      ])
  }
}

const judgedAgain = (command: Extract<ActionCommand, { _tag: "Approve" }>, { judged }: Prepared) =>
  judged === null ? null : { judged, edited: command.editedArguments !== undefined }

/** What this service runs, SYSTEM claims and reports; what an agent runs elsewhere, that agent does. */
const byExecutor = (state: Live, command: ByExecutor, prepared: Prepared, stamp: Stamp): Decided => {
  const { executor } = state
  const own = executor === null ? stamp.actor.kind === "SYSTEM" : isRemote(executor, stamp.actor)
  if (!own) return Result.fail({ _tag: "Forbidden", detail: "only what runs the tool claims and reports" })
  switch (command._tag) {
    case "Claim":
      return claim(state, command, prepared, stamp)
    case "ReportOutcome":
      return report(state, command, stamp)
    case "RenewLease":
      return renew(state, command, stamp)
  }
}

const isRemote = (executor: RemoteExecutor, actor: Actor): boolean =>
  actor.kind === "AGENT" && actor.id === executor.principalId

const raiseUnknown = (state: Live, leaseUntilMillis: number, stamp: Stamp): Decided => {
  if (state.status !== "Claimed" || state.claimId === null) return Result.fail(Confirmation.conflict(state, stamp))
  if (state.deadlineMillis !== leaseUntilMillis || stamp.atMillis < leaseUntilMillis) {
    return Result.fail({ _tag: "NotDue" })
  }
  return Result.succeed([event("action.unknown", { claimId: state.claimId, leaseUntilMillis })])
}

const expire = (state: Live, deadlineMillis: number, stamp: Stamp): Decided => {
  if (state.status !== "Pending" && state.status !== "Approved") return Result.fail(Confirmation.conflict(state, stamp))
  if (state.deadlineMillis !== deadlineMillis || stamp.atMillis < deadlineMillis) return Result.fail({ _tag: "NotDue" })
  return Result.succeed([
    state.status === "Pending"
      ? event("confirmation.expired", { deadlineMillis })
      : event("action.lapsed", { permitId: Confirmation.permitIdOf(state.actionId), deadlineMillis })
  ])
}

const claim = (
  state: Live,
  command: Extract<ActionCommand, { _tag: "Claim" }>,
  prepared: Prepared,
  stamp: Stamp
): Decided => {
  if (state.status !== "Approved" || state.permitId === null) return Result.fail(Confirmation.conflict(state, stamp))
  if (state.deadlineMillis !== null && stamp.atMillis >= state.deadlineMillis) {
    return Result.fail({ _tag: "Conflict", kind: "action", id: state.actionId, status: "Lapsed" })
  }
  const claimed = { permitId: state.permitId, claimId: command.claimId, incarnation: command.incarnation }
  if (state.executor !== null) {
    const { leaseMillis, runMillisMax } = state.executor
    const runUntilMillis = stamp.atMillis + runMillisMax
    const leaseUntilMillis = Math.min(stamp.atMillis + leaseMillis, runUntilMillis)
    return Result.succeed([event("action.claimed", { ...claimed, leaseUntilMillis, runUntilMillis })])
  }
  // What was allowed covers its execution too: a lease here never outlives the permit.
  const leaseMillis = stamp.atMillis + prepared.claimLeaseMillis
  const leaseUntilMillis = Math.min(leaseMillis, state.deadlineMillis ?? leaseMillis)
  return Result.succeed([event("action.claimed", { ...claimed, leaseUntilMillis })])
}

/** A sign of life that gains less than a third of a lease is heard and not written down. */
const renew = (state: Live, command: Extract<ActionCommand, { _tag: "RenewLease" }>, stamp: Stamp): Decided => {
  if (state.status !== "Claimed" || state.claimId !== command.claimId || state.executor === null) {
    return Result.fail(Confirmation.conflict(state, stamp))
  }
  const now = state.deadlineMillis ?? stamp.atMillis
  if (stamp.atMillis >= now) return Result.fail({ ...Confirmation.conflict(state, stamp), status: "Unknown" })
  const { leaseMillis } = state.executor
  const leaseUntilMillis = Math.min(stamp.atMillis + leaseMillis, state.runUntilMillis ?? now)
  return Result.succeed(
    leaseUntilMillis - now < leaseMillis / 3
      ? []
      : [event("action.lease-renewed", { claimId: command.claimId, leaseUntilMillis })]
  )
}

const reconcile = (state: Live, command: Extract<ActionCommand, { _tag: "Reconcile" }>, stamp: Stamp): Decided => {
  if (!Authority.may(stamp.actor, command.roles, "action.reconcile", Confirmation.authoritySubject(state))) {
    return Result.fail({ _tag: "Forbidden", detail: "only the session's owner, or a role that the policy names" })
  }
  if (state.status !== "Unknown" || state.claimId === null) return Result.fail(Confirmation.conflict(state, stamp))
  const { claimId } = state
  const { note, outcome } = command
  return Result.succeed([event("action.reconciled", { claimId, by: stamp.actor, outcome, note: Sealed.plain(note) })])
}

const report = (state: Live, command: Extract<ActionCommand, { _tag: "ReportOutcome" }>, stamp: Stamp): Decided => {
  const waiting = state.status === "Claimed" || state.status === "Unknown"
  if (!waiting || state.claimId !== command.claimId) return Result.fail(Confirmation.conflict(state, stamp))
  const output = Sealed.plain(command.output as Json)
  const late = state.status === "Unknown"
  const { claimId } = command
  return Result.succeed([
    command.outcome === "Executed"
      ? event("action.executed", { claimId, output, late })
      : event("action.failed", { claimId, code: command.code ?? "Failed", output, late })
  ])
}

const proposed = (payload: Event<"action.proposed">["payload"]): Live => ({
  ...payload,
  executor: payload.executor ?? null,
  runUntilMillis: null,
  status: "Pending",
  policies: [],
  setHash: null,
  why: null,
  gate: "none",
  approvers: [],
  confirmationId: null,
  approvals: [],
  decidedBy: null,
  edited: false,
  deadlineMillis: null,
  permitId: null,
  claimId: null,
  incarnation: null,
  code: null,
  output: null
})

/** An edit replaces arguments and digest, and the approvals of what stood there before. */
const approvedBy = (state: Live, payload: Event<"confirmation.approved">["payload"]): Live => {
  const kept = payload.arguments === null ? state.approvals : []
  return {
    ...state,
    arguments: payload.arguments ?? state.arguments,
    digest: payload.digest,
    toolHash: payload.toolHash,
    gate: payload.gate,
    approvals: [...kept, payload.by],
    decidedBy: payload.by,
    edited: state.edited || payload.arguments !== null
  }
}
