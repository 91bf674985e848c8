import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Following from "#layers/event-store/Following.ts"
import { unavailable } from "#layers/event-store/SqlFailure.ts"
import * as Wake from "#layers/event-store/Wake.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import type { EventStoreError } from "#src/ports/EventStore.ts"

const at = (position: number) => ({ position }) as StoredEvent

/** A journal that is written by hand, and counts how often it is read. */
const stage = Effect.fnUntraced(function* (answer: Effect.Effect<void, EventStoreError> = Effect.void) {
  const journal: Array<StoredEvent> = []
  const wake = Wake.make()
  let reads = 0
  const read = (after: number) =>
    Effect.andThen(answer, Effect.yieldNow).pipe(
      Effect.map(() => {
        reads += 1
        return journal.filter(({ position }) => position > after).slice(0, 3)
      })
    )
  const { follow, keep } = yield* Following.make(read, wake)
  const write = (...positions: ReadonlyArray<number>) => {
    journal.push(...positions.map(at))
    wake.note(journal.length)
  }
  const take = (after: number, count: number) =>
    follow(after).pipe(
      Stream.take(count),
      Stream.runCollect,
      Effect.map((events) => [...events].map(({ position }) => position))
    )
  /** As this process does: kept, then told. */
  const commit = (...positions: ReadonlyArray<number>) => Effect.map(keep(positions.map(at)), () => write(...positions))
  return { commit, reads: () => reads, take, write }
})

describe("those who follow the journal", () => {
  it.effect("read it once, however many they are, and each sees all of it in order", () =>
    Effect.gen(function* () {
      const { reads, take, write } = yield* stage()
      const many = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 20 }, () => take(0, 7)),
          { concurrency: "unbounded" }
        ),
        { startImmediately: true }
      )
      write(1, 2, 3, 4)
      yield* Effect.yieldNow
      write(5, 6, 7)
      for (const seen of yield* Fiber.join(many)) assert.deepStrictEqual(seen, [1, 2, 3, 4, 5, 6, 7])
      // Of nothing yet, of a full page, of the rest.
      assert.strictEqual(reads(), 3)
    })
  )

  it.effect("get what this process commits from its hand, and read what another put between", () =>
    Effect.gen(function* () {
      const { commit, reads, take, write } = yield* stage()
      const both = yield* Effect.forkChild(Effect.all([take(0, 6), take(0, 6)], { concurrency: 2 }), {
        startImmediately: true
      })
      yield* Effect.yieldNow
      const idle = reads()
      yield* commit(1, 2)
      yield* commit(3)
      assert.strictEqual(reads(), idle)
      write(4)
      yield* commit(5, 6)
      for (const seen of yield* Fiber.join(both)) assert.deepStrictEqual(seen, [1, 2, 3, 4, 5, 6])
      assert.isAbove(reads(), idle)
    })
  )

  it.effect("read on their own where one stands far behind", () =>
    Effect.gen(function* () {
      const { reads, take, write } = yield* stage()
      write(1, 2, 3, 4, 5, 6, 7, 8, 9)
      const seen = yield* Effect.all([take(0, 9), take(5, 4), take(8, 1)], { concurrency: "unbounded" })
      assert.deepStrictEqual(seen, [[1, 2, 3, 4, 5, 6, 7, 8, 9], [6, 7, 8, 9], [9]])
      // After 0, 3 and 6; after 5; after 8, for two.
      assert.strictEqual(reads(), 5)
    })
  )

  it.effect("lose nobody where one of them goes away while it reads for all", () =>
    Effect.gen(function* () {
      const { take, write } = yield* stage()
      write(1, 2)
      const first = yield* Effect.forkChild(take(0, 2), { startImmediately: true })
      const second = yield* Effect.forkChild(take(0, 2), { startImmediately: true })
      yield* Fiber.interrupt(first)
      assert.deepStrictEqual(yield* Fiber.join(second), [1, 2])
    })
  )

  it.effect("are told of a hole", () =>
    Effect.gen(function* () {
      const { take, write } = yield* stage()
      write(1, 3)
      assert.include((yield* Effect.flip(take(0, 2))).detail, "position 2 is missing")
    })
  )

  it.effect("ask again after a store that did not answer", () =>
    Effect.gen(function* () {
      let down = true
      const { take, write } = yield* stage(
        Effect.suspend(() => (down ? Effect.fail(unavailable("follow", "gone")) : Effect.void))
      )
      write(1)
      yield* Effect.flip(take(0, 1))
      down = false
      assert.deepStrictEqual(yield* take(0, 1), [1])
    })
  )
})
