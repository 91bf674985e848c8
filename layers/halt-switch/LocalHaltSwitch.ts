/** The halt switch of one process. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import { HaltSwitch, type Standing } from "#src/ports/HaltSwitch.ts"

export const make = Effect.gen(function* () {
  const turns = yield* Semaphore.make(1)
  let standing: Standing | null = null
  let cancelling = Deferred.makeUnsafe<void>()

  const set = (found: Standing | null) =>
    Effect.suspend(() => {
      standing = found
      if (found?.cancelRunning !== true) return Effect.void
      const stopped = cancelling
      // Whoever waits from now on waits for the next one.
      cancelling = Deferred.makeUnsafe<void>()
      return Deferred.succeed(stopped, undefined)
    })

  return HaltSwitch.of({
    on: () => standing !== null,
    settle: (look) => turns.withPermit(Effect.flatMap(look, set)),
    cancelled: () => Deferred.await(cancelling)
  })
})

export const layer: Layer.Layer<HaltSwitch> = Layer.effect(HaltSwitch, make)
