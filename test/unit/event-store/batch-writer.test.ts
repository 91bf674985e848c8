/** How hand-overs become batches. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { sha256 } from "#layers/digest/NodeDigest.ts"
import type { Judged } from "#layers/event-store/Batch.ts"
import * as BatchWriter from "#layers/event-store/BatchWriter.ts"
import { JournalDefect, prepare, type Prepared } from "#layers/event-store/Preparation.ts"
import { full } from "#layers/event-store/SqlFailure.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { on, start } from "#test/kit/appends.ts"

const one = (name: string, size = 10): Prepared => ({ ...prepare(on(start(`one:${name}`)).append, sha256), size })

const done = (): Judged => ({ _tag: "Committed", events: [] })

const names = (batch: ReadonlyArray<Prepared>) => batch.map(({ append }) => append.stream.slice(4))

/** A writer whose batches are kept, each held back until the test lets it go. */
const held = (overlaps: boolean) =>
  Effect.gen(function* () {
    const batches: Array<ReadonlyArray<string>> = []
    const gates: Array<Deferred.Deferred<ReadonlyArray<Judged>, never>> = []
    const arrived = [yield* Deferred.make<void>()]
    const writer = yield* BatchWriter.make(
      (batch) =>
        Effect.suspend(() => {
          batches.push(names(batch))
          const gate = Deferred.makeUnsafe<ReadonlyArray<Judged>>()
          gates.push(gate)
          arrived.push(Deferred.makeUnsafe<void>())
          Deferred.doneUnsafe(arrived.at(-2)!, Effect.void)
          return Deferred.await(gate)
        }),
      { overlaps }
    )
    return {
      writer,
      batches,
      /** Waits for batch number `index`, and lets it go with these answers. */
      release: (index: number, answers?: ReadonlyArray<Judged>) =>
        Effect.andThen(
          Effect.suspend(() => Deferred.await(arrived[index]!)),
          Effect.suspend(() => Deferred.succeed(gates[index]!, answers ?? batches[index]!.map(done)))
        ),
      sent: (index: number) => Effect.suspend(() => Deferred.await(arrived[index]!))
    }
  })

const hand = (writer: BatchWriter.BatchWriter, ...appends: ReadonlyArray<Prepared>) =>
  Effect.forkChild(writer.append(appends), { startImmediately: true })

describe("a batch", () => {
  it.effect("is everything that waited while the last one was in flight, in the order it came", () =>
    Effect.gen(function* () {
      const { writer, batches, release, sent } = yield* held(false)
      const first = yield* hand(writer, one("a"))
      yield* sent(0)
      const rest = [
        yield* hand(writer, one("b"), one("c")),
        yield* hand(writer, one("d")),
        yield* hand(writer, one("e"))
      ]
      yield* release(0)
      yield* Fiber.join(first)
      yield* release(1)
      yield* Effect.forEach(rest, Fiber.join)
      assert.deepStrictEqual(batches, [["a"], ["b", "c", "d", "e"]])
    })
  )

  it.effect("never splits a hand-over, and keeps to its bounds", () =>
    Effect.gen(function* () {
      const { writer, batches, release, sent } = yield* held(false)
      const half = Bounds.batchBytesMax / 2
      const fibers = [yield* hand(writer, one("first"))]
      yield* sent(0)
      fibers.push(yield* hand(writer, one("a", half), one("b", half)))
      fibers.push(yield* hand(writer, one("c", half), one("d", half)))
      fibers.push(yield* hand(writer, one("huge", Bounds.batchBytesMax * 3)))
      const many = Array.from({ length: Bounds.batchAppendsMax }, (_, index) => one(`m${index}`))
      fibers.push(yield* hand(writer, ...many))
      fibers.push(yield* hand(writer, one("last")))
      for (let index = 0; index < 6; index++) yield* release(index)
      yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(
        batches.map((batch) => [batch[0], batch.length]),
        [
          ["first", 1],
          ["a", 2],
          ["c", 2],
          ["huge", 1],
          ["m0", Bounds.batchAppendsMax],
          ["last", 1]
        ]
      )
    })
  )

  it.effect("is one at a time", () =>
    Effect.gen(function* () {
      let inFlight = 0
      let most = 0
      const writer = yield* BatchWriter.make(
        (batch) =>
          Effect.gen(function* () {
            most = Math.max(most, ++inFlight)
            yield* Effect.yieldNow
            inFlight -= 1
            return batch.map(done)
          }),
        { overlaps: true }
      )
      yield* Effect.forEach(Array(200).keys(), (index) => writer.append([one(`x${index}`)]), { concurrency: 50 })
      assert.strictEqual(most, 1)
    })
  )
})

describe("a batch that is written beside this thread", () => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => one(`n${index}`))

  it.effect("is half of those who wait or were just answered; few are never divided", () =>
    Effect.gen(function* () {
      const { writer, batches, release, sent } = yield* held(true)
      const fibers = [yield* hand(writer, one("first"))]
      yield* sent(0)
      for (const append of many(40)) fibers.push(yield* hand(writer, append))
      for (let index = 0; index < 3; index++) yield* release(index)
      yield* Effect.forEach(fibers, Fiber.join)
      const few = [yield* hand(writer, one("again"))]
      yield* sent(3)
      for (const append of many(8)) few.push(yield* hand(writer, append))
      yield* release(3)
      yield* release(4)
      yield* Effect.forEach(few, Fiber.join)
      assert.deepStrictEqual(
        batches.map(({ length }) => length),
        [1, 21, 19, 1, 8]
      )
    })
  )

  it.effect("is sent before the callers of the last one are told", () =>
    Effect.gen(function* () {
      const { writer, batches, release, sent } = yield* held(true)
      const first = yield* hand(writer, one("first"))
      yield* sent(0)
      const second = yield* hand(writer, one("second"))
      let sentWhenTold = 0
      first.addObserver(() => (sentWhenTold = batches.length))
      yield* release(0)
      yield* Fiber.join(first)
      assert.strictEqual(sentWhenTold, 2)
      yield* release(1)
      yield* Fiber.join(second)
    })
  )

  it.effect("and was made ready, but not sent when the writer closed, fails", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { writer, batches, release, sent } = yield* Scope.provide(held(true), scope)
      const inFlight = yield* hand(writer, one("first"))
      yield* sent(0)
      const waiting = yield* Effect.forEach(many(12), (append) => hand(writer, append))
      // Two turns: the writer has made the next batch ready by then.
      yield* Effect.yieldNow
      yield* Effect.yieldNow
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* release(0)
      yield* Fiber.join(closing)
      assert.strictEqual((yield* Fiber.join(inFlight)).length, 1)
      for (const fiber of waiting) assert.strictEqual((yield* Effect.flip(Fiber.join(fiber))).reason, "Unavailable")
      assert.strictEqual(batches.length, 1)
    })
  )
})

describe("the queue before it", () => {
  it.effect("is bounded: what is beyond fails as overloaded at once, and the rest is written", () =>
    Effect.gen(function* () {
      const { writer, release, sent } = yield* held(false)
      const first = yield* hand(writer, one("first"))
      yield* sent(0)
      const perHand = Bounds.batchAppendsMax
      const hands = Array.from({ length: Bounds.journalQueueMax / perHand }, () =>
        Array<Prepared>(perHand).fill(one("x"))
      )
      const fibers = yield* Effect.forEach(hands, (all) => hand(writer, ...all))
      const error = yield* Effect.flip(writer.append([one("beyond")]))
      assert.deepStrictEqual([error.reason, error.retryable], ["Overloaded", true])
      for (let index = 0; index <= hands.length; index++) yield* release(index)
      yield* Effect.forEach([first, ...fibers], Fiber.join)
    })
  )

  it.effect("treats a hand-over larger than a batch as a defect", () =>
    Effect.gen(function* () {
      const { writer } = yield* held(false)
      const many = Array<Prepared>(Bounds.batchAppendsMax + 1).fill(one("x"))
      const exit = yield* Effect.exit(writer.append(many))
      assert.isTrue(Exit.isFailure(exit) && Exit.hasDies(exit))
    })
  )
})

describe("an answer", () => {
  it.effect("reaches each hand-over: outcomes, a defect of its own, a failure of its own", () =>
    Effect.gen(function* () {
      const { writer, release, sent } = yield* held(false)
      const first = yield* hand(writer, one("first"))
      yield* sent(0)
      const good = yield* hand(writer, one("a"))
      const bug = yield* hand(writer, one("b"))
      const failed = yield* hand(writer, one("c"))
      const mixed = yield* hand(writer, one("d"), one("e"))
      const error = full("append")
      yield* release(0)
      yield* release(1, [
        done(),
        { _tag: "Defect", defect: new JournalDefect("bug") },
        { _tag: "Failed", error },
        done(),
        { _tag: "Failed", error }
      ])
      yield* Fiber.join(first)
      assert.deepStrictEqual(yield* Fiber.join(good), [{ _tag: "Committed", events: [] }])
      assert.isTrue(Exit.hasDies(yield* Fiber.await(bug)))
      assert.strictEqual(yield* Effect.flip(Fiber.join(failed)), error)
      assert.deepStrictEqual(yield* Fiber.join(mixed), [
        { _tag: "Committed", events: [] },
        { _tag: "Indeterminate", cause: error.message }
      ])
    })
  )

  it.effect("that fails as a whole fails every hand-over of its batch, and none after it", () =>
    Effect.gen(function* () {
      let calls = 0
      const writer = yield* BatchWriter.make(
        (batch) =>
          Effect.suspend(() => (++calls === 1 ? Effect.fail(full("append")) : Effect.succeed(batch.map(done)))),
        { overlaps: true }
      )
      const fibers = [yield* hand(writer, one("a")), yield* hand(writer, one("b"))]
      for (const fiber of fibers) assert.strictEqual((yield* Effect.flip(Fiber.join(fiber))).reason, "Full")
      assert.strictEqual((yield* writer.append([one("c")])).length, 1)
    })
  )

  it.effect("is given to nobody where the caller left, and its neighbours get theirs", () =>
    Effect.gen(function* () {
      const { writer, batches, release, sent } = yield* held(false)
      const first = yield* hand(writer, one("first"))
      yield* sent(0)
      const leaves = yield* hand(writer, one("leaves"))
      const stays = yield* hand(writer, one("stays"))
      yield* Fiber.interrupt(leaves)
      yield* release(0)
      yield* release(1)
      yield* Fiber.join(first)
      assert.strictEqual((yield* Fiber.join(stays)).length, 1)
      assert.deepStrictEqual(batches[1], ["leaves", "stays"])
    })
  )
})

describe("a writer that closes", () => {
  it.effect("waits for the batch in flight, and fails what was not sent", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { writer, release, sent } = yield* Scope.provide(held(true), scope)
      const inFlight = yield* hand(writer, one("sent"))
      yield* sent(0)
      const waiting = yield* hand(writer, one("waiting"))
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* release(0)
      yield* Fiber.join(closing)
      assert.strictEqual((yield* Fiber.join(inFlight)).length, 1)
      assert.strictEqual((yield* Effect.flip(Fiber.join(waiting))).reason, "Unavailable")
      assert.strictEqual((yield* Effect.flip(writer.append([one("late")]))).reason, "Unavailable")
    })
  )
})
