import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as InHand from "#layers/edge/socket/InHand.ts"
import * as SeededScheduler from "#test/kit/seededScheduler.ts"

describe("the frames in hand of a connection", () => {
  it.effect("are no more than it may have: the next begins once one ends", () =>
    Effect.gen(function* () {
      const inHand = InHand.make(2)
      yield* inHand.begin("a")
      yield* inHand.begin("b")
      const third = yield* Effect.forkChild(inHand.begin("c"), { startImmediately: true })
      yield* Effect.yieldNow
      assert.isUndefined(third.pollUnsafe())
      yield* inHand.end("a")
      yield* Fiber.join(third)
    })
  )

  it.effect("have an id each, free again once it is answered", () =>
    Effect.gen(function* () {
      const inHand = InHand.make(2)
      yield* inHand.begin("a")
      const { code } = yield* Effect.flip(inHand.begin("a"))
      assert.strictEqual(code, "Conflict")
      yield* inHand.end("a")
      yield* inHand.begin("a")
    })
  )

  it.effect("are over once the last is answered, and not before", () =>
    Effect.gen(function* () {
      const inHand = InHand.make(2)
      yield* inHand.idle
      yield* inHand.begin("a")
      yield* inHand.begin("b")
      const idle = yield* Effect.forkChild(inHand.idle, { startImmediately: true })
      yield* inHand.end("b")
      yield* Effect.yieldNow
      assert.isUndefined(idle.pollUnsafe())
      yield* inHand.end("a")
      yield* Fiber.join(idle)
    })
  )

  describe("under 2,000 interleavings of a reader and its handlers", () => {
    /** The most that were served at once, and how many in all. */
    const storm = (maximum: number) =>
      Effect.gen(function* () {
        const inHand = InHand.make(maximum)
        let [now, most, done] = [0, 0, 0]
        const serve = Effect.fnUntraced(function* (id: string) {
          most = Math.max(most, (now += 1))
          yield* Effect.yieldNow
          now -= 1
          done += 1
          yield* inHand.end(id)
        })
        for (const id of ["a", "b", "c", "d", "e"]) {
          yield* inHand.begin(id)
          yield* Effect.forkChild(serve(id))
        }
        yield* inHand.idle
        return { most, done }
      })
    const storms = (maximum: number) =>
      Array.from({ length: 2_000 }, (_, seed) => SeededScheduler.run(storm(maximum), seed))

    it("keep to the maximum, and all are served before they are over", () => {
      for (const { done, most } of storms(2)) {
        assert.isAtMost(most, 2)
        assert.strictEqual(done, 5)
      }
    })

    it("are more where there is no maximum (the control)", () => {
      assert.isAbove(Math.max(...storms(100).map(({ most }) => most)), 2)
    })
  })
})
