/**
 * Why this side ends a connection, each as an effect that completes with its code.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Socket as TcpSocket } from "node:net"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { Feed } from "#src/ports/Feed.ts"
import type { Identity, Principal } from "#src/ports/Identity.ts"
import type { Drain } from "../http/Drain.ts"
import type { Listener } from "./Listener.ts"

/** Whether a next frame is waited for, and whether one came since somebody looked. */
export interface Reading {
  waiting: boolean
  came: boolean
}

/**
 * Half a frame came, and for a whole round the rest did not. Whole frames are handed over by `ws`; that part of one came
 * shows in the bytes that the connection read since.
 */
export const half = Effect.fnUntraced(function* (tcp: TcpSocket, reading: Reading, frameMillis: number) {
  let seen = tcp.bytesRead
  let begun = false
  for (;;) {
    yield* Effect.sleep(Duration.millis(frameMillis))
    const grown = reading.waiting && !reading.came && tcp.bytesRead - seen > Bounds.socketPartialBytes
    if (grown && begun) return 4408 as const
    begun = grown
    if (!grown) seen = tcp.bytesRead
    reading.came = false
  }
})

/** The door closes: what is in hand is answered first, as far as there is time. */
export const drained = (drain: Drain["Service"], idle: Effect.Effect<void>, drainMillis: number) =>
  drain.signal.pipe(Effect.andThen(Effect.timeoutOption(idle, Duration.millis(drainMillis))), Effect.as(1001 as const))

/** The principal's key opens nothing any more: looked at again whenever something about the principal was committed. */
export const revoked = (
  listener: Listener,
  caller: Principal,
  feed: Feed["Service"],
  identity: Identity["Service"]
) => {
  if (caller.keyId === undefined) return Effect.never
  return Effect.scoped(
    Effect.gen(function* () {
      const changed = yield* feed.changed(`principal:${caller.actor.id}`)
      const since = listener.doubts()
      const stands = yield* Effect.result(identity.renew(caller))
      if (stands._tag === "Success") {
        listener.trust(since)
        yield* changed
        return false
      }
      if (stands.failure._tag === "Unauthenticated") return true
      // A store that does not answer takes nobody's key; whoever is held stays so until it does.
      yield* Effect.sleep(Duration.seconds(1))
      return false
    })
  ).pipe(Effect.repeat({ until: (gone) => gone }), Effect.as(4401 as const))
}
