/** Whether a connection may be told anything now, as what is heard of its principal comes and is looked at. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Held } from "#layers/edge/socket/Listener.ts"
import { KeyId } from "#src/kernel/Ids.ts"
import * as World from "#test/kit/world.ts"

const ofKey = () => new Held("c", { ...World.owner, keyId: KeyId.make(`key_${"1".repeat(26)}`) })

describe("a connection whose key can be revoked", () => {
  it("is told nothing before it was looked at for the first time", () => {
    const listener = ofKey()
    let looks = 0
    assert.isFalse(listener.isTrusted())
    listener.attend(() => void looks++)
    assert.strictEqual(looks, 1)
    assert.isTrue(listener.trust(listener.doubts))
    assert.isTrue(listener.isTrusted())
  })

  it("is looked at once for however many doubts, and only a look that began after the last lets it go", () => {
    const listener = ofKey()
    let looks = 0
    listener.attend(() => void looks++)
    listener.trust(listener.doubts)
    listener.hold()
    const since = listener.doubts
    listener.hold()
    assert.strictEqual(looks, 2)
    assert.isFalse(listener.trust(since))
    assert.isFalse(listener.isTrusted())
    assert.isTrue(listener.trust(listener.doubts))
    listener.hold()
    assert.strictEqual(looks, 3)
  })

  it("that was doubted before anybody attended is looked at then, and the doubt counts", () => {
    const listener = ofKey()
    listener.hold()
    let since = -1
    listener.attend(() => void (since = listener.doubts))
    assert.isTrue(listener.trust(since))
  })

  it.effect("has whoever waits wait until nothing speaks against it", () =>
    Effect.gen(function* () {
      const listener = ofKey()
      const waiting = yield* Effect.forkChild(listener.trusted, { startImmediately: true })
      listener.trust(listener.doubts)
      yield* Fiber.join(waiting)
      listener.hold()
      const again = yield* Effect.forkChild(listener.trusted, { startImmediately: true })
      assert.isUndefined(again.pollUnsafe())
      listener.trust(listener.doubts)
      yield* Fiber.join(again)
    })
  )
})

describe("a connection without a key of its own", () => {
  it("is never held: nobody could let it go", () => {
    const listener = new Held("c", World.owner)
    listener.attend(() => assert.fail("nothing is looked at"))
    listener.hold()
    assert.isTrue(listener.isTrusted())
  })
})
