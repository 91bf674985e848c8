/**
 * New events, handed to those who follow their session, or do the work that they are of; one reader of the journal for all WebSockets.
 *
 * Owns who gets which event. Does not own reading the journal (`Feed`), nor sending (`Deliveries`).
 *
 * Invariants: in commit order; where a principal's keys or roles change, its connections are held before any later
 * event is handed out, until each has looked again; where what an event belongs to can't be found out now, everybody
 * falls behind and reads the journal, so nothing is missed.
 */
import * as Effect from "effect/Effect"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import { PrincipalId } from "#src/kernel/Ids.ts"
import { Feed } from "#src/ports/Feed.ts"
import { Belonging } from "../Belonging.ts"
import * as Followed from "./Followed.ts"
import type { Follower } from "./Follower.ts"
import type { Listener } from "./Listener.ts"
import type { Registry } from "./Registry.ts"

export const make = Effect.fnUntraced(function* (registry: Registry<Listener, Follower>) {
  const feed = yield* Feed
  const { of: belongingOf } = yield* Belonging

  const hold = Effect.fnUntraced(function* (principal: string) {
    for (const listener of yield* registry.membersOf(PrincipalId.make(principal))) listener.hold()
  })

  const handOut = Effect.fnUntraced(function* (stored: StoredEvent) {
    const { executorId, sessionId } = yield* belongingOf(stored)
    const keys = [
      ...(sessionId === null ? [] : [Followed.sessionOf(sessionId)]),
      ...(executorId === null ? [] : [Followed.workOf(executorId)])
    ]
    for (const follower of yield* registry.followersOf(...keys)) follower.offer(stored)
  })

  const everybodyBehind = Effect.map(registry.allFollowers, (followers) => {
    for (const follower of followers) follower.fallBehind()
  })

  let handedOut = yield* feed.position

  yield* feed.listen((stored) =>
    Effect.suspend(() => {
      const { stream } = stored.envelope
      return stream.startsWith(principals) ? hold(stream.slice(principals.length)) : handOut(stored)
    }).pipe(
      Effect.catchCause((cause) =>
        Effect.andThen(Effect.logWarning("an event could not be handed out, and is read again", cause), everybodyBehind)
      ),
      Effect.andThen(Effect.sync(() => void (handedOut = stored.position)))
    )
  )

  return {
    /** Up to where the journal may be read: what comes after is handed out to whoever is live by then. */
    position: feed.position,
    /** Up to where everything was handed out, or everybody told to read it. */
    handedOut: Effect.sync(() => handedOut),
    belongingOf
  }
})

export type Tail = Effect.Success<ReturnType<typeof make>>

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const principals = "principal:"
