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
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { type AnySpan, ParentSpan } from "effect/Tracer"
import type { Outcome } from "#src/kernel/Append.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Gauge from "#src/kernel/Gauge.ts"
import * as Trace from "#src/kernel/Trace.ts"
import { EventStoreError } from "#src/ports/EventStore.ts"
import type { Judged } from "./Batch.ts"
import * as Numbers from "./Numbers.ts"
import { JournalDefect, type Prepared } from "./Preparation.ts"
import { unavailable } from "./SqlFailure.ts"

export interface BatchWriter {
  readonly append: (appends: ReadonlyArray<Prepared>) => Effect.Effect<ReadonlyArray<Outcome>, EventStoreError>
}

/**
 * Answers one outcome per append, or fails where nothing at all was written. What can be made ready is made when it is
 * called; the effect sends it.
 */
export type Write = (batch: ReadonlyArray<Prepared>) => Effect.Effect<ReadonlyArray<Judged>, EventStoreError>

export interface Options {
  /**
   * True where writing goes on beside this thread: batches are then half of what there is, so that both work at once.
   * False where it occupies this very thread: then nothing is gained by dividing.
   */
  readonly overlaps: boolean
}

export const make = Effect.fnUntraced(function* (
  write: Write,
  { overlaps }: Options
): Effect.fn.Return<BatchWriter, never, Scope.Scope> {
  const context = yield* Effect.context<never>()
  const waiting: Array<HandOver> = []
  const arrived = Latch.makeUnsafe(false)
  let waitingAppends = 0
  let closed = false

  /**
   * Half of those who wait or are being answered, so that while one half is written the other prepares what is next.
   */
  const share = (answering: number): number =>
    !overlaps
      ? Bounds.batchAppendsMax
      : Math.min(Bounds.batchAppendsMax, Math.max(smallBatch, Math.ceil((waitingAppends + answering) / 2)))

  const take = (answering: number): ReadonlyArray<HandOver> => {
    const most = share(answering)
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

  const ready = (answering: number): Ready => {
    const taken = take(answering)
    const appends = taken.flatMap((handOver) => handOver.appends)
    return { taken, appends: appends.length, send: traced(taken, appends.length, write(appends)) }
  }

  const batches = Effect.gen(function* () {
    // Those who were woken together hand over together.
    yield* Effect.yieldNow
    let answered: Answered | null = null
    let next: Ready | null = null
    while ((next !== null || waiting.length > 0) && !closed) {
      if (!overlaps && answered !== null) {
        deliver(answered)
        answered = null
        yield* Effect.yieldNow
      }
      const current: Ready = next ?? ready(answered?.appends ?? 0)
      Numbers.batchAppends.updateUnsafe(current.appends, context)
      const sent: Sent = yield* Effect.forkChild(current.send, { startImmediately: true })
      // The database works already; meanwhile the last batch's callers are told, come back within a turn of the event
      // loop, and where they fill a batch it is made ready.
      if (answered !== null) deliver(answered)
      yield* Effect.yieldNow
      next = waitingAppends >= share(current.appends) ? ready(current.appends) : null
      answered = { ...current, exit: yield* Fiber.await(sent) }
      if (next === null && waiting.length === 0) {
        deliver(answered)
        answered = null
        yield* Effect.yieldNow
      }
    }
    if (answered !== null) deliver(answered)
    if (next !== null) deliver({ ...next, exit: Exit.fail(stopped) })
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

  yield* Gauge.show(Numbers.waiting, () => waitingAppends)

  const append: BatchWriter["append"] = (appends) =>
    Effect.flatMap(Effect.serviceOption(ParentSpan), (span) =>
      Effect.suspend(() => {
        if (appends.length === 0) return Effect.succeed([])
        if (closed) return Effect.fail(stopped)
        if (appends.length > Bounds.batchAppendsMax) {
          return Effect.die(new JournalDefect(`${appends.length} appends at once; at most ${Bounds.batchAppendsMax}`))
        }
        if (waitingAppends + appends.length > Bounds.journalQueueMax) return Effect.fail(overloaded)
        const reply = Deferred.makeUnsafe<ReadonlyArray<Outcome>, EventStoreError>()
        waiting.push({
          appends,
          size: appends.reduce((sum, { size }) => sum + size, 0),
          reply,
          span: Option.getOrUndefined(span)
        })
        waitingAppends += appends.length
        arrived.openUnsafe()
        return Deferred.await(reply)
      })
    )

  return { append: (appends) => Numbers.timed(append(appends)) }
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

interface HandOver {
  readonly appends: ReadonlyArray<Prepared>
  readonly size: number
  readonly reply: Deferred.Deferred<ReadonlyArray<Outcome>, EventStoreError>
  /** In which it waits. */
  readonly span: AnySpan | undefined
}

/** A batch, complete and not yet sent. */
interface Ready {
  readonly taken: ReadonlyArray<HandOver>
  readonly appends: number
  readonly send: ReturnType<Write>
}

type Sent = Fiber.Fiber<ReadonlyArray<Judged>, EventStoreError>

/** A batch whose callers are still to be told. */
interface Answered extends Pick<Ready, "taken" | "appends"> {
  readonly exit: Exit.Exit<ReadonlyArray<Judged>, EventStoreError>
}

const traced = (taken: ReadonlyArray<HandOver>, appends: number, sending: ReturnType<Write>): ReturnType<Write> =>
  Effect.withSpan(sending, "EventStore.write", {
    ...Trace.together(taken.flatMap(({ span }) => span ?? [])),
    kind: "client",
    attributes: { "keelson.appends": appends },
    captureStackTrace: false
  })

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
