/**
 * Why this side ends a connection.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { Identity, Principal } from "#src/ports/Identity.ts"
import type { InHand } from "./InHand.ts"
import type { Held } from "./Listener.ts"
import type { Wire } from "./Peer.ts"

/** What a connection keeps of its reading. */
export interface Reading {
  readonly wire: Wire
  /** Whether a next frame is waited for, and whether one came since somebody looked. */
  waiting: boolean
  came: boolean
  /** What was read when it was last known that no frame had begun, and whether one had at the last look. */
  seenBytes: number
  begun: boolean
}

/**
 * Looks, once a round, and keeps what it saw: half a frame came, and for a whole round the rest did not. Whole frames are handed over by `ws`;
 * that part of one came shows in the bytes that the connection read since.
 */
export const lookForHalf = (peer: Reading): boolean => {
  const { bytesRead } = peer.wire.tcp
  const grown = peer.waiting && !peer.came && bytesRead - peer.seenBytes > Bounds.socketPartialBytes
  if (grown && peer.begun) return true
  peer.begun = grown
  if (!grown) peer.seenBytes = bytesRead
  peer.came = false
  return false
}

/** The door closes: what is in hand is answered first, as far as there is time. */
export const drained = (inHand: InHand | undefined, drainMillis: number): Effect.Effect<void> =>
  inHand === undefined ? Effect.void : Effect.asVoid(Effect.timeoutOption(inHand.idle, Duration.millis(drainMillis)))

/** Looks whether the principal's key still opens anything, until nobody doubted since, and lets go; true where it does not. */
export const lookForRevocation = Effect.fnUntraced(function* (
  listener: Held,
  caller: Principal,
  identity: Identity["Service"]
) {
  for (;;) {
    const since = listener.doubts
    const stands = yield* Effect.result(identity.renew(caller))
    if (stands._tag === "Success") {
      if (listener.trust(since)) return false
    } else {
      if (stands.failure._tag === "Unauthenticated") return true
      // A store that does not answer takes nobody's key; whoever is held stays so until it does.
      yield* Effect.sleep(Duration.seconds(1))
    }
  }
})
