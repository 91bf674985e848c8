/**
 * One reader's place in the events that it follows.
 *
 *   behind: reads the journal from its cursor on  ->  up with the tail: live, events are handed to it
 *   live:   takes what was handed to it           ->  too much waits: behind again, and what waited is let go
 *
 * Owns the cursor, and the little that waits. Does not own reading (`Deliveries`) or handing out (`Tail`).
 *
 * Invariants: the cursor only grows; an event is given once, in order, whichever way it comes; what waits is bounded in
 * number and in text, so a reader that does not read costs no more than that.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { StoredEvent } from "#src/kernel/Envelope.ts"

export interface Limits {
  readonly queueEventsMax: number
  readonly queueTextMax: number
}

export interface Follower {
  /** Hands over the next event. */
  readonly offer: (stored: StoredEvent) => void
  /** Lets go of what waits, and makes the journal be read: something may have been missed. */
  readonly fallBehind: () => void
  readonly isBehind: () => boolean
  /** Goes live where everything up to the tail's position was given; says whether it did. */
  readonly catchUp: (tailPosition: number) => boolean
  /** The next event that was handed over; it waits until the cursor passed it. */
  readonly next: () => StoredEvent | undefined
  /** Says that everything up to the position was given, or is not for this reader. */
  readonly advance: (position: number) => void
  readonly cursor: () => number
  /** Up to where nothing is missing: beyond the cursor where nothing waits. */
  readonly completeUpTo: (tailPosition: number) => number
  /** Completes when there may be something to give. */
  readonly awake: Effect.Effect<void>
}

export const make = (after: number, limits: Limits): Follower => {
  let cursor = after
  let behind = true
  let waiting: Array<StoredEvent> = []
  let text = 0
  const something = Latch.makeUnsafe(false)

  const letGo = () => {
    waiting = []
    text = 0
    behind = true
  }

  return {
    offer: (stored) => {
      if (!behind && stored.position > cursor) {
        waiting.push(stored)
        text += stored.text.length
        if (waiting.length > limits.queueEventsMax || text > limits.queueTextMax) letGo()
      }
      something.openUnsafe()
    },
    fallBehind: () => {
      letGo()
      something.openUnsafe()
    },
    isBehind: () => behind,
    catchUp: (tailPosition) => {
      if (cursor < tailPosition) return false
      behind = false
      return true
    },
    next: () => waiting[0],
    advance: (position) => {
      cursor = Math.max(cursor, position)
      // The journal may have given it before it was handed over.
      while (waiting[0] !== undefined && waiting[0].position <= cursor) text -= waiting.shift()!.text.length
    },
    cursor: () => cursor,
    completeUpTo: (tailPosition) => (behind || waiting.length > 0 ? cursor : Math.max(cursor, tailPosition)),
    awake: Effect.andThen(
      something.await,
      Effect.sync(() => something.closeUnsafe())
    )
  }
}
