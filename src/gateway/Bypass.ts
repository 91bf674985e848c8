/**
 * What was offered as a permit and was none: one short stream per attempt, so that nobody can wear a stream out.
 *
 * Owns the record. The refusal itself happened in the executor, before anything ran.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Append from "../kernel/Append.ts"
import type { Behaviour } from "../kernel/Behaviour.ts"
import type { Recorded } from "../kernel/Envelope.ts"
import { ActionId, PermitId } from "../kernel/Ids.ts"
import type { Stamp } from "../kernel/Stamp.ts"
import { type Event, event, events } from "./Events.ts"
import type { Rejection } from "./Protocol.ts"
import * as Rows from "./Rows.ts"

export interface State {
  readonly recorded: boolean
}

/** Ids that are not even of the right shape are dropped to null: a forger's text has no place in the journal. */
export interface RecordBypass {
  readonly _tag: "RecordBypass"
  readonly reason: string
  readonly permitId: string | null
  readonly actionId: string | null
}

export const initial: State = { recorded: false }

export const decide = (
  state: State,
  command: RecordBypass,
  _stamp: Stamp
): Result.Result<ReadonlyArray<Event<"permit.refused">>, Rejection> =>
  Result.succeed(
    state.recorded
      ? []
      : [
          event("permit.refused", {
            reason: command.reason,
            permitId: Schema.is(PermitId)(command.permitId) ? command.permitId : null,
            actionId: Schema.is(ActionId)(command.actionId) ? command.actionId : null
          })
        ]
  )

export const evolve = (_state: State, _event: Recorded): State => ({ recorded: true })

export const behaviour: Behaviour<State, RecordBypass, RecordBypass, Event<"permit.refused">, Rejection> = {
  kind: "bypass",
  events,
  decider: { initial, decide, evolve },
  subject: () => null,
  begins: () => true,
  createsSubject: () => false,
  passing: () => false,
  ends: () => true,
  survivesErasure: () => true,
  prepare: (_state, command) => Effect.succeed(Result.succeed(command)),
  rows: () => [Append.add(Rows.permitsRefused, 1)],
  guards: () => [],
  shreds: () => [],
  answer: () => null,
  refusal: () => ({ _tag: "NotFound", kind: "bypass", id: "" })
}
