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
import { ActionStatus, PrincipalStatus, SessionStatus, ToolName, ToolStatus, TurnStatus } from "./Commands.ts"

export * from "./Commands.ts"

const text = (maximum: number) => Schema.String.check(Schema.isMaxLength(maximum))

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

export const ToolAnswer = Schema.Struct({
  name: ToolName,
  hash: Hash,
  executorId: PrincipalId,
  status: ToolStatus
})
export type ToolAnswer = typeof ToolAnswer.Type

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
  /** A tool can't be declared so. */
  ToolUnusable: { tool: Schema.String, detail: Schema.String },
  /** Too early: the deadline that the command names has not passed, or is not this one. */
  NotDue: {},
  Erased: { sessionId: SessionId }
})
export type Rejection = typeof Rejection.Type

/** What the policy said of exact arguments, prepared for the rules. */
export const Judged = Schema.Struct({
  toolHash: Hash,
  executor: Schema.NullOr(
    Schema.Struct({ principalId: PrincipalId, leaseMillis: Schema.Int, runMillisMax: Schema.Int })
  ),
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
    /** Declares a tool that an agent runs elsewhere; `executorId` is the caller's own unless an operator says another. */
    readonly declareTool: (
      by: Principal,
      key: string,
      input: {
        readonly name: string
        readonly description: string
        readonly inputSchema: Schema.Json
        readonly idempotent?: boolean | undefined
        readonly leaseMillis?: number | undefined
        readonly runMillisMax?: number | undefined
        readonly executorId?: PrincipalId | undefined
      }
    ) => Command<ToolAnswer>
    readonly withdrawTool: (by: Principal, key: string, name: string) => Command<ToolAnswer>
    /** Spends the permit of an action whose tool the caller runs. */
    readonly claim: (by: Principal, key: string, id: ActionId) => Command<ActionAnswer>
    readonly renewLease: (by: Principal, key: string, id: ActionId, claimId: ClaimId) => Command<ActionAnswer>
    readonly reportOutcome: (
      by: Principal,
      key: string,
      id: ActionId,
      input: {
        readonly claimId: ClaimId
        readonly outcome: "Executed" | "Failed"
        readonly code?: string | undefined
        readonly output?: Schema.Json | undefined
      }
    ) => Command<ActionAnswer>
    readonly reconcile: (
      by: Principal,
      key: string,
      id: ActionId,
      input: { readonly outcome: "Executed" | "Failed"; readonly note: string }
    ) => Command<ActionAnswer>
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
