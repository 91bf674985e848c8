/**
 * What one connection follows, and its events on the way to it.
 *
 * Owns how far each was told. Does not own who follows what (`Registry`), nor whether that may be followed
 * (`Asked`).
 *
 * Invariants: pulled, so the journal is read, and an event opened and made a frame, only once there is room for it; a
 * connection has one page of the journal at a time, however much it follows, and lets go of it where there
 * is no room; nothing is told while the connection is held; where the journal can't be read, the peer is told how far it came.
 */
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import type { EventStore } from "#src/ports/EventStore.ts"
import type { Show } from "../http/Show.ts"
import * as Problems from "../Problems.ts"
import * as Followed from "./Followed.ts"
import * as Follower from "./Follower.ts"
import * as Incoming from "./Incoming.ts"
import type { Listener } from "./Listener.ts"
import type { Outbox } from "./Outbox.ts"
import type { Registry } from "./Registry.ts"
import * as Replies from "./Replies.ts"
import type { Tail } from "./Tail.ts"

/** From where on, as the frame says that asks for it. */
interface Start {
  readonly id: string
  readonly after?: number | undefined
}

/** What all connections share. */
export interface Needs {
  readonly store: EventStore["Service"]
  readonly tail: Tail
  readonly registry: Registry<Listener, Follower.Follower>
  readonly show: Show
  readonly limits: Follower.Limits
}

/** What a connection keeps of it. */
export interface Following {
  readonly listener: Listener
  readonly outbox: Outbox
  readonly scope: Scope.Closeable
  /** What tells it of what it follows, made with the first. */
  running: FiberMap.FiberMap<Followed.Key, void> | undefined
  /** Its turns to read, made with the first. */
  readTurns: Semaphore.Semaphore | undefined
}

const sent = Metric.counter("socket_events_sent_total", {
  description: "Events sent to followers over WebSockets.",
  incremental: true
})

export const make = ({ limits, registry, show, store, tail }: Needs) => {
  /** Tells what is followed for as long as it can be read. */
  const deliver = (peer: Following, followed: Followed.Followed, follower: Follower.Follower) => {
    const { listener, outbox } = peer
    const { key, name, types } = followed
    const turns = (peer.readTurns ??= Semaphore.makeUnsafe(1))
    let previous = follower.cursor()

    /** Shown once there is room; told only where nothing speaks against it by then. Else its turn comes again. */
    const give = (stored: StoredEvent): Effect.Effect<void, Problems.Failure> =>
      Effect.andThen(listener.trusted, offer(stored)).pipe(
        Effect.repeat({ until: () => follower.cursor() >= stored.position }),
        Effect.asVoid
      )

    const offer = (stored: StoredEvent) =>
      outbox.send(
        Effect.gen(function* () {
          if (!(yield* followed.mayTell(stored))) {
            follower.advance(stored.position)
            return null
          }
          const event = followed.cut(yield* show.event(stored))
          if (!listener.isTrusted()) return null
          const frame = { type: types.event, ...name, sequence: stored.position, previous, event }
          previous = stored.position
          follower.advance(stored.position)
          yield* Metric.update(sent, 1)
          return JSON.stringify(frame)
        })
      )

    /** A page of the journal, as far as the tail has come; what there is no room for is read again. */
    const page = Effect.gen(function* () {
      yield* outbox.room
      const upTo = yield* tail.position
      if (follower.catchUp(upTo)) return
      for (const stored of yield* store.readAll(follower.cursor(), Bounds.readLimitMax, limits.queueTextMax)) {
        if (stored.position > upTo) return
        if (followed.concerns(yield* tail.belongingOf(stored))) {
          if (!outbox.hasRoom()) return
          yield* give(stored)
        }
        follower.advance(stored.position)
      }
    })
    const read = turns.withPermits(1)(page)

    const next = Effect.suspend(() => {
      if (follower.isBehind()) return read
      const stored = follower.next()
      return stored === undefined ? follower.awake : give(stored)
    })

    return Effect.catchCause(Effect.forever(next), (cause) =>
      Effect.gen(function* () {
        const problem = yield* Replies.problemOf(cause, { connection: listener.id, followed: `${key.kind} ${key.id}` })
        // First the word: a subscription that comes after it must not be ended by it.
        yield* Replies.end(peer, followed, follower.cursor(), problem)
        yield* registry.unfollow(listener.id, key)
      })
    )
  }

  const follow = Effect.fnUntraced(function* (peer: Following, followed: Followed.Followed, { after, id }: Start) {
    const { key, name, types } = followed
    const from = after ?? (yield* tail.position)
    const head = after === undefined ? from : yield* store.head
    if (from > head) return yield* Incoming.flaw("/after", `the journal ends at ${head}`)
    const follower = Follower.make(from, limits)
    yield* registry.follow(peer.listener.id, key, follower)
    yield* Replies.answer(peer, { id, type: types.subscribe }, { body: { ...name, after: from }, repeated: false })
    peer.running ??= yield* Scope.provide(FiberMap.make<Followed.Key, void>(), peer.scope)
    yield* FiberMap.run(peer.running, key, deliver(peer, followed, follower))
  })

  const unfollow = Effect.fnUntraced(function* (
    peer: Following,
    frame: Incoming.UnsubscribeFrame | Incoming.WorkUnsubscribeFrame
  ) {
    const key = frame.type === "unsubscribe" ? Followed.sessionOf(frame.sessionId) : Followed.workOf(frame.executorId)
    if (!(yield* registry.unfollow(peer.listener.id, key))) {
      return yield* Problems.make("NotFound", `${key.kind} ${key.id} is not followed here`, key)
    }
    if (peer.running !== undefined) yield* FiberMap.remove(peer.running, key)
    yield* Replies.answer(peer, frame, { body: {}, repeated: false })
  })

  /** Up to where nothing is missing, for all that is followed. */
  const heartbeat = Effect.fnUntraced(function* (peer: Following) {
    const position = yield* tail.handedOut
    const followed = yield* registry.followedBy(peer.listener.id)
    const told = followed.map(([key, follower]) => ({
      ...key,
      sequence: follower.completeUpTo(position)
    }))
    yield* Replies.tell(peer, {
      type: "heartbeat",
      sessions: told.flatMap(({ id, kind, sequence }) => (kind === "session" ? [{ sessionId: id, sequence }] : [])),
      work: told.flatMap(({ id, kind, sequence }) => (kind === "work" ? [{ executorId: id, sequence }] : []))
    })
  })

  const stop = ({ running }: Following) => (running === undefined ? Effect.void : FiberMap.clear(running))

  return { follow, unfollow, heartbeat, stop }
}

export type Deliveries = ReturnType<typeof make>
