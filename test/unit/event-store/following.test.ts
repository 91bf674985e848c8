import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Following from "#layers/event-store/Following.ts"
import { unavailable } from "#layers/event-store/SqlFailure.ts"
import * as Wake from "#layers/event-store/Wake.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import * as SeededScheduler from "#test/kit/seededScheduler.ts"
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
  return {
    commit,
    nudge: wake.nudge,
    follow,
    put: (position: number) => journal.push(at(position)),
    written: () => journal.length,
    reads: () => reads,
    take,
    write
  }
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

  it.effect("read anew where they are told to look again, whatever is being read", () =>
    Effect.gen(function* () {
      const reading = Deferred.makeUnsafe<void>()
      let slow = true
      const { nudge, put, take } = yield* stage(Effect.suspend(() => (slow ? Deferred.await(reading) : Effect.void)))
      // The first reads before the commit, and its reading is slow.
      const first = yield* Effect.forkChild(take(0, 1), { startImmediately: true })
      slow = false
      // Nobody tells of the position: a notification was lost, and all are told to look.
      put(1)
      nudge()
      assert.deepStrictEqual(yield* take(0, 1), [1])
      yield* Deferred.succeed(reading, undefined)
      assert.deepStrictEqual(yield* Fiber.join(first), [1])
    })
  )

  it("miss nothing and hear nothing twice under 1,000 interleavings with failures and interruptions", () => {
    for (let seed = 0; seed < 1_000; seed++) SeededScheduler.run(crowd(SeededScheduler.chance(seed), seed), seed)
  })
})

/** Six followers from anywhere, who stop, fail, are interrupted and go on, while twelve events are written. */
const crowd = (random: () => number, seed: number) =>
  Effect.gen(function* () {
    const total = 12
    const below = (maximum: number) => Math.floor(random() * maximum)
    const pause = Effect.suspend(() => Effect.repeat(Effect.yieldNow, { times: below(4) }))
    let failing = true
    const broken = Effect.suspend(() =>
      failing && random() < 0.1 ? Effect.fail(unavailable("follow", "gone")) : Effect.void
    )
    const { commit, follow, write, written } = yield* stage(Effect.andThen(pause, broken))
    const follower = Effect.gen(function* () {
      yield* pause
      const start = below(written() + 1)
      const seen: Array<number> = []
      const heard = () => start + seen.length
      while (heard() < total) {
        const few = random() < 0.3 ? Math.min(total - heard(), 1 + below(3)) : total - heard()
        const round = follow(heard()).pipe(
          Stream.take(few),
          Stream.runForEach(({ position }) => Effect.sync(() => void seen.push(position)))
        )
        const fiber = yield* Effect.forkChild(round, { startImmediately: random() < 0.5 })
        if (random() < 0.4) yield* Effect.andThen(pause, Fiber.interrupt(fiber))
        else yield* Fiber.await(fiber)
      }
      const expected = Array.from({ length: total - start }, (_, index) => start + index + 1)
      assert.deepStrictEqual(seen, expected, `seed ${seed}`)
    })
    const writer = Effect.gen(function* () {
      while (written() < total) {
        yield* pause
        const from = written()
        const positions = Array.from({ length: Math.min(total - from, 1 + below(4)) }, (_, index) => from + index + 1)
        if (random() < 0.5) yield* commit(...positions)
        else write(...positions)
      }
      failing = false
    })
    yield* Effect.all([writer, ...Array.from({ length: 6 }, () => follower)], { concurrency: "unbounded" })
  })
