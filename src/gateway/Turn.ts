/**
 * A turn: one input worked on until there is an answer.
 *
 * ```
 * started -> recalled -> (responded -> outcome of each call)* -> memories -> completed
 *                         any of it -> failed | cancelled
 * ```
 *
 * Owns the order of the steps and their bounds in steps, tokens and time. Does not own the work: the runner asks
 * the responder, proposes actions and reports here what came of it, each as a command, each recorded as an event.
 *
 * Invariants: a model's answer is recorded before anything is done with it; a call has one outcome; replay calls nothing.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Append from "../kernel/Append.ts"
import type { Behaviour } from "../kernel/Behaviour.ts"
import type { Json } from "../kernel/Canonical.ts"
import type { Decider } from "../kernel/Decider.ts"
import type { Recorded } from "../kernel/Envelope.ts"
import type { ActionId, PrincipalId, SessionId, TurnId } from "../kernel/Ids.ts"
import * as Sealed from "../kernel/Sealed.ts"
import type { Stamp } from "../kernel/Stamp.ts"
import { type Event, event, events } from "./Events.ts"
import type { Rejection, TurnAnswer, TurnCommand, TurnStatus } from "./Protocol.ts"
import * as Rows from "./Rows.ts"
import { subjectOf } from "./Session.ts"

export interface Call {
  readonly callId: string
  readonly said: Sealed.Handle
  readonly outcome: {
    readonly actionId: ActionId | null
    readonly outcome: string
    readonly output: Sealed.Handle
    readonly editedArguments: Sealed.Handle | null
  } | null
}

export interface Step {
  readonly text: Sealed.Handle
  readonly calls: ReadonlyArray<Call>
}

export interface Live {
  readonly turnId: TurnId
  readonly sessionId: SessionId
  readonly ownerId: PrincipalId
  readonly agentId: PrincipalId
  readonly status: TurnStatus
  readonly input: Sealed.Handle
  readonly responder: { readonly provider: string; readonly model: string; readonly deterministic: boolean }
  readonly stepsMax: number
  readonly tokensMax: number
  readonly createdAtMillis: number
  readonly deadlineMillis: number
  readonly recalled: Sealed.Handle | null
  readonly steps: ReadonlyArray<Step>
  readonly tokens: number
  readonly remembered: boolean
  readonly failure: string | null
}

export type State = Live | null

type TurnEvent = Event<
  | "turn.started"
  | "turn.recalled"
  | "turn.responded"
  | "turn.outcome-recorded"
  | "turn.memories-recorded"
  | "turn.completed"
  | "turn.failed"
  | "turn.cancelled"
>

export const initial: State = null

/** What a running turn waits for next; null once it ended. */
export type Next =
  | { readonly _tag: "Recall" }
  | { readonly _tag: "Respond"; readonly step: number }
  | { readonly _tag: "Outcomes"; readonly calls: ReadonlyArray<Call> }
  | { readonly _tag: "Remember" }
  | { readonly _tag: "Complete" }

export const next = (turn: Live): Next | null => {
  if (turn.status !== "Running") return null
  if (turn.recalled === null) return { _tag: "Recall" }
  const last = turn.steps[turn.steps.length - 1]
  if (last === undefined) return { _tag: "Respond", step: 1 }
  const open = last.calls.filter((call) => call.outcome === null)
  if (open.length > 0) return { _tag: "Outcomes", calls: open }
  if (last.calls.length > 0) return { _tag: "Respond", step: turn.steps.length + 1 }
  return turn.remembered ? { _tag: "Complete" } : { _tag: "Remember" }
}

export const decide = (
  state: State,
  command: TurnCommand,
  stamp: Stamp
): Result.Result<ReadonlyArray<TurnEvent>, Rejection> => {
  if (command._tag === "StartTurn") return start(state, command, stamp)
  if (state === null) return Result.fail({ _tag: "NotFound", kind: "turn", id: "" })
  if (state.status !== "Running") return conflict(state)
  if (command._tag === "CancelTurn") {
    return Result.succeed([
      event("turn.cancelled", { reason: command.reason === null ? null : Sealed.plain(command.reason) })
    ])
  }
  if (stamp.actor.kind !== "SYSTEM") {
    return Result.fail({ _tag: "Forbidden", detail: "only SYSTEM moves a turn forward" })
  }
  return advance(state, command)
}

export const evolve = (state: State, recorded: Recorded): State => {
  const happened = recorded as TurnEvent
  if (happened.type === "turn.started") {
    return {
      ...happened.payload,
      status: "Running",
      recalled: null,
      steps: [],
      tokens: 0,
      remembered: false,
      failure: null
    }
  }
  if (state === null) return state
  switch (happened.type) {
    case "turn.recalled":
      return { ...state, recalled: happened.payload.items }
    case "turn.responded": {
      const calls = happened.payload.calls.map((call) => ({ ...call, outcome: null }))
      return {
        ...state,
        steps: [...state.steps, { text: happened.payload.text, calls }],
        tokens: state.tokens + happened.payload.inputTokens + happened.payload.outputTokens
      }
    }
    case "turn.outcome-recorded": {
      const { callId, ...outcome } = happened.payload
      const record = (call: Call): Call => (call.callId === callId ? { ...call, outcome } : call)
      return { ...state, steps: state.steps.map((step) => ({ ...step, calls: step.calls.map(record) })) }
    }
    case "turn.memories-recorded":
      return { ...state, remembered: true }
    case "turn.completed":
      return { ...state, status: "Completed" }
    case "turn.failed":
      return { ...state, status: "Failed", failure: happened.payload.code }
    case "turn.cancelled":
      return { ...state, status: "Cancelled" }
  }
}

export const decider: Decider<State, TurnCommand, TurnEvent, Rejection> = { initial, decide, evolve }

export const behaviour: Behaviour<State, TurnCommand, TurnCommand, TurnEvent, Rejection> = {
  kind: "turn",
  events,
  decider,
  subject: (state, command) =>
    state !== null ? subjectOf(state.sessionId) : command._tag === "StartTurn" ? subjectOf(command.sessionId) : null,
  begins: (command) => command._tag === "StartTurn",
  createsSubject: () => false,
  passing: (rejection) => rejection._tag === "NotDue",
  ends: (command) => command._tag === "CompleteTurn" || command._tag === "FailTurn" || command._tag === "CancelTurn",
  survivesErasure: (command) => command._tag === "CancelTurn" || command._tag === "FailTurn",
  prepare: (_state, command) => Effect.succeed(Result.succeed(command)),
  rows: (before, _event, after) => (after === null ? [] : Rows.turn(before, after)),
  guards: (before, command) =>
    before === null && command._tag === "StartTurn"
      ? [
          Append.present(Rows.openSession, command.sessionId),
          Append.absent(Rows.halt, Rows.haltKey),
          Append.atMost(Rows.turnsOpen(command.sessionId), command.quota)
        ]
      : [],
  shreds: () => [],
  answer: (after) => (after === null ? null : answer(after)),
  refusal: (guard, command) =>
    guard._tag === "AtMost"
      ? { _tag: "LimitReached", limit: "turnsPerSession", maximum: guard.maximum }
      : guard._tag === "Absent"
        ? { _tag: "Halted" }
        : command._tag === "StartTurn"
          ? { _tag: "SessionNotOpen", sessionId: command.sessionId }
          : { _tag: "NotFound", kind: "turn", id: "" }
}

export const answer = (turn: Live): TurnAnswer => ({
  turnId: turn.turnId,
  sessionId: turn.sessionId,
  status: turn.status,
  step: turn.steps.length
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

type Decided = Result.Result<ReadonlyArray<TurnEvent>, Rejection>

const conflict = (state: Live): Decided =>
  Result.fail({ _tag: "Conflict", kind: "turn", id: state.turnId, status: state.status })

const failed = (code: string, detail: string): Decided =>
  Result.succeed([event("turn.failed", { code, detail: Sealed.plain(detail) })])

const start = (state: State, command: Extract<TurnCommand, { _tag: "StartTurn" }>, stamp: Stamp): Decided => {
  if (state !== null) return conflict(state)
  const { turnId, sessionId, ownerId, agentId, responder, stepsMax, tokensMax, timeoutMillis } = command
  return Result.succeed([
    event(
      "turn.started",
      {
        turnId,
        sessionId,
        ownerId,
        agentId,
        input: Sealed.plain(command.input),
        responder,
        stepsMax,
        tokensMax,
        createdAtMillis: stamp.atMillis,
        deadlineMillis: stamp.atMillis + timeoutMillis
      },
      { refs: [{ kind: "session", id: sessionId }] }
    )
  ])
}

type Advance = Exclude<TurnCommand, { _tag: "StartTurn" } | { _tag: "CancelTurn" }>

/** Each step only where it is due: a second runner's late report is a conflict, not a second step. */
const advance = (state: Live, command: Advance): Decided => {
  const due = next(state)
  switch (command._tag) {
    case "RecordRecall":
      if (due?._tag !== "Recall") return conflict(state)
      return Result.succeed([
        event("turn.recalled", {
          source: command.source,
          count: command.items.length,
          items: Sealed.plain(command.items as Json)
        })
      ])
    case "RecordResponse":
      if (due?._tag !== "Respond" || due.step !== command.step) return conflict(state)
      return respond(state, command)
    case "RecordOutcome":
      if (due?._tag !== "Outcomes" || !due.calls.some((call) => call.callId === command.callId)) return conflict(state)
      return Result.succeed([
        event(
          "turn.outcome-recorded",
          {
            callId: command.callId,
            actionId: command.actionId,
            outcome: command.outcome,
            output: Sealed.plain(command.output as Json),
            editedArguments: command.editedArguments === null ? null : Sealed.plain(command.editedArguments as Json)
          },
          command.actionId === null ? {} : { refs: [{ kind: "action", id: command.actionId }] }
        )
      ])
    case "RecordMemories":
      if (due?._tag !== "Remember") return conflict(state)
      return Result.succeed([event("turn.memories-recorded", { source: command.source, memoryIds: command.memoryIds })])
    case "CompleteTurn":
      if (due?._tag !== "Complete") return conflict(state)
      return Result.succeed([event("turn.completed", { steps: state.steps.length, tokens: state.tokens })])
    case "FailTurn":
      return failed(command.code, command.detail)
  }
}

const respond = (state: Live, command: Extract<TurnCommand, { _tag: "RecordResponse" }>): Decided => {
  const responded = event("turn.responded", {
    step: command.step,
    text: Sealed.plain(command.text),
    calls: command.proposals.map((proposal, index) => ({
      callId: `c${command.step}.${index + 1}`,
      said: Sealed.plain({ callId: proposal.callId, tool: proposal.tool, arguments: proposal.arguments as Json })
    })),
    inputTokens: command.inputTokens,
    outputTokens: command.outputTokens
  })
  const tokens = state.tokens + command.inputTokens + command.outputTokens
  if (tokens > state.tokensMax) {
    return over(responded, "TokensSpent", `the turn used ${tokens} tokens; ${state.tokensMax} are allowed`)
  }
  if (command.proposals.length > 0 && command.step >= state.stepsMax) {
    return over(responded, "StepsSpent", `the turn took ${state.stepsMax} steps without coming to an end`)
  }
  return Result.succeed([responded])
}

const over = (responded: TurnEvent, code: string, detail: string): Decided =>
  Result.succeed([responded, event("turn.failed", { code, detail: Sealed.plain(detail) })])
