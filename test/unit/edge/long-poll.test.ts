import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as Drain from "#layers/edge/http/Drain.ts"
import * as LongPoll from "#layers/edge/http/LongPoll.ts"
import { KeyId } from "#src/kernel/Ids.ts"
import { Feed } from "#src/ports/Feed.ts"
import { Identity, Unauthenticated } from "#src/ports/Identity.ts"
import { owner, person } from "#test/kit/world.ts"

/** A feed that is told by hand, a row that changes by hand, and a record of what was done in which order. */
const stage = Effect.gen(function* () {
  const steps: Array<string> = []
  let row = "Pending"
  let change = Deferred.makeUnsafe<void>()
  const feed = Layer.succeed(Feed, {
    listen: () => Effect.void,
    changed: (stream) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          steps.push(`register ${stream}`)
          return Deferred.await(change)
        }),
        () => Effect.sync(() => steps.push("release"))
      ),
    position: Effect.succeed(0)
  })
  const drain = yield* Drain.make
  let revoked = false
  const identity = Layer.succeed(Identity, {
    authenticate: () => Effect.die("nobody is asked who they are"),
    renew: (by) => (revoked ? Effect.fail(new Unauthenticated({ retryable: false })) : Effect.succeed(by))
  })
  const longPoll = yield* LongPoll.make({ waitsMax: 2, waitsPerPrincipalMax: 1 }).pipe(
    Effect.provide(Layer.mergeAll(feed, identity, Layer.succeed(Drain.Drain, drain)))
  )
  const look = () =>
    Effect.sync(() => {
      steps.push("look")
      return row
    })
  return {
    steps,
    drain,
    until: (waitMillis: number, by = owner) =>
      longPoll.until(by, "action:a", waitMillis, look, (found) => found !== "Pending"),
    revoke: () => {
      revoked = true
    },
    become: (next: string) =>
      Effect.suspend(() => {
        row = next
        const told = change
        change = Deferred.makeUnsafe()
        return Deferred.succeed(told, undefined)
      })
  }
})

/** Lets a forked poll come to the point where it waits. */
const settle = TestClock.adjust(0)

describe("a long poll", () => {
  it.effect("watches over its caller's key too, and ends once it is revoked", () =>
    Effect.gen(function* () {
      const { become, revoke, steps, until } = yield* stage
      const keyId = KeyId.make(`key_${"0".repeat(26)}`)
      const poll = yield* Effect.forkChild(Effect.flip(until(1_000, { ...owner, keyId })))
      yield* settle
      assert.deepStrictEqual(steps, ["register action:a", "register principal:owner", "look"])
      revoke()
      yield* become("Denied")
      assert.strictEqual((yield* Fiber.join(poll))._tag, "Unauthenticated")
      assert.strictEqual(steps.filter((step) => step === "look").length, 1, "nothing more is looked at")
    })
  )

  it.effect("registers before it looks, and lets go of every registration", () =>
    Effect.gen(function* () {
      const { become, steps, until } = yield* stage
      const poll = yield* Effect.forkChild(until(1_000))
      yield* settle
      assert.deepStrictEqual(steps, ["register action:a", "look"])
      yield* become("Pending")
      yield* settle
      yield* become("Denied")
      assert.strictEqual(yield* Fiber.join(poll), "Denied")
      assert.strictEqual(steps.filter((step) => step === "release").length, 3)
      assert.strictEqual(steps.filter((step) => step.startsWith("register")).length, 3)
    })
  )

  it.effect("does not wait for what is over, nor where nobody asked it to", () =>
    Effect.gen(function* () {
      const { become, steps, until } = yield* stage
      assert.strictEqual(yield* until(0), "Pending")
      assert.deepStrictEqual(steps, ["look"])
      yield* become("Denied")
      assert.strictEqual(yield* until(1_000), "Denied")
    })
  )

  it.effect("answers after its time, all changes that were none included", () =>
    Effect.gen(function* () {
      const { become, until } = yield* stage
      const poll = yield* Effect.forkChild(until(1_000))
      yield* TestClock.adjust(600)
      yield* become("Pending")
      yield* TestClock.adjust(399)
      assert.isUndefined(poll.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(poll), "Pending")
    })
  )

  it.effect("ends when the door closes, and does not begin after that", () =>
    Effect.gen(function* () {
      const { drain, until } = yield* stage
      const poll = yield* Effect.forkChild(until(30_000))
      yield* settle
      yield* drain.begin
      assert.strictEqual(yield* Fiber.join(poll), "Pending")
      assert.strictEqual(yield* until(30_000), "Pending")
    })
  )

  it.effect(
    "takes a place while it waits: none is left for one too many, and one that ends or is interrupted makes room",
    () =>
      Effect.gen(function* () {
        const { become, until } = yield* stage
        const first = yield* Effect.forkChild(until(30_000))
        yield* settle
        const own = yield* Effect.flip(until(30_000))
        assert.deepInclude(own, { code: "LimitReached", fields: { limit: "waitsPerPrincipal", maximum: 1 } })
        const second = yield* Effect.forkChild(until(30_000, person("ana")))
        yield* settle
        assert.deepInclude(yield* Effect.flip(until(30_000, person("bob"))), { code: "Overloaded" })
        assert.strictEqual(yield* until(0, person("bob")), "Pending", "who does not wait needs no place")
        yield* Fiber.interrupt(first)
        yield* become("Denied")
        assert.strictEqual(yield* Fiber.join(second), "Denied")
        for (const by of [owner, person("ana"), person("bob")]) assert.strictEqual(yield* until(30_000, by), "Denied")
      })
  )

  it.effect("lets go when it is interrupted", () =>
    Effect.gen(function* () {
      const { steps, until } = yield* stage
      const poll = yield* Effect.forkChild(until(30_000))
      yield* settle
      yield* Fiber.interrupt(poll)
      assert.strictEqual(steps.at(-1), "release")
    })
  )
})
