/**
 * What the gateway stores: its event types, their payloads and versions.
 *
 * Every field that holds what a person, a model or a tool said is a `Handle`: stored sealed under the
 * session's data key. Ids, states, times, hashes and tool names that we know are not sealed.
 */
import * as Schema from "effect/Schema"
import { type EventDefinition, registry } from "../kernel/Decider.ts"
import type { Draft } from "../kernel/Envelope.ts"
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
import { Handle } from "../kernel/Sealed.ts"
import { Actor } from "../kernel/Stamp.ts"
import { Effective } from "../ports/PolicyEngine.ts"

const Millis = Schema.Int

/** Which gate stands before the tool: none, one person, or two. */
export const Gate = Schema.Literals(["none", "human", "two-people"])
export type Gate = typeof Gate.Type

/** Whom keys are for. `SYSTEM` has none. */
export const PrincipalKind = Schema.Literals(["HUMAN", "AGENT"])

const payloads = {
  "session.created": Schema.Struct({
    sessionId: SessionId,
    ownerId: PrincipalId,
    agentId: PrincipalId,
    title: Schema.NullOr(Handle),
    createdAtMillis: Millis,
    expiresAtMillis: Millis,
    idleMillis: Millis,
    idleAtMillis: Millis
  }),
  "session.touched": Schema.Struct({ idleAtMillis: Millis }),
  "session.closed": Schema.Struct({ reason: Schema.NullOr(Handle) }),
  "session.expired": Schema.Struct({ cause: Schema.Literals(["absolute", "idle"]), deadlineMillis: Millis }),
  "session.erased": Schema.Struct({ sessionId: SessionId }),

  "turn.started": Schema.Struct({
    turnId: TurnId,
    sessionId: SessionId,
    ownerId: PrincipalId,
    agentId: PrincipalId,
    input: Handle,
    responder: Schema.Struct({ provider: Schema.String, model: Schema.String, deterministic: Schema.Boolean }),
    stepsMax: Schema.Int,
    tokensMax: Schema.Int,
    createdAtMillis: Millis,
    deadlineMillis: Millis
  }),
  "turn.recalled": Schema.Struct({ source: Schema.String, count: Schema.Int, items: Handle }),
  "turn.responded": Schema.Struct({
    step: Schema.Int,
    text: Handle,
    /** Call names are ours (`c<step>.<index>`); what the model called them is inside the sealed part. */
    calls: Schema.Array(Schema.Struct({ callId: Schema.String, said: Handle })),
    inputTokens: Schema.Int,
    outputTokens: Schema.Int
  }),
  "turn.outcome-recorded": Schema.Struct({
    callId: Schema.String,
    actionId: Schema.NullOr(ActionId),
    outcome: Schema.String,
    output: Handle,
    /** The arguments as a person changed them, for the model to know what really ran. */
    editedArguments: Schema.NullOr(Handle)
  }),
  "turn.memories-recorded": Schema.Struct({ source: Schema.String, memoryIds: Schema.Array(Schema.String) }),
  "turn.completed": Schema.Struct({ steps: Schema.Int, tokens: Schema.Int }),
  "turn.failed": Schema.Struct({ code: Schema.String, detail: Handle }),
  "turn.cancelled": Schema.Struct({ reason: Schema.NullOr(Handle) }),

  "tool.declared": Schema.Struct({
    name: Schema.String,
    description: Schema.String,
    inputSchemaText: Schema.String,
    hash: Hash,
    idempotent: Schema.Boolean,
    executorId: PrincipalId,
    leaseMillis: Millis,
    runMillisMax: Millis,
    createdAtMillis: Millis
  }),
  "tool.withdrawn": Schema.Struct({}),
  "tool.restored": Schema.Struct({}),

  "action.proposed": Schema.Struct({
    actionId: ActionId,
    sessionId: SessionId,
    ownerId: PrincipalId,
    agentId: PrincipalId,
    turnId: Schema.NullOr(TurnId),
    callId: Schema.NullOr(Schema.String),
    createdAtMillis: Millis,
    proposer: Actor,
    roles: Schema.Array(Schema.String),
    tool: Schema.String,
    toolHash: Hash,
    arguments: Handle,
    digest: Hash,
    /** Where the tool runs elsewhere: by whom, and for how long. */
    executor: Schema.optionalKey(Schema.Struct({ principalId: PrincipalId, leaseMillis: Millis, runMillisMax: Millis }))
  }),
  "action.judged": Schema.Struct({
    effect: Effective,
    policies: Schema.Array(Schema.String),
    setHash: Hash,
    digest: Hash,
    /** Sentences may quote arguments, so they are sealed too. */
    why: Handle
  }),
  "action.denied": Schema.Struct({ policies: Schema.Array(Schema.String) }),
  "confirmation.requested": Schema.Struct({
    confirmationId: ConfirmationId,
    gate: Gate,
    approvers: Schema.Array(Schema.String),
    digest: Hash,
    expiresAtMillis: Millis
  }),
  /** `arguments` stand here only where the person edited them; `missing` more people must agree. */
  "confirmation.approved": Schema.Struct({
    by: Actor,
    digest: Hash,
    toolHash: Hash,
    arguments: Schema.NullOr(Handle),
    gate: Gate,
    missing: Schema.Int
  }),
  "confirmation.denied": Schema.Struct({ by: Actor, reason: Schema.NullOr(Handle) }),
  "confirmation.expired": Schema.Struct({ deadlineMillis: Millis }),
  "confirmation.withdrawn": Schema.Struct({ by: Actor, reason: Schema.NullOr(Handle) }),
  "action.permitted": Schema.Struct({
    permitId: PermitId,
    digest: Hash,
    approvedBy: Schema.Array(Actor),
    expiresAtMillis: Millis,
    /** Who is to claim it, where that is not this service. */
    executorId: Schema.optionalKey(PrincipalId)
  }),
  "action.lapsed": Schema.Struct({ permitId: PermitId, deadlineMillis: Millis }),
  "action.claimed": Schema.Struct({
    permitId: PermitId,
    claimId: ClaimId,
    incarnation: IncarnationId,
    leaseUntilMillis: Millis,
    /** The end of a remote run, however many signs of life there are. */
    runUntilMillis: Schema.optionalKey(Millis)
  }),
  "action.lease-renewed": Schema.Struct({ claimId: ClaimId, leaseUntilMillis: Millis }),
  "action.executed": Schema.Struct({ claimId: ClaimId, output: Handle, late: Schema.Boolean }),
  "action.failed": Schema.Struct({ claimId: ClaimId, code: Schema.String, output: Handle, late: Schema.Boolean }),
  "action.unknown": Schema.Struct({ claimId: ClaimId, leaseUntilMillis: Millis }),
  /** A person looked at the world and says what became of an unknown outcome. */
  "action.reconciled": Schema.Struct({
    claimId: ClaimId,
    by: Actor,
    outcome: Schema.Literals(["Executed", "Failed"]),
    note: Handle
  }),

  "principal.created": Schema.Struct({
    principalId: PrincipalId,
    kind: PrincipalKind,
    roles: Schema.Array(Schema.String),
    createdAtMillis: Millis
  }),
  /** `digest` is the token's SHA-256: 256 random bits need no salt. */
  "principal.key-issued": Schema.Struct({ keyId: KeyId, digest: Hash, createdAtMillis: Millis }),
  "principal.key-revoked": Schema.Struct({ keyId: KeyId }),
  "principal.roles-changed": Schema.Struct({ roles: Schema.Array(Schema.String) }),
  "principal.disabled": Schema.Struct({}),
  "principal.enabled": Schema.Struct({}),

  "service.halted": Schema.Struct({
    by: Actor,
    sinceMillis: Millis,
    reason: Handle,
    /** Tools that ran were to be stopped too. */
    cancelRunning: Schema.Boolean
  }),
  "service.resumed": Schema.Struct({ by: Actor, reason: Schema.NullOr(Handle) }),

  /** A set of policies took the place of another one; `number` counts the sets from 1. */
  "policy.changed": Schema.Struct({
    hash: Hash,
    previousHash: Schema.NullOr(Hash),
    number: Schema.Int,
    sinceMillis: Millis
  }),

  /** Something that is no permit was offered as one. Executed: nothing. */
  "permit.refused": Schema.Struct({
    reason: Schema.String,
    permitId: Schema.NullOr(PermitId),
    actionId: Schema.NullOr(ActionId)
  })
} as const

export type Payloads = { readonly [T in keyof typeof payloads]: (typeof payloads)[T]["Type"] }

/** An event before it has a place in the journal. */
export type Event<T extends keyof Payloads = keyof Payloads> = { [K in T]: Draft<K, Payloads[K]> }[T]

export const event = <T extends keyof Payloads>(
  type: T,
  payload: Payloads[T],
  rest?: Pick<Draft, "refs" | "supersedes">
): Event<T> => ({ type, payload, ...rest }) as unknown as Event<T>

const definitions: ReadonlyArray<EventDefinition> = Object.entries(payloads).map(([type, payload]) => ({
  type,
  schemaVersion: 1,
  payload,
  upcasters: {}
}))

export const events = registry(definitions)
