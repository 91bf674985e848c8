/**
 * Which set of policies decides, as the journal knows it: one event for each set that takes another's place.
 *
 * Owns the one stream `policy:current`. Does not own the policies nor when they change (`ports/PolicyEngine`); each
 * judgement names the hash of its set by itself.
 *
 * Invariants: only SYSTEM says it; the same set twice in a row is one event, however many processes say it; the
 * stream has room for `Bounds.streamEventsTotalMax` sets.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Append from "../kernel/Append.ts"
import type { Behaviour } from "../kernel/Behaviour.ts"
import type { Decider } from "../kernel/Decider.ts"
import type { Recorded } from "../kernel/Envelope.ts"
import type { Hash } from "../kernel/Ids.ts"
import type { Stamp } from "../kernel/Stamp.ts"
import { type Event, event, events, type Payloads } from "./Events.ts"
import type { Rejection } from "./Protocol.ts"
import * as Rows from "./Rows.ts"

/** Null before the first set was recorded. */
export type State = Payloads["policy.changed"] | null

/** `after` is the number of the set that this one follows; 0 where there was none. */
export interface RecordPolicySet {
  readonly _tag: "RecordPolicySet"
  readonly hash: Hash
  readonly after: number
}

type Changed = Event<"policy.changed">

export const initial: State = null

export const decide = (
  state: State,
  { after, hash }: RecordPolicySet,
  stamp: Stamp
): Result.Result<ReadonlyArray<Changed>, Rejection> => {
  if (stamp.actor.kind !== "SYSTEM") return Result.fail({ _tag: "Forbidden", detail: "only SYSTEM says this" })
  if (state?.hash === hash) return Result.succeed([])
  // Another process was faster with another set: whoever still means this one looks again.
  if ((state?.number ?? 0) !== after) {
    return Result.fail({ _tag: "Conflict", kind: Rows.policy, id: Rows.policyKey, status: state?.hash ?? "" })
  }
  const previousHash = state?.hash ?? null
  return Result.succeed([
    event("policy.changed", { hash, previousHash, number: after + 1, sinceMillis: stamp.atMillis })
  ])
}

export const evolve = (_state: State, recorded: Recorded): State => (recorded as Changed).payload

export const decider: Decider<State, RecordPolicySet, Changed, Rejection> = { initial, decide, evolve }

export const behaviour: Behaviour<State, RecordPolicySet, RecordPolicySet, Changed, Rejection> = {
  kind: Rows.policy,
  events,
  decider,
  subject: () => null,
  begins: () => false,
  createsSubject: () => false,
  passing: () => true,
  ends: () => true,
  survivesErasure: () => true,
  prepare: (_state, command) => Effect.succeed(Result.succeed(command)),
  rows: (_before, { payload }) => [Append.put(Rows.policy, Rows.policyKey, { ...payload })],
  guards: () => [],
  shreds: () => [],
  answer: () => null,
  refusal: () => ({ _tag: "NotFound", kind: Rows.policy, id: Rows.policyKey })
}
