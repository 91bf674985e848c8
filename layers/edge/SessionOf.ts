/**
 * Which session an event belongs to.
 *
 * A stream never changes its session, so what was found once is remembered, for so many streams.
 */
import * as Effect from "effect/Effect"
import * as Questions from "#src/gateway/Questions.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import { ActionId, SessionId, TurnId } from "#src/kernel/Ids.ts"

/** Streams whose session is remembered. */
const rememberedMax = 10_000

/** Answers null for what belongs to no session. */
export const make = Effect.gen(function* () {
  const questions = yield* Questions.make
  const remembered = new Map<string, SessionId | null>()

  const look = Effect.fnUntraced(function* (kind: string, id: string) {
    if (kind === "turn") return (yield* questions.turn(TurnId.make(id)))?.sessionId ?? null
    if (kind === "action") return (yield* questions.action(ActionId.make(id)))?.sessionId ?? null
    return null
  })

  return Effect.fnUntraced(function* ({ envelope: { payload, stream } }: StoredEvent) {
    const known = remembered.get(stream)
    if (known !== undefined) return known
    const at = stream.indexOf(":")
    const [kind, id] = [stream.slice(0, at), stream.slice(at + 1)]
    if (kind === "session") return SessionId.make(id)
    // A stream's first event names its session, so that whoever follows from there asks nobody.
    const named = (kind === "turn" || kind === "action") && "sessionId" in payload ? payload["sessionId"] : undefined
    const found = typeof named === "string" ? SessionId.make(named) : yield* look(kind, id)
    if (remembered.size >= rememberedMax) remembered.clear()
    remembered.set(stream, found)
    return found
  })
})
