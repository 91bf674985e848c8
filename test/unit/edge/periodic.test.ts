/** Turns that come again and again, by a clock that the test turns. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import * as Periodic from "#layers/edge/socket/Periodic.ts"

/** Who had a turn, and how often. */
const stage = Effect.gen(function* () {
  const turns = new Map<string, number>()
  const take = (member: string) => void turns.set(member, (turns.get(member) ?? 0) + 1)
  const periodic = yield* Periodic.make(100, take, yield* Effect.scope)
  return { ...periodic, turns: () => Object.fromEntries(turns) }
})

describe("what is done again and again", () => {
  it.effect("is done for each a period after it joined, and each period from then on", () =>
    Effect.gen(function* () {
      const { join, turns } = yield* stage
      join("a")
      yield* TestClock.adjust(60)
      join("b")
      yield* TestClock.adjust(39)
      assert.deepStrictEqual(turns(), {})
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(turns(), { a: 1 })
      yield* TestClock.adjust(60)
      assert.deepStrictEqual(turns(), { a: 1, b: 1 })
      yield* TestClock.adjust(1_000)
      assert.deepStrictEqual(turns(), { a: 11, b: 11 })
    }).pipe(Effect.scoped)
  )

  it.effect("is not done for who left, also where it was the next", () =>
    Effect.gen(function* () {
      const { join, leave, turns } = yield* stage
      join("a")
      join("b")
      yield* TestClock.adjust(50)
      leave("a")
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(turns(), { b: 1 })
      leave("b")
      yield* TestClock.adjust(1_000)
      assert.deepStrictEqual(turns(), { b: 1 })
    }).pipe(Effect.scoped)
  )

  it.effect("is done for the others where it breaks for one", () =>
    Effect.gen(function* () {
      const turns: Array<string> = []
      const take = (member: string) => {
        if (member === "bad") throw new Error("a bug")
        turns.push(member)
      }
      const { join } = yield* Periodic.make(100, take, yield* Effect.scope)
      join("bad")
      join("good")
      yield* TestClock.adjust(200)
      assert.deepStrictEqual(turns, ["good", "good"])
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))
  )

  it.effect("begins anew with who joins after everybody left", () =>
    Effect.gen(function* () {
      const { join, leave, turns } = yield* stage
      join("a")
      leave("a")
      yield* TestClock.adjust(1_000)
      join("b")
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(turns(), { b: 1 })
    }).pipe(Effect.scoped)
  )
})
