/**
 * What goes out to one peer: frame after frame, and none made before the ones before it are on their way.
 *
 * Effect's `Socket` hands frames to the connection however much waits there, so the room in the TCP socket is watched
 * here. Owns that room. Does not own what is said.
 *
 * Invariants: at most `bytesMax` and one frame wait for a peer; a peer that takes nothing for `stallMillis` is said to
 * be too slow, and nothing more is made for it.
 */
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
}

/** A class, since there is one for each of thousands that lie idle. */
export class Watched implements Outbox {
  readonly #writer: Socket.Writer
  readonly #tcp: TcpSocket
  readonly #limits: Limits
  readonly #tooSlow: () => void
  /** Kept only while somebody sends: else each heartbeat would leave one behind on a connection that lies idle. */
  #turns: Semaphore.Semaphore | undefined
  #senders = 0
  /** Frames sent in one go: before Node's next tick. */
  #sent = 0

  /** `tooSlow` is told, perhaps again and again, that the peer makes no room. */
  constructor(writer: Socket.Writer, tcp: TcpSocket, limits: Limits, tooSlow: () => void) {
    this.#writer = writer
    this.#tcp = tcp
    this.#limits = limits
    this.#tooSlow = tooSlow
  }

  send<E, R>(make: Effect.Effect<string | null, E, R>): Effect.Effect<void, E, R> {
    const sending = Effect.flatMap(Effect.andThen(this.room, make), (frame) =>
      // A connection that is gone ends by its reader.
      frame === null ? Effect.void : Effect.suspend(() => this.#write(frame))
    )
    return Effect.acquireUseRelease(
      Effect.sync(() => this.#join()),
      (turns) => turns.withPermits(1)(sending),
      () => Effect.sync(() => this.#leave())
    )
  }

  /** The first of those that are sent in one go leaves at once; what comes with it, as after a commit, in one write. */
  #write(frame: string): Effect.Effect<void> {
    this.#sent += 1
    if (this.#sent === 1) process.nextTick(Watched.#gone, this)
    if (this.#sent === 2) this.#tcp.cork()
    return Effect.ignore(this.#writer.write(frame))
  }

  /** What was held back makes no room by itself. */
  #flush(): void {
    if (this.#sent > 1) this.#tcp.uncork()
    this.#sent = Math.min(this.#sent, 1)
  }

  static #gone(this: void, outbox: Watched): void {
    outbox.#flush()
    outbox.#sent = 0
  }

  #join(): Semaphore.Semaphore {
    this.#senders += 1
    return (this.#turns ??= Semaphore.makeUnsafe(1))
  }

  #leave(): void {
    this.#senders -= 1
    if (this.#senders === 0) this.#turns = undefined
  }

  hasRoom(): boolean {
    return this.#tcp.writableLength < this.#limits.outboxBytesMax || this.#tcp.destroyed
  }

  get room(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!this.hasRoom()) this.#flush()
      if (this.hasRoom()) return Effect.void
      const before = this.#taken()
      return Effect.timeoutOrElse(drained(this.#tcp), {
        duration: Duration.millis(this.#limits.stallMillis),
        // Slow is not stuck. Whoever waits for one that is ends with the connection.
        orElse: () => (this.#taken() > before ? this.room : Effect.andThen(Effect.sync(this.#tooSlow), Effect.never))
      })
    })
  }

  /** Bytes that the peer's side took. */
  #taken(): number {
    return this.#tcp.bytesWritten - this.#tcp.writableLength
  }
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const drained = (tcp: TcpSocket) =>
  Effect.callback<void>((resume) => {
    const go = () => resume(Effect.void)
    tcp.once("drain", go)
    tcp.once("close", go)
    return Effect.sync(() => {
      tcp.off("drain", go)
      tcp.off("close", go)
    })
  })
