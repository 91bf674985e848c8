/**
 * What goes out to one peer: frame after frame, and none made before the ones before it are on their way.
 *
 * Effect's `Socket` hands frames to the connection however much waits there, so the room in the TCP socket is watched
 * here. Owns that room. Does not own what is said.
 *
 * Invariants: at most `bytesMax` and one frame wait for a peer; a peer that takes nothing for `stallMillis` is said to
 * be too slow, and nothing more is made for it.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type * as Socket from "effect/socket/Socket"
import type { Socket as TcpSocket } from "node:net"

export interface Limits {
  readonly outboxBytesMax: number
  readonly stallMillis: number
}

export interface Outbox {
  /** Makes a frame once there is room for it, and sends it. Nothing is sent where nothing is made. */
  readonly send: <E, R>(make: Effect.Effect<string | null, E, R>) => Effect.Effect<void, E, R>
  readonly hasRoom: () => boolean
  /** Completes once there is room; with the connection where the peer makes none. */
  readonly room: Effect.Effect<void>
  /** Completes once the peer is too slow. */
  readonly tooSlow: Effect.Effect<void>
}

export const make = (writer: Socket.Writer, tcp: TcpSocket, limits: Limits): Outbox => {
  const turns = Semaphore.makeUnsafe(1)
  const stalled = Deferred.makeUnsafe<void>()

  const drained = Effect.callback<void>((resume) => {
    const go = () => resume(Effect.void)
    tcp.once("drain", go)
    tcp.once("close", go)
    return Effect.sync(() => {
      tcp.off("drain", go)
      tcp.off("close", go)
    })
  })

  /** Bytes that the peer's side took. */
  const taken = () => tcp.bytesWritten - tcp.writableLength

  const hasRoom = () => tcp.writableLength < limits.outboxBytesMax || tcp.destroyed

  const room: Effect.Effect<void> = Effect.suspend(() => {
    if (hasRoom()) return Effect.void
    const before = taken()
    return Effect.timeoutOrElse(drained, {
      duration: Duration.millis(limits.stallMillis),
      // Slow is not stuck. Whoever waits for one that is ends with the connection.
      orElse: () => (taken() > before ? room : Effect.andThen(Deferred.succeed(stalled, undefined), Effect.never))
    })
  })

  const sendInTurn = Effect.fnUntraced(function* <E, R>(make: Effect.Effect<string | null, E, R>) {
    yield* room
    const frame = yield* make
    // A connection that is gone ends by its reader.
    if (frame !== null) yield* Effect.ignore(writer.write(frame))
  })

  return {
    send: (make) => turns.withPermits(1)(sendInTurn(make)),
    hasRoom,
    room,
    tooSlow: Deferred.await(stalled)
  }
}
