/** Promises about followers. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { EventStore } from "#src/ports/EventStore.ts"
import { chain, on, start } from "#test/kit/appends.ts"
import { append, head, promise, same } from "./promise.ts"

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

const past = promise(
  "follows from the middle: what is there, then what commits, each event once and in order",
  Effect.gen(function* () {
    const store = yield* EventStore
    const base = yield* head
    const first = chain(start("follow:one"), [{ events: 3 }, { events: 3 }])
    yield* append(...first.appends)
    const caughtUp = yield* Deferred.make<void>()
    const follower = yield* store.follow(base + 2).pipe(
      Stream.tap(({ position }) => (position === base + 6 ? Deferred.succeed(caughtUp, undefined) : Effect.void)),
      Stream.map(({ position }) => position - base),
      Stream.take(8),
      Stream.runCollect,
      Effect.forkChild
    )
    yield* Deferred.await(caughtUp)
    const more = chain(first.next, [{}, {}, {}, {}])
    yield* Effect.forEach(more.appends, (one) => append(one))
    same(yield* Fiber.join(follower), numbers(3, 10))
  })
)

const many = promise(
  "wakes every follower at a commit, wherever each of them is",
  Effect.gen(function* () {
    const store = yield* EventStore
    const base = yield* head
    const follow = (from: number) =>
      store.follow(from).pipe(
        Stream.takeUntil(({ position }) => position === base + 50),
        Stream.map(({ position }) => position - base),
        Stream.runCollect,
        Effect.forkChild
      )
    const early = yield* Effect.forEach([base, base, base + 10], follow)
    const writers = Array.from({ length: 10 }, (_, index) =>
      Effect.forEach(
        chain(
          start(`many:${index}`),
          Array.from({ length: 5 }, () => ({}))
        ).appends,
        (one) => append(one)
      )
    )
    yield* Effect.all(writers, { concurrency: "unbounded" })
    const late = yield* follow(base)
    const seen = yield* Effect.forEach([...early, late], Fiber.join)
    same(seen, [numbers(1, 50), numbers(1, 50), numbers(11, 50), numbers(1, 50)])
  })
)

const patient = promise(
  "waits at the head, and beyond it, without an answer, until it is interrupted",
  Effect.gen(function* () {
    const store = yield* EventStore
    const base = yield* head
    const beyond = yield* store.follow(base + 1).pipe(Stream.take(1), Stream.runCollect, Effect.forkChild)
    const idle = yield* store.follow(base).pipe(Stream.take(2), Stream.runCollect, Effect.forkChild)
    const made = chain(start("patient:one"), [{}, {}])
    yield* append(made.appends[0]!)
    yield* append(made.appends[1]!)
    same(
      (yield* Fiber.join(beyond)).map(({ position }) => position - base),
      [2]
    )
    yield* Fiber.join(idle)
    const leaves = yield* store.follow(base + 2).pipe(Stream.runDrain, Effect.forkChild)
    yield* Effect.yieldNow
    yield* Fiber.interrupt(leaves)
    yield* append(on(made.next).append)
  })
)

export const promises = [past, many, patient]
