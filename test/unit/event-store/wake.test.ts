/** Waking followers without losing a wake-up. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Wake from "#layers/event-store/Wake.ts"

const wait = (wake: Wake.Wake, position: number) => Effect.forkChild(wake.beyond(position), { startImmediately: true })

describe("waiting for a commit", () => {
  it.effect("ends at once where more is known already", () =>
    Effect.gen(function* () {
      const wake = Wake.make()
      wake.note(5)
      yield* wake.beyond(4)
      assert.strictEqual(wake.waiting(), 0)
    })
  )

  it.effect("ends at the next note beyond the highest one, for everyone who waits", () =>
    Effect.gen(function* () {
      const wake = Wake.make()
      wake.note(5)
      const fibers = [yield* wait(wake, 5), yield* wait(wake, 5)]
      wake.note(5)
      wake.note(3)
      assert.strictEqual(wake.waiting(), 2)
      wake.note(6)
      yield* Effect.forEach(fibers, Fiber.join)
      assert.strictEqual(wake.known(), 6)
      assert.strictEqual(wake.waiting(), 0)
    })
  )

  it.effect("ends at a nudge, whatever is known", () =>
    Effect.gen(function* () {
      const wake = Wake.make()
      const fiber = yield* wait(wake, 100)
      wake.nudge()
      yield* Fiber.join(fiber)
    })
  )

  it.effect("leaves nothing behind when it is interrupted", () =>
    Effect.gen(function* () {
      const wake = Wake.make()
      const fiber = yield* wait(wake, 0)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(wake.waiting(), 0)
    })
  )
})
