/**
 * Whose sessions and actions are: what of them never changes once they are there, so that no command reads it twice.
 *
 *   remembered --suffices--> permitted
 *              \--does not, or is not there--> the row, which also knows what came later
 *
 * Owns what is remembered, of so many. Does not own what follows from it (`Authority`).
 *
 * Invariants: only what a row says, or what this process saw committed, is remembered; that something is not there is
 * not. Approvers and executors come later and may change, so nobody is turned away for want of them: whoever is, is
 * turned away by the row, and learns nothing from how long that takes.
 */
import * as Effect from "effect/Effect"
import * as Bounds from "../kernel/Bounds.ts"
import type { ActionId, PrincipalId, SessionId } from "../kernel/Ids.ts"
import * as Remembered from "../kernel/Remembered.ts"
import type { Actor } from "../kernel/Stamp.ts"
import type { EventStoreError } from "../ports/EventStore.ts"
import type * as Authority from "./Authority.ts"
import * as Questions from "./Questions.ts"

export interface OfSession {
  readonly ownerId: PrincipalId
  readonly agentId: PrincipalId
}

type Suffices = (subject: Authority.Subject) => boolean

export interface OfAction extends OfSession {
  readonly proposer: Actor
}

export const make = Effect.gen(function* () {
  const questions = yield* Questions.make
  const sessions = Remembered.make<SessionId, OfSession>(Bounds.ownersRememberedMax)
  const actions = Remembered.make<ActionId, OfAction>(Bounds.ownersRememberedMax)

  /** `suffices`: whether these relations permit already what is asked. Who is turned away is turned away by the row. */
  const ofSession = (id: SessionId, suffices: Suffices): Effect.Effect<OfSession | null, EventStoreError> => {
    const known = sessions.get(id)
    if (known !== undefined && suffices(known)) return Effect.succeed(known)
    return Effect.map(questions.session(id), (row) => {
      if (row !== null) noteSession(id, row)
      return row
    })
  }

  const ofAction = (id: ActionId, suffices: Suffices): Effect.Effect<Authority.Subject | null, EventStoreError> => {
    const known = actions.get(id)
    if (known !== undefined && suffices(known)) return Effect.succeed(known)
    return Effect.map(questions.action(id), (row) => {
      if (row !== null) noteAction(id, row)
      return row
    })
  }

  /** Of one whose creation is committed. */
  const noteSession = (id: SessionId, { agentId, ownerId }: OfSession): void => sessions.note(id, { ownerId, agentId })
  const noteAction = (id: ActionId, { agentId, ownerId, proposer }: OfAction): void =>
    actions.note(id, { ownerId, agentId, proposer })

  return { ofSession, ofAction, noteSession, noteAction }
})
