/**
 * New events, handed to those who follow their session; one reader of the journal for all WebSockets.
 *
 * Owns who gets which event. Does not own reading the journal (`Feed`), nor sending (`Connection`).
 *
 * Invariants: in commit order; where a principal's keys or roles change, its connections are held before any later
 * event is handed out, until each has looked again; where the session of an event can't be found out now, everybody
 * falls behind and reads the journal, so nothing is missed.
 */
import * as Effect from "effect/Effect"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import { PrincipalId } from "#src/kernel/Ids.ts"
import { Feed } from "#src/ports/Feed.ts"
import * as SessionOf from "../SessionOf.ts"
import type { Follower } from "./Follower.ts"
import type { Line } from "./Line.ts"
import type { Registry } from "./Registry.ts"

export const make = Effect.fnUntraced(function* (registry: Registry<Line, Follower>) {
  const feed = yield* Feed
  const sessionOf = yield* SessionOf.make

  const hold = Effect.fnUntraced(function* (principal: string) {
    for (const line of yield* registry.membersOf(PrincipalId.make(principal))) line.hold()
  })

  const handOut = Effect.fnUntraced(function* (stored: StoredEvent) {
    const sessionId = yield* sessionOf(stored)
    if (sessionId === null) return
    for (const follower of yield* registry.followersOf(sessionId)) follower.offer(stored)
  })

  const everybodyBehind = Effect.map(registry.allFollowers, (followers) => {
    for (const follower of followers) follower.fallBehind()
  })

  yield* feed.listen((stored) => {
    const { stream } = stored.envelope
    if (stream.startsWith(principals)) return hold(stream.slice(principals.length))
    return Effect.catchCause(handOut(stored), (cause) =>
      Effect.andThen(Effect.logWarning("an event could not be handed out, and is read again", cause), everybodyBehind)
    )
  })

  return { position: feed.position, sessionOf }
})

export type Tail = Effect.Success<ReturnType<typeof make>>

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const principals = "principal:"
