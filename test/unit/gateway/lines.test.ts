import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Lines from "#src/gateway/Lines.ts"

const line = Lines.line({ limit: "some", inFlightMax: 2, waitingMax: 1 })

describe("a line", () => {
  it.effect("has room for what is worked on and what waits, and counts who is named twice once", () =>
    Effect.gen(function* () {
      const { admit, enter, leave } = yield* line
      for (const id of ["a", "b", "c", "a"]) assert.isTrue(admit(id), id)
      assert.isFalse(admit("d"))
      enter("a")
      assert.isFalse(admit("d"), "what a door admitted is what came in")
      leave("a")
      assert.isTrue(admit("d"))
      assert.isFalse(admit("a"))
    })
  )

  it.effect("takes back room that was not used, but not from what came in meanwhile", () =>
    Effect.gen(function* () {
      const { admit, enter, has, release } = yield* line
      for (const id of ["a", "b", "c"]) admit(id)
      release("a")
      assert.isTrue(admit("d"))
      enter("b")
      release("b")
      assert.isTrue(has("b"))
      assert.isFalse(admit("e"))
    })
  )

  it.effect("turns nothing away that was begun, and has no room until it is below its limit again", () =>
    Effect.gen(function* () {
      const { admit, enter, full, leave } = yield* line
      for (const id of ["a", "b", "c", "d"]) enter(id)
      leave("a")
      assert.isTrue(full())
      leave("b")
      assert.isFalse(full())
      assert.isTrue(admit("e"))
    })
  )

  it.effect("gives places in the order of asking, tells how many wait, and forgets who went away", () =>
    Effect.gen(function* () {
      const { waiting, within } = yield* line
      const done: Array<string> = []
      const hold = Deferred.makeUnsafe<void>()
      const work = (id: string) =>
        Effect.forkChild(
          within(
            Effect.andThen(
              Effect.sync(() => void done.push(id)),
              Deferred.await(hold)
            )
          ),
          { startImmediately: true }
        )
      const [, , third] = yield* Effect.forEach(["a", "b", "c", "d", "e"], work)
      assert.deepStrictEqual([done, waiting()], [["a", "b"], 3])
      yield* Fiber.interrupt(third!)
      assert.strictEqual(waiting(), 2)
      yield* Deferred.succeed(hold, undefined)
      while (waiting() > 0) yield* Effect.yieldNow
      assert.deepStrictEqual(done, ["a", "b", "d", "e"])
    })
  )
})
