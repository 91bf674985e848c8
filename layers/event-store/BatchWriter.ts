/**
 * Everything that waits becomes the next batch.
 *
 *   append --> waiting (bounded) --one batch in flight, no timer--> write --> one answer per hand-over
 *
 * Owns the queue, the bounds of a batch and the delivery of outcomes. Does not own what writing means (`write`).
 *
 * Invariants: hand-overs keep their order and are never split between batches; a caller that goes away disturbs
 * nobody; a batch that was sent is waited for before the writer stops; what never was sent fails as `Unavailable`.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import type { Outcome } from "#src/kernel/Append.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { EventStoreError } from "#src/ports/EventStore.ts"
import type { Judged } from "./Batch.ts"
import { JournalDefect, type Prepared } from "./Preparation.ts"
import { unavailable } from "./SqlFailure.ts"

export interface BatchWriter {
  readonly append: (appends: ReadonlyArray<Prepared>) => Effect.Effect<ReadonlyArray<Outcome>, EventStoreError>
}

/** `write` answers one outcome per append, or fails where nothing at all was written. */
export type Write = (batch: ReadonlyArray<Prepared>) => Effect.Effect<ReadonlyArray<Judged>, EventStoreError>

export const make = Effect.fnUntraced(function* (write: Write): Effect.fn.Return<BatchWriter, never, Scope.Scope> {
  const waiting: Array<HandOver> = []
  const arrived = Latch.makeUnsafe(false)
  let waitingAppends = 0
  let closed = false

  /** Half of those who wait or were just answered, so that while one half is written the other prepares what is next. */
  const share = (answered: number): number =>
    Math.min(Bounds.batchAppendsMax, Math.max(smallBatch, Math.ceil((waitingAppends + answered) / 2)))

  const take = (answered: number): ReadonlyArray<HandOver> => {
    const most = share(answered)
    let appends = 0
    let size = 0
    let count = 0
    for (const handOver of waiting) {
      appends += handOver.appends.length
      size += handOver.size
      if (count > 0 && (appends > most || size > Bounds.batchBytesMax)) break
      count += 1
    }
    const taken = waiting.splice(0, count)
    for (const { appends } of taken) waitingAppends -= appends.length
    return taken
  }

  const batches = Effect.gen(function* () {
    // Those who were woken together hand over together.
    yield* Effect.yieldNow
    let answered: Answered | null = null
    while (waiting.length > 0 && !closed) {
      const taken = take(answered?.appends ?? 0)
      const appends = taken.flatMap((handOver) => handOver.appends)
      const writing: Fiber.Fiber<ReadonlyArray<Judged>, EventStoreError> = yield* Effect.forkChild(write(appends), {
        startImmediately: true
      })
      // The database works already; meanwhile the last batch's callers are told and prepare their next commands.
      if (answered !== null) deliver(answered)
      answered = { taken, appends: appends.length, exit: yield* Fiber.await(writing) }
      if (waiting.length === 0) {
        deliver(answered)
        answered = null
        yield* Effect.yieldNow
      }
    }
    if (answered !== null) deliver(answered)
    if (waiting.length === 0 || closed) arrived.closeUnsafe()
  })

  // Finalizers run last to first: no new batch, then the end of the one in flight, then the rest fails.
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const { reply } of waiting.splice(0)) Deferred.doneUnsafe(reply, Effect.fail(stopped))
    })
  )
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(arrived.await, Effect.uninterruptible(batches))))
  yield* Effect.addFinalizer(() => Effect.sync(() => void (closed = true)))

  return {
    append: (appends) =>
      Effect.suspend(() => {
        if (appends.length === 0) return Effect.succeed([])
        if (closed) return Effect.fail(stopped)
        if (appends.length > Bounds.batchAppendsMax) {
          return Effect.die(new JournalDefect(`${appends.length} appends at once; at most ${Bounds.batchAppendsMax}`))
        }
        if (waitingAppends + appends.length > Bounds.journalQueueMax) return Effect.fail(overloaded)
        const reply = Deferred.makeUnsafe<ReadonlyArray<Outcome>, EventStoreError>()
        waiting.push({ appends, size: appends.reduce((sum, { size }) => sum + size, 0), reply })
        waitingAppends += appends.length
        arrived.openUnsafe()
        return Deferred.await(reply)
      })
  }
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

interface HandOver {
  readonly appends: ReadonlyArray<Prepared>
  readonly size: number
  readonly reply: Deferred.Deferred<ReadonlyArray<Outcome>, EventStoreError>
}

interface Answered {
  readonly taken: ReadonlyArray<HandOver>
  readonly appends: number
  readonly exit: Exit.Exit<ReadonlyArray<Judged>, EventStoreError>
}

/** So few are never divided: a round trip costs more than they do. */
const smallBatch = 8

const deliver = ({ taken, exit }: Answered): void => {
  if (Exit.isFailure(exit)) {
    for (const { reply } of taken) Deferred.doneUnsafe(reply, Effect.failCause(exit.cause))
    return
  }
  let from = 0
  for (const { appends, reply } of taken) {
    const judged = exit.value.slice(from, from + appends.length)
    from += appends.length
    Deferred.doneUnsafe(reply, answer(judged))
  }
}

/** A hand-over fails only where nothing of it was written; beside a neighbour that was, a failed append is in doubt. */
const answer = (judged: ReadonlyArray<Judged>): Effect.Effect<ReadonlyArray<Outcome>, EventStoreError> => {
  const outcomes: Array<Outcome> = []
  let failure: EventStoreError | undefined
  for (const one of judged) {
    if (one._tag === "Defect") return Effect.die(one.defect)
    if (one._tag === "Failed") failure ??= one.error
    outcomes.push(one._tag === "Failed" ? { _tag: "Indeterminate", cause: one.error.message } : one)
  }
  const written = judged.some((one) => one._tag !== "Failed")
  return failure === undefined || written ? Effect.succeed(outcomes) : Effect.fail(failure)
}

const stopped = unavailable("append", "the journal is closed")

const overloaded = new EventStoreError({
  reason: "Overloaded",
  operation: "append",
  detail: `${Bounds.journalQueueMax} appends wait already`,
  retryable: true
})
