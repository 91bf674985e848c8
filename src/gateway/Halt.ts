/**
 * The halt: one person's word stops every tool, another one lets them go on.
 *
 * ```
 * Running -> Halted -> Running        (halting what is halted is allowed: a new reason, or "stop what runs too")
 * ```
 *
 * Owns the one stream `halt:all` and the row that every claim, proposal and new turn is held against. Does not own
 * stopping what runs in a process (`ports/HaltSwitch`).
 *
 * Invariants: only people halt and resume; what they said is sealed; the stream has room for
 * `Bounds.streamEventsTotalMax` halts and resumes.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Append from "../kernel/Append.ts"
import type { Behaviour } from "../kernel/Behaviour.ts"
import type { Json } from "../kernel/Canonical.ts"
import type { Decider } from "../kernel/Decider.ts"
import type { Recorded } from "../kernel/Envelope.ts"
import { SubjectId } from "../kernel/Ids.ts"
import * as Sealed from "../kernel/Sealed.ts"
import type { Actor, Stamp } from "../kernel/Stamp.ts"
import { type Event, event, events } from "./Events.ts"
import type { HaltAnswer, HaltCommand, Rejection } from "./Protocol.ts"
import * as Rows from "./Rows.ts"

export interface Halted {
  readonly by: Actor
  readonly sinceMillis: number
  readonly reason: Sealed.Handle
  readonly cancelRunning: boolean
}

/** Null while tools may run. */
export type State = Halted | null

type HaltEvent = Event<"service.halted" | "service.resumed">

export const initial: State = null

export const decide = (
  state: State,
  command: HaltCommand,
  stamp: Stamp
): Result.Result<ReadonlyArray<HaltEvent>, Rejection> => {
  if (stamp.actor.kind !== "HUMAN") return Result.fail({ _tag: "Forbidden", detail: "only a person halts or resumes" })
  const by = stamp.actor
  if (command._tag === "Halt") {
    // Since the first halt: whoever adds a reason does not make it younger.
    const sinceMillis = state?.sinceMillis ?? stamp.atMillis
    // And whoever adds a reason does not take back that what runs is to stop.
    const cancelRunning = command.cancelRunning || (state?.cancelRunning ?? false)
    const { reason } = command
    return Result.succeed([event("service.halted", { by, sinceMillis, reason: Sealed.plain(reason), cancelRunning })])
  }
  return state === null
    ? Result.fail({ _tag: "Conflict", kind: "halt", id: Rows.haltKey, status: "Running" })
    : Result.succeed([
        event("service.resumed", { by, reason: command.reason === null ? null : Sealed.plain(command.reason) })
      ])
}

export const evolve = (_state: State, recorded: Recorded): State => {
  const happened = recorded as HaltEvent
  return happened.type === "service.halted" ? happened.payload : null
}

export const decider: Decider<State, HaltCommand, HaltEvent, Rejection> = { initial, decide, evolve }

const subject = SubjectId.make(`halt:${Rows.haltKey}`)

export const behaviour: Behaviour<State, HaltCommand, HaltCommand, HaltEvent, Rejection> = {
  kind: Rows.halt,
  events,
  decider,
  subject: () => subject,
  begins: () => false,
  createsSubject: () => true,
  passing: () => false,
  ends: () => true,
  survivesErasure: () => true,
  prepare: (_state, command) => Effect.succeed(Result.succeed(command)),
  rows: (_before, _event, after) => [
    after === null
      ? Append.drop(Rows.halt, Rows.haltKey)
      : Append.put(Rows.halt, Rows.haltKey, { ...after, by: { ...after.by }, reason: after.reason as Json })
  ],
  guards: () => [],
  shreds: () => [],
  answer: (after) => ({ ...answer(after) }) as Json,
  refusal: () => ({ _tag: "NotFound", kind: "halt", id: Rows.haltKey })
}

export const answer = (state: State): HaltAnswer => ({
  halted: state !== null,
  by: state?.by ?? null,
  sinceMillis: state?.sinceMillis ?? null,
  cancelRunning: state?.cancelRunning ?? false
})
