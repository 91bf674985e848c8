/**
 * Which session an event belongs to, and which agent runs the tool that it is about.
 *
 * Neither of them changes while a stream goes on, so what was found once is remembered, for so many streams and for every
 * door.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Questions from "#src/gateway/Questions.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import { ActionId, PrincipalId, SessionId, TurnId } from "#src/kernel/Ids.ts"
import * as Remembered from "#src/kernel/Remembered.ts"

export interface Belongs {
  readonly sessionId: SessionId | null
  /** Of an action with a tool that runs elsewhere. */
  readonly executorId: PrincipalId | null
}

/** Whether that is of all that somebody follows. */
export const isOf = (
  { executorId, sessionId }: Belongs,
  asked: { readonly sessionId?: SessionId | undefined; readonly executorId?: PrincipalId | undefined }
): boolean =>
  (asked.sessionId === undefined || sessionId === asked.sessionId) &&
  (asked.executorId === undefined || executorId === asked.executorId)

export class Belonging extends Context.Service<
  Belonging,
  { readonly of: (stored: StoredEvent) => Effect.Effect<Belongs, LookError> }
>()("keelson/edge/Belonging") {}

export const make = Effect.gen(function* () {
  const questions = yield* Questions.make
  const remembered = Remembered.make<string, Belongs>(Bounds.ownersRememberedMax)

  const look = Effect.fnUntraced(function* (kind: string, id: string): Effect.fn.Return<Belongs, LookError> {
    if (kind === "turn") {
      const row = yield* questions.turn(TurnId.make(id))
      return row === null ? nowhere : { sessionId: row.sessionId, executorId: null }
    }
    if (kind !== "action") return nowhere
    const row = yield* questions.action(ActionId.make(id))
    return row === null ? nowhere : { sessionId: row.sessionId, executorId: row.executorId ?? null }
  })

  const of = Effect.fnUntraced(function* ({ envelope: { payload, stream } }: StoredEvent) {
    const known = remembered.get(stream)
    if (known !== undefined) return known
    const at = stream.indexOf(":")
    const [kind, id] = [stream.slice(0, at), stream.slice(at + 1)]
    if (kind === "session") return { sessionId: SessionId.make(id), executorId: null }
    // A stream's first event names them, so that whoever follows from there asks nobody.
    const found = (kind === "turn" || kind === "action" ? named(payload) : null) ?? (yield* look(kind, id))
    remembered.note(stream, found)
    return found
  })
  return Belonging.of({ of })
})

export const layer = Layer.effect(Belonging, make)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

type LookError = Effect.Error<ReturnType<Questions.Questions["turn"]>>

const nowhere: Belongs = { sessionId: null, executorId: null }

/** As the payload of a first event says it; null for every other one. */
const named = ({ executor, sessionId }: StoredEvent["envelope"]["payload"]): Belongs | null => {
  if (typeof sessionId !== "string") return null
  const executorId = (executor as { readonly principalId: string } | undefined)?.principalId
  return {
    sessionId: SessionId.make(sessionId),
    executorId: executorId === undefined ? null : PrincipalId.make(executorId)
  }
}
