/**
 * A principal: a person or an agent who may stand at the door, with roles and keys.
 *
 * ```
 * (none) -> Active <-> Disabled          keys: issued -> revoked; none is valid while Disabled
 * ```
 *
 * Owns who there is, which keys stand for whom, and the rows that a door looks keys up in. Does not own tokens:
 * rules see their SHA-256 alone. Does not own who may do this (`Authority`), nor the owner of a laptop's service,
 * whose token is a file.
 *
 * Invariants: an id is one principal for ever, of one kind; no agent holds the role `owner`; a revoked key never
 * comes back.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Append from "../kernel/Append.ts"
import type { Behaviour } from "../kernel/Behaviour.ts"
import * as Bounds from "../kernel/Bounds.ts"
import type { Decider } from "../kernel/Decider.ts"
import type { Recorded } from "../kernel/Envelope.ts"
import { type Hash, type KeyId, type PrincipalId, SubjectId } from "../kernel/Ids.ts"
import type { Stamp } from "../kernel/Stamp.ts"
import { type Event, event, events } from "./Events.ts"
import type { PrincipalAnswer, PrincipalCommand, PrincipalStatus, Rejection } from "./Protocol.ts"
import * as Rows from "./Rows.ts"

export interface Key {
  readonly keyId: KeyId
  readonly digest: Hash
  readonly createdAtMillis: number
}

export interface Live {
  readonly principalId: PrincipalId
  readonly kind: "HUMAN" | "AGENT"
  readonly roles: ReadonlyArray<string>
  readonly status: PrincipalStatus
  readonly createdAtMillis: number
  /** Those that were not revoked, oldest first. */
  readonly keys: ReadonlyArray<Key>
  /** The key that was issued last; null where the last thing said was another one. */
  readonly issued: KeyId | null
}

export type State = Live | null

type PrincipalEvent = Event<
  | "principal.created"
  | "principal.key-issued"
  | "principal.key-revoked"
  | "principal.roles-changed"
  | "principal.disabled"
  | "principal.enabled"
>

type Decided = Result.Result<ReadonlyArray<PrincipalEvent>, Rejection>

export const initial: State = null

/** Who runs the service by a token in a file, and Keelson itself. */
const reserved: ReadonlySet<string> = new Set(["owner", "system"])

export const decide = (state: State, command: PrincipalCommand, stamp: Stamp): Decided => {
  if (command._tag === "CreatePrincipal") return create(state, command, stamp)
  if (state === null) return Result.fail({ _tag: "NotFound", kind: "principal", id: "" })
  switch (command._tag) {
    case "IssueKey":
      return issue(state, command, stamp)
    case "RevokeKey":
      return state.keys.some(({ keyId }) => keyId === command.keyId)
        ? Result.succeed([event("principal.key-revoked", { keyId: command.keyId })])
        : Result.fail({ _tag: "NotFound", kind: "key", id: command.keyId })
    case "ChangeRoles": {
      const refusal = unfit(state.kind, command.roles)
      return refusal === null
        ? Result.succeed([event("principal.roles-changed", { roles: sorted(command.roles) })])
        : Result.fail(refusal)
    }
    case "DisablePrincipal":
      return state.status === "Active" ? Result.succeed([event("principal.disabled", {})]) : conflict(state)
    case "EnablePrincipal":
      return state.status === "Disabled" ? Result.succeed([event("principal.enabled", {})]) : conflict(state)
  }
}

export const evolve = (state: State, recorded: Recorded): State => {
  const happened = recorded as PrincipalEvent
  if (happened.type === "principal.created") {
    const { principalId, kind, roles, createdAtMillis } = happened.payload
    return { principalId, kind, roles, status: "Active", createdAtMillis, keys: [], issued: null }
  }
  if (state === null) return state
  switch (happened.type) {
    case "principal.key-issued": {
      const { createdAtMillis, digest, keyId } = happened.payload
      return { ...state, keys: [...state.keys, { keyId, digest, createdAtMillis }], issued: keyId }
    }
    case "principal.key-revoked":
      return { ...state, keys: state.keys.filter(({ keyId }) => keyId !== happened.payload.keyId), issued: null }
    case "principal.roles-changed":
      return { ...state, roles: happened.payload.roles, issued: null }
    case "principal.disabled":
      return { ...state, status: "Disabled", issued: null }
    case "principal.enabled":
      return { ...state, status: "Active", issued: null }
  }
}

export const decider: Decider<State, PrincipalCommand, PrincipalEvent, Rejection> = { initial, decide, evolve }

export const subjectOf = (principalId: PrincipalId): SubjectId => SubjectId.make(`principal:${principalId}`)

export const behaviour: Behaviour<State, PrincipalCommand, PrincipalCommand, PrincipalEvent, Rejection> = {
  kind: "principal",
  events,
  decider,
  subject: (state, command) =>
    state !== null
      ? subjectOf(state.principalId)
      : command._tag === "CreatePrincipal"
        ? subjectOf(command.principalId)
        : null,
  begins: () => false,
  createsSubject: (command) => command._tag === "CreatePrincipal",
  passing: () => false,
  // Taken however full the stream is: a key must always be revocable.
  ends: (command) => command._tag === "RevokeKey" || command._tag === "DisablePrincipal",
  survivesErasure: () => false,
  prepare: (_state, command) => Effect.succeed(Result.succeed(command)),
  rows: (before, _event, after) => (after === null ? [] : Rows.principal(before, after)),
  guards: (before) => (before === null ? [Append.atMost(Rows.principals, Bounds.principalsMax)] : []),
  shreds: () => [],
  answer: (after) => (after === null ? null : { ...answer(after) }),
  refusal: () => ({ _tag: "LimitReached", limit: "principals", maximum: Bounds.principalsMax })
}

export const answer = (principal: Live): PrincipalAnswer => ({
  principalId: principal.principalId,
  kind: principal.kind,
  roles: principal.roles,
  status: principal.status,
  createdAtMillis: principal.createdAtMillis,
  keys: principal.keys.map(({ createdAtMillis, keyId }) => ({ keyId, createdAtMillis })),
  issued: principal.issued
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

type Of<T extends PrincipalCommand["_tag"]> = Extract<PrincipalCommand, { _tag: T }>

const sorted = (roles: ReadonlyArray<string>): ReadonlyArray<string> => [...new Set(roles)].toSorted()

const conflict = ({ principalId, status }: Live): Decided =>
  Result.fail({ _tag: "Conflict", kind: "principal", id: principalId, status })

/** Whoever holds the role `owner` runs the service: a person. */
const unfit = (kind: Live["kind"], roles: ReadonlyArray<string>): Rejection | null =>
  kind === "AGENT" && roles.includes("owner")
    ? { _tag: "Forbidden", detail: "no agent holds the role owner: it is a person who runs the service" }
    : null

const create = (state: State, command: Of<"CreatePrincipal">, stamp: Stamp): Decided => {
  const { digest, keyId, kind, principalId } = command
  if (state !== null) return conflict(state)
  if (reserved.has(principalId)) {
    return Result.fail({ _tag: "Conflict", kind: "principal", id: principalId, status: "Reserved" })
  }
  const refusal = unfit(kind, command.roles)
  if (refusal !== null) return Result.fail(refusal)
  const createdAtMillis = stamp.atMillis
  return Result.succeed([
    event("principal.created", { principalId, kind, roles: sorted(command.roles), createdAtMillis }),
    event("principal.key-issued", { keyId, digest, createdAtMillis })
  ])
}

/** `replace` revokes every other key with the same commit: no moment has neither, none has both. */
const issue = (state: Live, command: Of<"IssueKey">, stamp: Stamp): Decided => {
  const { digest, keyId, replace } = command
  if (state.status !== "Active") return conflict(state)
  // A repeat whose receipt was forgotten: the token went out with the first answer, and no key has two.
  if (state.keys.some((key) => key.keyId === keyId)) return conflict(state)
  if (!replace && state.keys.length >= Bounds.keysPerPrincipalMax) {
    return Result.fail({ _tag: "LimitReached", limit: "keysPerPrincipal", maximum: Bounds.keysPerPrincipalMax })
  }
  return Result.succeed([
    ...(replace ? state.keys.map((key) => event("principal.key-revoked", { keyId: key.keyId })) : []),
    event("principal.key-issued", { keyId, digest, createdAtMillis: stamp.atMillis })
  ])
}
