/**
 * The gateway's door: the commands it takes, the answers it gives, and why it refuses.
 *
 * Other rooms and every edge know the gateway by this file alone.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Bounds from "../kernel/Bounds.ts"
import {
  ActionId,
  ClaimId,
  ConfirmationId,
  Hash,
  IncarnationId,
  KeyId,
  PermitId,
  PrincipalId,
  SessionId,
  TurnId
} from "../kernel/Ids.ts"
import { Actor } from "../kernel/Stamp.ts"
import type { ActorError } from "../ports/Actors.ts"
import type { Principal } from "../ports/Identity.ts"
import { PolicyDecision } from "../ports/PolicyEngine.ts"
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
    timeoutMillis: Schema.Int
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
  /** By SYSTEM, for the executor of one incarnation: spends the permit. */
  Claim: { claimId: ClaimId, incarnation: IncarnationId },
  ReportOutcome: {
    claimId: ClaimId,
    outcome: Schema.Literals(["Executed", "Failed"]),
    code: Schema.NullOr(Schema.String),
    output: Schema.Json
  },
  /** By SYSTEM, once the lease is over. */
  RaiseUnknown: { leaseUntilMillis: Schema.Int }
})
export type ActionCommand = typeof ActionCommand.Type

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

// --- answers -------------------------------------------------------------------------------

export const SessionAnswer = Schema.Struct({
  sessionId: SessionId,
  ownerId: PrincipalId,
  agentId: PrincipalId,
  status: SessionStatus,
  createdAtMillis: Schema.Int,
  expiresAtMillis: Schema.Int,
  idleAtMillis: Schema.Int
})
export type SessionAnswer = typeof SessionAnswer.Type

export const TurnAnswer = Schema.Struct({
  turnId: TurnId,
  sessionId: SessionId,
  status: TurnStatus,
  step: Schema.Int
})
export type TurnAnswer = typeof TurnAnswer.Type

export const ActionAnswer = Schema.Struct({
  actionId: ActionId,
  sessionId: SessionId,
  turnId: Schema.NullOr(TurnId),
  tool: Schema.String,
  status: ActionStatus,
  confirmationId: Schema.NullOr(ConfirmationId),
  permitId: Schema.NullOr(PermitId),
  claimId: Schema.NullOr(ClaimId),
  /** How many more people must approve. */
  approvalsMissing: Schema.Int,
  policies: Schema.Array(Schema.String),
  setHash: Schema.NullOr(Hash),
  deadlineMillis: Schema.NullOr(Schema.Int)
})
export type ActionAnswer = typeof ActionAnswer.Type

export const PrincipalAnswer = Schema.Struct({
  principalId: PrincipalId,
  kind: Schema.Literals(["HUMAN", "AGENT"]),
  roles: Schema.Array(Schema.String),
  status: PrincipalStatus,
  createdAtMillis: Schema.Int,
  keys: Schema.Array(Schema.Struct({ keyId: KeyId, createdAtMillis: Schema.Int })),
  /** The key that this command made, where it made one. */
  issued: Schema.NullOr(KeyId)
})
export type PrincipalAnswer = typeof PrincipalAnswer.Type

export const HaltAnswer = Schema.Struct({
  halted: Schema.Boolean,
  by: Schema.NullOr(Actor),
  /** When the first halt began that still stands. */
  sinceMillis: Schema.NullOr(Schema.Int),
  cancelRunning: Schema.Boolean
})
export type HaltAnswer = typeof HaltAnswer.Type

// --- refusals ------------------------------------------------------------------------------

/** Why a command was refused. Values, not errors: a refusal by a rule is recorded like an answer, one by a guard is not. */
export const Rejection = Schema.TaggedUnion({
  /** There is no such thing, or the caller may not know of it. */
  NotFound: { kind: Schema.String, id: Schema.String },
  /** Somebody or something else was first; `status` is the state that won. */
  Conflict: { kind: Schema.String, id: Schema.String, status: Schema.String },
  SessionNotOpen: { sessionId: SessionId },
  Forbidden: { detail: Schema.String },
  /** A limit is reached; waiting or finishing something helps. */
  LimitReached: { limit: Schema.String, maximum: Schema.Int },
  /** A person stopped everything. */
  Halted: {},
  PolicyDenied: { policies: Schema.Array(Schema.String), reason: Schema.String },
  UnknownTool: { tool: Schema.String },
  ArgumentsInvalid: { tool: Schema.String, detail: Schema.String },
  /** Too early: the deadline that the command names has not passed, or is not this one. */
  NotDue: {},
  Erased: { sessionId: SessionId }
})
export type Rejection = typeof Rejection.Type

/** What the policy said of exact arguments, prepared for the rules. */
export const Judged = Schema.Struct({
  toolHash: Hash,
  argumentsText: text(Bounds.argumentsTextMax),
  /** HMAC under the session's key of `kernel/Permit.digestInput`. */
  digest: Hash,
  decision: PolicyDecision
})
export type Judged = typeof Judged.Type

/** The caller was refused. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", {
  rejection: Rejection,
  repeated: Schema.Boolean,
  retryable: Schema.Boolean
}) {
  override get message() {
    return this.rejection._tag
  }
}

export interface Answered<A> {
  readonly body: A
  readonly repeated: boolean
}

type Command<A> = Effect.Effect<Answered<A>, Refused | ActorError>

/** A key that was just made: the token is told here and never again. */
export interface Issued extends Answered<PrincipalAnswer> {
  /** Null where the command is a repetition: the token went out with the first answer, or was lost with it. */
  readonly token: Redacted.Redacted<string> | null
}

/** What an edge calls: authority checked, ids derived, stamped, sent, answered. `key` is the caller's idempotency key. */
export class Gateway extends Context.Service<
  Gateway,
  {
    readonly createSession: (
      by: Principal,
      key: string,
      input: {
        readonly title?: string | undefined
        readonly agentId?: string | undefined
        readonly ttlMillis?: number | undefined
        readonly idleMillis?: number | undefined
      }
    ) => Command<SessionAnswer>
    readonly touchSession: (by: Principal, key: string, id: SessionId) => Command<SessionAnswer>
    readonly closeSession: (by: Principal, key: string, id: SessionId, reason: string | null) => Command<SessionAnswer>
    readonly eraseSession: (by: Principal, key: string, id: SessionId) => Command<SessionAnswer>
    readonly startTurn: (by: Principal, key: string, id: SessionId, input: string) => Command<TurnAnswer>
    readonly cancelTurn: (by: Principal, key: string, id: TurnId, reason: string | null) => Command<TurnAnswer>
    readonly propose: (
      by: Principal,
      key: string,
      input: { readonly sessionId: SessionId; readonly tool: string; readonly arguments: Schema.Json }
    ) => Command<ActionAnswer>
    readonly approve: (by: Principal, key: string, id: ActionId, editedArguments?: Schema.Json) => Command<ActionAnswer>
    readonly deny: (by: Principal, key: string, id: ActionId, reason: string | null) => Command<ActionAnswer>
    readonly withdraw: (by: Principal, key: string, id: ActionId, reason: string | null) => Command<ActionAnswer>
    readonly createPrincipal: (
      by: Principal,
      key: string,
      input: {
        readonly principalId: PrincipalId
        readonly kind: "HUMAN" | "AGENT"
        readonly roles?: ReadonlyArray<string> | undefined
      }
    ) => Effect.Effect<Issued, Refused | ActorError>
    readonly issueKey: (
      by: Principal,
      key: string,
      id: PrincipalId,
      replace: boolean
    ) => Effect.Effect<Issued, Refused | ActorError>
    /** Once it is answered, the key opens nothing, and what it had opened is closed. */
    readonly revokeKey: (by: Principal, key: string, id: PrincipalId, keyId: KeyId) => Command<PrincipalAnswer>
    readonly changeRoles: (
      by: Principal,
      key: string,
      id: PrincipalId,
      roles: ReadonlyArray<string>
    ) => Command<PrincipalAnswer>
    readonly disablePrincipal: (by: Principal, key: string, id: PrincipalId) => Command<PrincipalAnswer>
    readonly enablePrincipal: (by: Principal, key: string, id: PrincipalId) => Command<PrincipalAnswer>
    /** Once it is answered, no tool of this process starts until somebody resumes. */
    readonly halt: (
      by: Principal,
      key: string,
      input: { readonly reason: string; readonly cancelRunning?: boolean | undefined }
    ) => Command<HaltAnswer>
    readonly resume: (by: Principal, key: string, reason: string | null) => Command<HaltAnswer>
  }
>()("keelson/gateway/Gateway") {}
