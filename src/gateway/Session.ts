/**
 * A session: who talks, for how long, and whether it may still act.
 *
 * ```
 * (none) -> Open -> Closed | Expired
 *             any -> Erased
 * ```
 *
 * Owns the two clocks (absolute and idle), closing, expiring and forgetting. Does not own what happens in a
 * session: turns and actions are streams of their own, held to it by the guard "the session is open".
 *
 * Invariants: touch moves the idle clock only; a deadline is judged by the stamp's time; expiry is SYSTEM's word.
 */
import * as Result from "effect/Result"
import * as Append from "../kernel/Append.ts"
import type { Behaviour } from "../kernel/Behaviour.ts"
import type { Decider } from "../kernel/Decider.ts"
import type { Recorded } from "../kernel/Envelope.ts"
import { type PrincipalId, type SessionId, SubjectId } from "../kernel/Ids.ts"
import * as Sealed from "../kernel/Sealed.ts"
import type { Stamp } from "../kernel/Stamp.ts"
import { type Event, event, events } from "./Events.ts"
import type { Rejection, SessionAnswer, SessionCommand, SessionStatus } from "./Protocol.ts"
import * as Rows from "./Rows.ts"
import * as Effect from "effect/Effect"

export interface Live {
  readonly sessionId: SessionId
  readonly ownerId: PrincipalId
  readonly agentId: PrincipalId
  readonly title: Sealed.Handle | null
  readonly status: SessionStatus
  readonly createdAtMillis: number
  readonly expiresAtMillis: number
  readonly idleMillis: number
  readonly idleAtMillis: number
}

export type State = Live | null

type SessionEvent = Event<
  "session.created" | "session.touched" | "session.closed" | "session.expired" | "session.erased"
>

export const initial: State = null

/** The moment after which the session no longer counts as open. */
export const deadlineMillis = (session: Live): number => Math.min(session.expiresAtMillis, session.idleAtMillis)

export const decide = (
  state: State,
  command: SessionCommand,
  stamp: Stamp
): Result.Result<ReadonlyArray<SessionEvent>, Rejection> => {
  if (command._tag === "CreateSession") return create(state, command, stamp)
  if (state === null) return Result.fail({ _tag: "NotFound", kind: "session", id: "" })
  switch (command._tag) {
    case "TouchSession":
      return ifOpen(state, stamp, () => [
        event("session.touched", { idleAtMillis: Math.max(state.idleAtMillis, stamp.atMillis + state.idleMillis) })
      ])
    case "CloseSession":
      return ifOpen(state, stamp, () => [
        event("session.closed", { reason: command.reason === null ? null : Sealed.plain(command.reason) })
      ])
    case "ExpireSession":
      return expire(state, command.deadlineMillis, stamp)
    case "EraseSession":
      // Its receipt died with the key, so a repeat is recognised by the state: nothing more happens.
      return Result.succeed(state.status === "Erased" ? [] : [event("session.erased", { sessionId: state.sessionId })])
  }
}

export const evolve = (state: State, recorded: Recorded): State => {
  const happened = recorded as SessionEvent
  if (happened.type === "session.created") {
    const { sessionId, ownerId, agentId, title, createdAtMillis, expiresAtMillis, idleMillis, idleAtMillis } =
      happened.payload
    const status = "Open" as const
    return { sessionId, ownerId, agentId, title, status, createdAtMillis, expiresAtMillis, idleMillis, idleAtMillis }
  }
  if (state === null) return state
  switch (happened.type) {
    case "session.touched":
      return { ...state, idleAtMillis: happened.payload.idleAtMillis }
    case "session.closed":
      return { ...state, status: "Closed" }
    case "session.expired":
      return { ...state, status: "Expired" }
    case "session.erased":
      return { ...state, status: "Erased", title: state.title === null ? null : Sealed.redacted }
  }
}

export const decider: Decider<State, SessionCommand, SessionEvent, Rejection> = { initial, decide, evolve }

export const subjectOf = (sessionId: SessionId): SubjectId => SubjectId.make(`session:${sessionId}`)

export const behaviour: Behaviour<State, SessionCommand, SessionCommand, SessionEvent, Rejection> = {
  kind: "session",
  events,
  decider,
  subject: (state, command) =>
    state !== null
      ? subjectOf(state.sessionId)
      : command._tag === "CreateSession"
        ? subjectOf(command.sessionId)
        : null,
  begins: (command) => command._tag === "CreateSession",
  createsSubject: (command) => command._tag === "CreateSession",
  passing: (rejection) => rejection._tag === "NotDue",
  ends: (command) => command._tag !== "CreateSession" && command._tag !== "TouchSession",
  survivesErasure: (command) => command._tag === "ExpireSession" || command._tag === "EraseSession",
  prepare: (_state, command) => Effect.succeed(Result.succeed(command)),
  rows: (before, _event, after) => (after === null ? [] : Rows.session(before, after)),
  guards: (before, command) =>
    before === null && command._tag === "CreateSession"
      ? [Append.atMost(Rows.sessionsOpen(command.ownerId), command.quota)]
      : [],
  shreds: (happened) =>
    happened.flatMap((one) => (one.type === "session.erased" ? [subjectOf(one.payload.sessionId)] : [])),
  answer: (after) => (after === null ? null : answer(after)),
  refusal: (guard) =>
    guard._tag === "AtMost"
      ? { _tag: "LimitReached", limit: "sessionsPerPrincipal", maximum: guard.maximum }
      : { _tag: "NotFound", kind: "session", id: "" }
}

export const answer = (session: Live): SessionAnswer => ({
  sessionId: session.sessionId,
  ownerId: session.ownerId,
  agentId: session.agentId,
  status: session.status,
  createdAtMillis: session.createdAtMillis,
  expiresAtMillis: session.expiresAtMillis,
  idleAtMillis: session.idleAtMillis
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

type Create = Extract<SessionCommand, { _tag: "CreateSession" }>

const create = (state: State, command: Create, stamp: Stamp): Result.Result<ReadonlyArray<SessionEvent>, Rejection> => {
  if (state !== null) {
    return Result.fail({ _tag: "Conflict", kind: "session", id: state.sessionId, status: state.status })
  }
  const idleMillis = Math.min(command.idleMillis, command.ttlMillis)
  return Result.succeed([
    event("session.created", {
      sessionId: command.sessionId,
      ownerId: command.ownerId,
      agentId: command.agentId,
      title: command.title === null ? null : Sealed.plain(command.title),
      createdAtMillis: stamp.atMillis,
      expiresAtMillis: stamp.atMillis + command.ttlMillis,
      idleMillis,
      idleAtMillis: stamp.atMillis + idleMillis
    })
  ])
}

const ifOpen = (
  state: Live,
  stamp: Stamp,
  then: () => ReadonlyArray<SessionEvent>
): Result.Result<ReadonlyArray<SessionEvent>, Rejection> => {
  const status = state.status === "Open" && stamp.atMillis >= deadlineMillis(state) ? "Expired" : state.status
  return status === "Open"
    ? Result.succeed(then())
    : Result.fail({ _tag: "Conflict", kind: "session", id: state.sessionId, status })
}

/** Two processes may both try: the second finds the session no longer open, or its deadline moved. */
const expire = (state: Live, deadline: number, stamp: Stamp): Result.Result<ReadonlyArray<SessionEvent>, Rejection> => {
  if (state.status !== "Open") {
    return Result.fail({ _tag: "Conflict", kind: "session", id: state.sessionId, status: state.status })
  }
  if (stamp.actor.kind !== "SYSTEM") return Result.fail({ _tag: "Forbidden", detail: "only SYSTEM expires a session" })
  if (deadlineMillis(state) !== deadline || stamp.atMillis < deadline) return Result.fail({ _tag: "NotDue" })
  const cause = state.expiresAtMillis <= state.idleAtMillis ? "absolute" : "idle"
  return Result.succeed([event("session.expired", { cause, deadlineMillis: deadline })])
}
