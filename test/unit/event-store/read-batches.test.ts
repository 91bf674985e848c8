/** Reads that wait together go together, and nothing of one reader touches another. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as ReadBatches from "#layers/event-store/ReadBatches.ts"
import { EventStoreError } from "#src/ports/EventStore.ts"

const error = (detail: string) =>
  new EventStoreError({ reason: "Corrupt", operation: "read", detail, retryable: false })

/** A database whose statements are answered when the test says so. */
const database = (keysMax = 100) => {
  const statements: Array<{ readonly keys: ReadonlyArray<string>; readonly go: Deferred.Deferred<void> }> = []
  const read = ReadBatches.make<string, string>({
    keysMax,
    read: (keys) =>
      Effect.gen(function* () {
        const go = yield* Deferred.make<void>()
        statements.push({ keys, go })
        yield* Deferred.await(go)
        if (keys.includes("down")) return yield* error("the database is gone")
        return keys.map((key) => (key === "bad" ? Exit.fail(error(key)) : Exit.succeed(`${key}!`)))
      })
  })
  const asked = () => statements.map(({ keys }) => keys)
  const answer = (index: number) => Deferred.succeed(statements[index]!.go, undefined)
  const start = (...keys: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const fibers = yield* Effect.forEach(keys, (key) => Effect.forkChild(read(key)))
      for (let turn = 0; turn < 10; turn++) yield* Effect.yieldNow
      return fibers
    })
  return { asked, answer, start }
}

describe("reads by key", () => {
  it.effect("go in one statement where they are asked together, each with its own answer", () =>
    Effect.gen(function* () {
      const { answer, asked, start } = database()
      const fibers = yield* start("a", "b", "bad", "a")
      assert.deepStrictEqual(asked(), [["a", "b", "bad", "a"]])
      yield* answer(0)
      const ends = yield* Effect.forEach(fibers, Fiber.await)
      assert.deepStrictEqual(ends, [
        Exit.succeed("a!"),
        Exit.succeed("b!"),
        Exit.fail(error("bad")),
        Exit.succeed("a!")
      ])
    })
  )

  it.effect("wait where two statements are on their way, and then go together", () =>
    Effect.gen(function* () {
      const { answer, asked, start } = database()
      yield* start("a")
      yield* start("b")
      const waiting = [...(yield* start("c")), ...(yield* start("d"))]
      assert.deepStrictEqual(asked(), [["a"], ["b"]])
      yield* answer(0)
      yield* start()
      assert.deepStrictEqual(asked(), [["a"], ["b"], ["c", "d"]])
      yield* answer(2)
      assert.deepStrictEqual(yield* Effect.forEach(waiting, Fiber.join), ["c!", "d!"])
    })
  )

  it.effect("go on in another statement beyond what one may hold", () =>
    Effect.gen(function* () {
      const { answer, asked, start } = database(2)
      const fibers = yield* start("a", "b", "c")
      assert.deepStrictEqual(asked(), [["a", "b"], ["c"]])
      yield* answer(0)
      yield* answer(1)
      assert.deepStrictEqual(yield* Effect.forEach(fibers, Fiber.join), ["a!", "b!", "c!"])
    })
  )

  it.effect("all fail with a statement that fails, and the next one is asked anew", () =>
    Effect.gen(function* () {
      const { answer, start } = database()
      const fibers = yield* start("a", "down")
      yield* answer(0)
      for (const fiber of fibers)
        assert.deepStrictEqual(yield* Fiber.await(fiber), Exit.fail(error("the database is gone")))
      const [again] = yield* start("a")
      yield* answer(1)
      assert.strictEqual(yield* Fiber.join(again!), "a!")
    })
  )

  it.effect("take no place with them where their readers went away, before or after they were sent", () =>
    Effect.gen(function* () {
      const { answer, asked, start } = database()
      const gone = [...(yield* start("a")), ...(yield* start("b")), ...(yield* start("c"))]
      yield* Effect.forEach(gone, Fiber.interrupt)
      yield* answer(0)
      yield* answer(1)
      yield* start()
      assert.deepStrictEqual(asked(), [["a"], ["b"]])
      const [d] = yield* start("d")
      const [e] = yield* start("e")
      assert.deepStrictEqual(asked().slice(2), [["d"], ["e"]])
      yield* answer(2)
      yield* answer(3)
      assert.deepStrictEqual([yield* Fiber.join(d!), yield* Fiber.join(e!)], ["d!", "e!"])
    })
  )
})
