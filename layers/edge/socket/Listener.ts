/**
 * A connection as the others know it: whose it is, and whether it may be told anything now.
 *
 * Invariant: once held, it is let go only by a look that began after the last doubt; so once a key is revoked, nothing
 * that came after that is told. (Whose session it is and whose agent speaks there never change: that is judged once.)
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Principal } from "#src/ports/Identity.ts"
import type { Member } from "./Registry.ts"

export interface Listener extends Member {
  /** Tells no more of any session until it was looked whether that may be. */
  readonly hold: () => void
  /** Completes while nothing speaks against the principal. */
  readonly trusted: Effect.Effect<void>
  readonly isTrusted: () => boolean
  /** How often there was a reason to doubt. */
  readonly doubts: () => number
  /** Lets go, unless there was another doubt since that many. */
  readonly trust: (since: number) => void
}

/** One whose key can be revoked is held until it was looked at for the first time. */
export const make = (id: string, by: Principal): Listener => {
  const trusted = Latch.makeUnsafe(by.keyId === undefined)
  let doubts = 0
  return {
    id,
    principalId: by.actor.id,
    hold: () => {
      doubts += 1
      trusted.closeUnsafe()
    },
    trusted: trusted.await,
    isTrusted: () => trusted.isOpen(),
    doubts: () => doubts,
    trust: (since) => {
      if (doubts === since) trusted.openUnsafe()
    }
  }
}
