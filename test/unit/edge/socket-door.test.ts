/** What a handshake leaves behind, without a network. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as SocketDoor from "#layers/edge/socket/SocketDoor.ts"

const stage = () => {
  const said: Array<string> = []
  const say = (word: string) => Effect.sync(() => void said.push(word))
  const place = Effect.andThen(
    say("placed"),
    Effect.addFinalizer(() => say("left"))
  )
  let scope: Scope.Closeable | undefined
  const handedOver = <E>(handshake: Effect.Effect<void, E, Scope.Scope>) =>
    SocketDoor.handedOver(Effect.andThen(place, handshake), (_, taken) => {
      said.push("taken")
      scope = taken
    })
  return { said, handedOver, close: Effect.suspend(() => Scope.close(scope!, Exit.void)) }
}

describe("a handshake", () => {
  it.effect("keeps its place where it comes about, until whoever took the connection lets it go", () =>
    Effect.gen(function* () {
      const { close, handedOver, said } = stage()
      yield* handedOver(Effect.void)
      assert.deepStrictEqual(said, ["placed", "taken"])
      yield* close
      assert.deepStrictEqual(said, ["placed", "taken", "left"])
    })
  )

  it.effect("gives its place back where it fails, and where whoever asked for it is gone", () =>
    Effect.gen(function* () {
      const failing = stage()
      assert.isTrue(Exit.isFailure(yield* Effect.exit(failing.handedOver(Effect.fail("no upgrade")))))
      const left = stage()
      const asking = yield* Effect.forkChild(left.handedOver(Effect.never), { startImmediately: true })
      yield* Fiber.interrupt(asking)
      assert.deepStrictEqual(
        [failing.said, left.said],
        [
          ["placed", "left"],
          ["placed", "left"]
        ]
      )
    })
  )
})
