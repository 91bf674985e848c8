/**
 * Which session an event belongs to, and which agent runs the tool that it is about.
 *
 * A stream never changes either, so what was found once is remembered, for so many streams.
 */
import * as Effect from "effect/Effect"
import * as Questions from "#src/gateway/Questions.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import { ActionId, PrincipalId, SessionId, TurnId } from "#src/kernel/Ids.ts"

export interface Belonging {
  readonly sessionId: SessionId | null
  /** Of an action with a tool that runs elsewhere. */
  readonly executorId: PrincipalId | null
}

/** Streams whose belonging is remembered. */
const rememberedMax = 10_000

export const make = Effect.gen(function* () {
  const questions = yield* Questions.make
  const remembered = new Map<string, Belonging>()

  const look = Effect.fnUntraced(function* (kind: string, id: string): Effect.fn.Return<Belonging, LookError> {
    if (kind === "turn") {
      const row = yield* questions.turn(TurnId.make(id))
      return row === null ? nowhere : { sessionId: row.sessionId, executorId: null }
    }
    if (kind !== "action") return nowhere
    const row = yield* questions.action(ActionId.make(id))
    return row === null ? nowhere : { sessionId: row.sessionId, executorId: row.executorId ?? null }
  })

  return Effect.fnUntraced(function* ({ envelope: { payload, stream } }: StoredEvent) {
    const known = remembered.get(stream)
    if (known !== undefined) return known
    const at = stream.indexOf(":")
    const [kind, id] = [stream.slice(0, at), stream.slice(at + 1)]
    if (kind === "session") return { sessionId: SessionId.make(id), executorId: null }
    // A stream's first event names them, so that whoever follows from there asks nobody.
    const found = (kind === "turn" || kind === "action" ? named(payload) : null) ?? (yield* look(kind, id))
    if (remembered.size >= rememberedMax) remembered.clear()
    remembered.set(stream, found)
    return found
  })
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

type LookError = Effect.Error<ReturnType<Questions.Questions["turn"]>>

const nowhere: Belonging = { sessionId: null, executorId: null }

/** As the payload of a first event says it; null for every other one. */
const named = ({ executor, sessionId }: StoredEvent["envelope"]["payload"]): Belonging | null => {
  if (typeof sessionId !== "string") return null
  const executorId = (executor as { readonly principalId: string } | undefined)?.principalId
  return {
    sessionId: SessionId.make(sessionId),
    executorId: executorId === undefined ? null : PrincipalId.make(executorId)
  }
}
