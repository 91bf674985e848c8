/**
 * Reads of one thing by its key, which go to the database together where many wait.
 *
 *   read(key) --a statement may begin--> with everything else that waits --> one statement --> each its own answer
 *
 * A lone reader pays one round trip, as before; a crowd pays few. Owns the gathering. Does not own SQL, nor what an
 * answer means.
 *
 * Invariants: a statement begins after everybody whose answer it brings has asked, so that what was committed before the
 * question is seen; what one answer's decoding fails by is that reader's alone; what waits beyond one statement's bound
 * goes with the next.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Request from "effect/Request"
import * as RequestResolver from "effect/RequestResolver"
import type { EventStoreError } from "#src/ports/EventStore.ts"

export interface Options<Key, A> {
  /** Keys of one statement, at most. */
  readonly keysMax: number
  /** One answer per key, in their order. */
  readonly read: (
    keys: ReadonlyArray<Key>
  ) => Effect.Effect<ReadonlyArray<Exit.Exit<A, EventStoreError>>, EventStoreError>
}

/** Statements of one kind at once, full ones aside: while one is answered, the next is on its way. */
const statementsMax = 2

export const make = <Key, A>({ keysMax, read }: Options<Key, A>): ((key: Key) => Effect.Effect<A, EventStoreError>) => {
  interface Read extends Request.Request<A, EventStoreError> {
    readonly key: Key
  }
  const request = Request.of<Read>()
  const free = Latch.makeUnsafe(true)
  let statements = 0
  const begin = Effect.sync(() => {
    statements += 1
    if (statements >= statementsMax) free.closeUnsafe()
  })
  const end = Effect.sync(() => {
    statements -= 1
    free.openUnsafe()
  })

  const answer = (entries: ReadonlyArray<Request.Entry<Read>>) =>
    Effect.map(read(entries.map((entry) => entry.request.key)), (answers) => {
      for (const [index, entry] of entries.entries()) entry.completeUnsafe(answers[index] ?? missing)
    })

  const resolver = RequestResolver.makeWith<Read>({
    batchKey: () => free,
    // Who was woken together asks together.
    delay: Effect.andThen(Effect.yieldNow, free.await),
    collectWhile: (entries) => entries.size < keysMax,
    runAll: (entries) =>
      Effect.acquireUseRelease(
        begin,
        () => answer(entries),
        () => end
      )
  })
  return (key) => Effect.request(request({ key }), resolver)
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const missing = Exit.die(new Error("a statement answered fewer keys than it was asked for"))
