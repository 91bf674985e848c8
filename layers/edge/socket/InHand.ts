/**
 * Frames of one connection that are being served.
 *
 * Owns their ids and how many there may be. What connections share stands in `Registry`; this is one connection's own:
 * its reader begins, its handlers end.
 *
 * Invariants: no id is in hand twice; never more than `maximum` are served: who would begin one more waits, its id taken,
 * and with it whatever comes after on its connection.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Semaphore from "effect/Semaphore"
import * as Problems from "../Problems.ts"

export interface InHand {
  /** Takes a frame in hand, once there is room; refused where another frame of that id is in hand. */
  readonly begin: (frameId: string) => Effect.Effect<void, Problems.Problem>
  readonly end: (frameId: string) => Effect.Effect<void>
  /** Completes once nothing is in hand. */
  readonly idle: Effect.Effect<void>
}

export const make = (maximum: number): InHand => {
  const ids = new Set<string>()
  const places = Semaphore.makeUnsafe(maximum)
  const empty = Latch.makeUnsafe(true)
  return {
    begin: (frameId) =>
      Effect.suspend(() => {
        if (ids.has(frameId)) return Problems.conflict({ kind: "frame", id: frameId }, "in hand")
        ids.add(frameId)
        empty.closeUnsafe()
        return Effect.asVoid(places.take(1))
      }),
    end: (frameId) =>
      Effect.suspend(() => {
        ids.delete(frameId)
        if (ids.size === 0) empty.openUnsafe()
        return Effect.asVoid(places.release(1))
      }),
    idle: empty.await
  }
}
