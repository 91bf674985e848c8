/**
 * Waking followers: the highest position known to be committed, and those who wait for more.
 *
 * Invariants: a position noted between a follower's look and its wait is not missed, because waiting starts with a
 * comparison; a nudge wakes everyone to look again, whatever is known.
 */
import * as Effect from "effect/Effect"

export interface Wake {
  /** Says that everything up to the position is committed. */
  readonly note: (position: number) => void
  /** Lets every waiter look again. */
  readonly nudge: () => void
  /** Returns at once where more than `position` is known, else at the next note beyond it, or nudge. */
  readonly beyond: (position: number) => Effect.Effect<void>
  readonly known: () => number
  /** How often everybody was told to look again. */
  readonly nudges: () => number
  readonly waiting: () => number
}

export const make = (): Wake => {
  let known = 0
  let nudges = 0
  const waiters = new Set<() => void>()

  const wakeAll = () => {
    const woken = [...waiters]
    waiters.clear()
    for (const wake of woken) wake()
  }

  return {
    note: (position) => {
      if (position <= known) return
      known = position
      wakeAll()
    },
    nudge: () => {
      nudges += 1
      wakeAll()
    },
    beyond: (position) =>
      Effect.callback<void>((resume) => {
        if (known > position) return resume(Effect.void)
        const wake = () => resume(Effect.void)
        waiters.add(wake)
        return Effect.sync(() => void waiters.delete(wake))
      }),
    known: () => known,
    nudges: () => nudges,
    waiting: () => waiters.size
  }
}
