/**
 * One follower of the journal that wakes whoever waits for a stream, and tells listeners what was committed.
 *
 * Invariants: a waiter registered before a commit is woken after it; waiting costs no reads; a follower that
 * fails is started again after the last event that was heard, so a listener misses nothing.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import { EventStore, type EventStoreError } from "#src/ports/EventStore.ts"
import { Feed } from "#src/ports/Feed.ts"

export const make = Effect.gen(function* () {
  const store = yield* EventStore
  const waiting = new Map<string, Set<Deferred.Deferred<void>>>()
  let position = yield* store.head

  const wake = (stream: string) => {
    const waiters = waiting.get(stream)
    if (waiters === undefined) return
    waiting.delete(stream)
    for (const waiter of waiters) Deferred.doneUnsafe(waiter, Effect.void)
  }

  const listeners = new Set<(stored: StoredEvent) => Effect.Effect<void>>()

  const seen = Effect.fnUntraced(function* (stored: StoredEvent) {
    position = stored.position
    // What one listener can't hear is its own loss, and nobody else's.
    for (const hear of listeners) {
      yield* Effect.catchCause(
        Effect.suspend(() => hear(stored)),
        (cause) => Effect.logError("a listener of the feed broke", cause)
      )
    }
    wake(stored.envelope.stream)
  })

  yield* Effect.suspend(() => Stream.runForEach(store.follow(position), seen)).pipe(
    Effect.sandbox,
    Effect.tapError((cause) => Effect.logWarning("the feed lost the journal and looks again", cause)),
    Effect.retry(Schedule.spaced("1 second")),
    Effect.forkScoped
  )

  const changed: Feed["Service"]["changed"] = (stream) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const waiter = Deferred.makeUnsafe<void>()
        const waiters = waiting.get(stream) ?? new Set()
        waiting.set(stream, waiters.add(waiter))
        return waiter
      }),
      (waiter) =>
        Effect.sync(() => {
          const waiters = waiting.get(stream)
          waiters?.delete(waiter)
          if (waiters?.size === 0) waiting.delete(stream)
        })
    ).pipe(Effect.map(Deferred.await))

  const listen: Feed["Service"]["listen"] = (hear) =>
    Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => listeners.add(hear)),
        () => Effect.sync(() => listeners.delete(hear))
      )
    )

  return Feed.of({ changed, listen, position: Effect.sync(() => position) })
})

export const layer: Layer.Layer<Feed, EventStoreError, EventStore> = Layer.effect(Feed, make)
