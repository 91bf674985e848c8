/**
 * The commands the gateway takes and the states its things are in. Known elsewhere through `Protocol.ts`.
 */
import * as Schema from "effect/Schema"
import * as Bounds from "../kernel/Bounds.ts"
import { ActionId, ClaimId, Hash, IncarnationId, KeyId, PrincipalId, SessionId, TurnId } from "../kernel/Ids.ts"
import { Proposal } from "../ports/Responder.ts"

const text = (maximum: number) => Schema.String.check(Schema.isMaxLength(maximum))

/** What a person or a model says about why. */
export const Reason = text(Bounds.reasonTextMax)

// --- states --------------------------------------------------------------------------------

export const SessionStatus = Schema.Literals(["Open", "Closed", "Expired", "Erased"])
export type SessionStatus = typeof SessionStatus.Type

export const TurnStatus = Schema.Literals(["Running", "Completed", "Failed", "Cancelled"])
export type TurnStatus = typeof TurnStatus.Type

/**
 * ```
 * Pending -> Approved -> Claimed -> Executed | Failed | Unknown
 *         -> Denied | Expired | Withdrawn
 *            Approved -> Lapsed              Unknown -> Executed | Failed
 * ```
 * An action that its policy lets run starts `Approved`; one that it forbids starts `Denied`.
 */
export const ActionStatus = Schema.Literals([
  "Pending",
  "Approved",
  "Denied",
  "Expired",
  "Withdrawn",
  "Lapsed",
  "Claimed",
  "Executed",
  "Failed",
  "Unknown"
])
export type ActionStatus = typeof ActionStatus.Type

/** States that an action does not leave by itself. `Unknown` may still get its outcome, but nobody may say when. */
export const endedStatuses: ReadonlySet<ActionStatus> = new Set([
  "Denied",
  "Expired",
  "Withdrawn",
  "Lapsed",
  "Executed",
  "Failed",
  "Unknown"
])

/** A confirmation's own states; what comes after `Approved` belongs to the action. */
export const ConfirmationStatus = Schema.Literals(["Pending", "Approved", "Denied", "Expired", "Withdrawn"])
export type ConfirmationStatus = typeof ConfirmationStatus.Type

export const ToolStatus = Schema.Literals(["Declared", "Withdrawn"])
export type ToolStatus = typeof ToolStatus.Type

export const PrincipalStatus = Schema.Literals(["Active", "Disabled"])
export type PrincipalStatus = typeof PrincipalStatus.Type

// --- commands ------------------------------------------------------------------------------

export const SessionCommand = Schema.TaggedUnion({
  CreateSession: {
    sessionId: SessionId,
    ownerId: PrincipalId,
    /** Under whose name the session's responder proposes. */
    agentId: PrincipalId,
    title: Schema.NullOr(text(200)),
    ttlMillis: Schema.Int.check(Schema.isBetween({ minimum: 1_000, maximum: Bounds.sessionTtlMillisMax })),
    idleMillis: Schema.Int.check(Schema.isBetween({ minimum: 1_000, maximum: Bounds.sessionTtlMillisMax })),
    /** Sessions this owner may have open. */
    quota: Schema.Int
  },
  TouchSession: {},
  CloseSession: { reason: Schema.NullOr(Reason) },
  /** By SYSTEM, once the deadline has passed. */
  ExpireSession: { deadlineMillis: Schema.Int },
  /** Forgets every word said in the session, for ever. Closes it first if it is open. */
  EraseSession: {}
})
export type SessionCommand = typeof SessionCommand.Type

export const TurnCommand = Schema.TaggedUnion({
  StartTurn: {
    turnId: TurnId,
    sessionId: SessionId,
    ownerId: PrincipalId,
    agentId: PrincipalId,
    input: text(Bounds.inputTextMax).check(Schema.isMinLength(1)),
    responder: Schema.Struct({ provider: Schema.String, model: Schema.String, deterministic: Schema.Boolean }),
    stepsMax: Schema.Int,
    tokensMax: Schema.Int,
    timeoutMillis: Schema.Int,
    /** Turns that may run in this session. */
    quota: Schema.Int
  },
  RecordRecall: {
    source: Schema.String,
    items: Schema.Array(Schema.Struct({ memoryId: Schema.String, text: Schema.String }))
  },
  RecordResponse: {
    step: Schema.Int,
    text: Schema.String,
    proposals: Schema.Array(Proposal),
    inputTokens: Schema.Int,
    outputTokens: Schema.Int
  },
  RecordOutcome: {
    callId: Schema.String,
    actionId: Schema.NullOr(ActionId),
    outcome: Schema.String,
    output: Schema.Json,
    editedArguments: Schema.NullOr(Schema.Json)
  },
  RecordMemories: { source: Schema.String, memoryIds: Schema.Array(Schema.String) },
  CompleteTurn: {},
  FailTurn: { code: Schema.String, detail: Schema.String },
  CancelTurn: { reason: Schema.NullOr(Reason) }
})
export type TurnCommand = typeof TurnCommand.Type

export const ActionCommand = Schema.TaggedUnion({
  ProposeAction: {
    actionId: ActionId,
    sessionId: SessionId,
    ownerId: PrincipalId,
    agentId: PrincipalId,
    turnId: Schema.NullOr(TurnId),
    callId: Schema.NullOr(Schema.String),
    /** The proposer's roles, as its credential said. */
    roles: Schema.Array(Schema.String),
    tool: text(128),
    arguments: Schema.Json
  },
  Approve: { roles: Schema.Array(Schema.String), editedArguments: Schema.optionalKey(Schema.Json) },
  Deny: { roles: Schema.Array(Schema.String), reason: Schema.NullOr(Reason) },
  Withdraw: { reason: Schema.NullOr(Reason) },
  /** By SYSTEM: a confirmation past its deadline expires, an unclaimed permit past it lapses. */
  ExpireAction: { deadlineMillis: Schema.Int },
  /** By SYSTEM for the executor of one incarnation, or by the agent that runs the tool elsewhere: spends the permit. */
  Claim: { claimId: ClaimId, incarnation: IncarnationId },
  /** By the agent that claimed it: it is still at work. */
  RenewLease: { claimId: ClaimId },
  ReportOutcome: {
    claimId: ClaimId,
    outcome: Schema.Literals(["Executed", "Failed"]),
    code: Schema.NullOr(Schema.String),
    output: Schema.Json
  },
  /** By SYSTEM, once the lease is over. */
  RaiseUnknown: { leaseUntilMillis: Schema.Int },
  /** By a person who looked: what became of an unknown outcome. */
  Reconcile: {
    roles: Schema.Array(Schema.String),
    outcome: Schema.Literals(["Executed", "Failed"]),
    note: Reason.check(Schema.isMinLength(1))
  }
})
export type ActionCommand = typeof ActionCommand.Type

/** A letter, then letters, digits, dots, dashes and underscores; 64 at most. */
export const ToolName = Schema.String.check(Schema.isPattern(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/u))
export const ToolDescription = text(2_000)
const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
export const LeaseMillis = between(Bounds.remoteLeaseMillisMin, Bounds.remoteLeaseMillisMax)
export const RunMillisMax = between(Bounds.remoteLeaseMillisMin, Bounds.remoteRunMillisMax)

export const ToolCommand = Schema.TaggedUnion({
  DeclareTool: {
    name: ToolName,
    description: ToolDescription,
    /** JSON Schema as canonical text. */
    inputSchemaText: text(Bounds.toolSchemaTextMax),
    /** SHA-256 of all that defines it. */
    hash: Hash,
    idempotent: Schema.Boolean,
    executorId: PrincipalId,
    leaseMillis: LeaseMillis,
    runMillisMax: RunMillisMax
  },
  WithdrawTool: {}
})
export type ToolCommand = typeof ToolCommand.Type

/** What may be called a role, in policies and in the table of authority. */
export const Role = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/u))
const Roles = Schema.Array(Role).check(Schema.isMaxLength(Bounds.policyRolesMax))

export const PrincipalCommand = Schema.TaggedUnion({
  CreatePrincipal: {
    principalId: PrincipalId,
    kind: Schema.Literals(["HUMAN", "AGENT"]),
    roles: Roles,
    keyId: KeyId,
    /** SHA-256 of the first token. */
    digest: Hash
  },
  IssueKey: {
    keyId: KeyId,
    digest: Hash,
    /** Revoke all others with it. */
    replace: Schema.Boolean
  },
  RevokeKey: { keyId: KeyId },
  ChangeRoles: { roles: Roles },
  /** No key of it is valid until it is enabled again. */
  DisablePrincipal: {},
  EnablePrincipal: {}
})
export type PrincipalCommand = typeof PrincipalCommand.Type

export const HaltCommand = Schema.TaggedUnion({
  Halt: {
    reason: Reason.check(Schema.isMinLength(1)),
    /** Stop the tools that run, too. */
    cancelRunning: Schema.Boolean
  },
  Resume: { reason: Schema.NullOr(Reason) }
})
export type HaltCommand = typeof HaltCommand.Type
