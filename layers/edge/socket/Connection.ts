/**
 * WebSockets, each from its first frame to its end.
 *
 *   frame -> Asked -> answer | problem
 *   event of what is followed -> Deliveries -> event frame
 *   a halt that stands, begins or ends -> Notices -> halt frame
 *
 * Owns the order of things on a connection, and why it ends. Does not own what a frame asks (`Asked`), who follows what
 * (`Registry`) or who may open one (`SocketDoor`).
 *
 * Invariants: a connection ends once, and is told the first reason; events of what is followed come in order, each once;
 * nothing grows with a peer that does not read, or that sends more than is done; one that lies idle costs its record, its
 * socket and the fiber that reads it: what happens to all of them, one fiber does for all.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import { EventStore } from "#src/ports/EventStore.ts"
import { Identity, type Principal } from "#src/ports/Identity.ts"
import { closings, type Closing } from "../api/Frames.ts"
import type { HaltState } from "../api/HaltApi.ts"
import type { Deeds } from "../Deeds.ts"
import { HaltNews } from "../HaltNews.ts"
import { Drain } from "../http/Drain.ts"
import * as Asked from "./Asked.ts"
import * as Deliveries from "./Deliveries.ts"
import * as Endings from "./Endings.ts"
import type * as Follower from "./Follower.ts"
import type { Held, Listener } from "./Listener.ts"
import * as Notices from "./Notices.ts"
import * as Outbox from "./Outbox.ts"
import * as Peer from "./Peer.ts"
import * as Periodic from "./Periodic.ts"
import type { Registry } from "./Registry.ts"
import type { Tail } from "./Tail.ts"

export interface Limits extends Follower.Limits, Outbox.Limits, Asked.Limits {
  readonly frameMillis: number
  readonly heartbeatMillis: number
  readonly drainMillis: number
}

export interface Shared {
  readonly registry: Registry<Listener, Follower.Follower>
  readonly tail: Tail
  readonly deeds: Deeds
  readonly limits: Limits
  /** Connections, and what serves them all, end with it at the latest. */
  readonly lasting: Scope.Scope
}

/** Makes what serves connections. What comes back takes one in, and serves it until one of the two sides ends it. */
export const make = Effect.fnUntraced(function* ({ deeds, lasting, limits, registry, tail }: Shared) {
  const store = yield* EventStore
  const identity = yield* Identity
  const drain = yield* Drain
  const news = yield* HaltNews
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const deliveries = Deliveries.make({ store, tail, registry, show: deeds.readable.show, limits })
  const open = new Set<Peer.Peer>()

  // --- an end ------------------------------------------------------------------------------

  const finish = Effect.fnUntraced(function* (peer: Peer.Peer, why: Closing | null, exit: Exit.Exit<unknown, unknown>) {
    // Nothing more is made for a peer that is told to go.
    yield* deliveries.stop(peer)
    if (why !== null) {
      yield* Effect.ignore(peer.wire.writer.write(new Socket.CloseEvent(why, closings[why])))
    }
    yield* Fiber.interruptAll(peer.working)
    yield* Scope.close(peer.scope, exit)
    yield* Effect.logDebug("a WebSocket ended", { connection: peer.listener.id, ending: why })
  }, Effect.uninterruptible)

  /** From here on it is told nothing else; what comes back does the rest. */
  const ending = (peer: Peer.Peer, why: Closing | null, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> => {
    peer.ending = why
    open.delete(peer)
    heartbeats.leave(peer)
    halves.leave(peer)
    return finish(peer, why, exit)
  }

  /** The first that ends it says why. */
  const end = (peer: Peer.Peer, why: Closing | null, exit: Exit.Exit<void> = Exit.void) => {
    if (peer.ending === undefined) Fiber.runIn(fork(ending(peer, why, exit)), lasting)
  }

  yield* Scope.addFinalizerExit(lasting, (exit) =>
    Effect.forEach(open, (peer) => ending(peer, null, exit), {
      concurrency: "unbounded",
      discard: true
    })
  )

  /** Runs it until it is over, or the connection is. A bug of ours ends the connection, and not the answer to one frame alone. */
  const run = (peer: Peer.Peer, effect: Effect.Effect<void>) => {
    if (peer.ending !== undefined) return
    // Whoever ends with the connection does not come here: an interrupt that does is a bug too.
    const broken = (cause: Cause.Cause<never>) =>
      Effect.andThen(
        Effect.logError("a WebSocket met a bug", cause),
        Effect.sync(() => end(peer, null, Exit.failCause(cause)))
      )
    const fiber = fork(Effect.catchCause(effect, broken))
    peer.working.add(fiber)
    fiber.addObserver(() => peer.working.delete(fiber))
  }

  // --- what happens to all -----------------------------------------------------------------

  const heartbeat = (peer: Peer.Peer) => {
    // One that is slow has the last one still before it.
    if (peer.beating) return
    peer.beating = true
    const over = Effect.sync(() => void (peer.beating = false))
    run(peer, Effect.ensuring(deliveries.heartbeat(peer), over))
  }
  const heartbeats = yield* Periodic.make(limits.heartbeatMillis, heartbeat, lasting)
  const half = (peer: Peer.Peer) => {
    if (Endings.lookForHalf(peer)) end(peer, 4408)
  }
  const halves = yield* Periodic.make(limits.frameMillis, half, lasting)

  const look = (peer: Peer.Peer) =>
    Effect.map(Endings.lookForRevocation(peer.listener, peer.caller, identity), (gone) => {
      if (gone) end(peer, 4401)
    })

  const drained = (peer: Peer.Peer) =>
    Effect.andThen(
      Endings.drained(peer.inHand, limits.drainMillis),
      Effect.sync(() => end(peer, 1001))
    )
  const drainAll = Effect.sync(() => {
    for (const peer of open) run(peer, drained(peer))
  })
  yield* Effect.forkIn(Effect.andThen(drain.signal, drainAll), lasting)

  let halt: HaltState | null = null
  const notify = (peer: Peer.Peer, state: HaltState) => {
    const tell = Notices.take(peer, state)
    if (tell !== null) run(peer, tell)
  }
  yield* news.listen((state) =>
    Effect.sync(() => {
      halt = state
      for (const peer of open) notify(peer, state)
    })
  )

  // --- in ----------------------------------------------------------------------------------

  const receive = yield* Asked.make({ deeds, deliveries, limits, run, end })

  /** Nothing that comes after its end is done, also while what is in hand is still being undone. */
  const goesOn = (peer: Peer.Peer, next: Effect.Effect<void>) =>
    Effect.suspend(() => (peer.ending === undefined ? next : Effect.void))

  /** Reads until the peer goes; between two frames a fiber holds no more than this one step. */
  const reading = (peer: Peer.Peer): Effect.Effect<void> => {
    peer.waiting = true
    return Effect.matchEffect(peer.wire.pull, {
      onFailure: () => Effect.sync(() => end(peer, null)),
      onSuccess: (batch) => {
        peer.waiting = false
        peer.came = true
        return Effect.andThen(
          Effect.forEach(batch, (raw) => goesOn(peer, receive(peer, raw)), { discard: true }),
          goesOn(
            peer,
            Effect.suspend(() => reading(peer))
          )
        )
      }
    })
  }

  return (listener: Held, caller: Principal, scope: Scope.Closeable, wire: Peer.Wire): Peer.Peer => {
    const outbox = new Outbox.Watched(wire.writer, wire.tcp, limits, () => end(peer, 4429))
    const peer = Peer.make(listener, caller, scope, wire, outbox)
    open.add(peer)
    heartbeats.join(peer)
    halves.join(peer)
    listener.attend(() => run(peer, look(peer)))
    if (halt !== null) notify(peer, halt)
    if (drain.begun()) run(peer, drained(peer))
    run(peer, reading(peer))
    // It came while the last were ended.
    if (lasting.state._tag === "Closed") end(peer, null)
    return peer
  }
})
