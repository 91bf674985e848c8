import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import * as VolatileKeyRing from "#layers/key-ring/VolatileKeyRing.ts"
import * as KeyCheck from "#layers/vault/KeyCheck.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { KeyRing } from "#src/ports/KeyRing.ts"
import { on, start } from "#test/kit/appends.ts"

const ring = (seed: string) => Layer.build(Layer.fresh(VolatileKeyRing.layerSeeded({ seed })))
const written = Effect.flatMap(EventStore, (store) => store.append([on(start("thing:one")).append]))
const cell = Effect.flatMap(EventStore, (store) => store.cell("wrapping-key-check"))

const over = <A, E>(work: Effect.Effect<A, E, EventStore>) =>
  Effect.scoped(Effect.flatMap(Layer.build(VolatileEventStore.layer), (store) => Effect.provideContext(work, store)))

describe("the wrapping keys of a start", () => {
  it.effect("are those of the journal, at every start", () =>
    over(
      Effect.gen(function* () {
        const own = yield* Effect.scoped(ring("own"))
        yield* Effect.provideContext(KeyCheck.check, own)
        const first = yield* cell
        yield* written
        yield* Effect.provideContext(KeyCheck.check, own)
        assert.isNotNull(first)
        assert.strictEqual(yield* cell, first)
      })
    )
  )

  it.effect("are refused where they are another journal's, and nothing is changed", () =>
    over(
      Effect.gen(function* () {
        yield* Effect.provideContext(KeyCheck.check, yield* Effect.scoped(ring("own")))
        yield* written
        const before = yield* cell
        const refused = yield* Effect.flip(
          Effect.provideContext(KeyCheck.check, yield* Effect.scoped(ring("another's")))
        )
        assert.deepInclude(refused, { _tag: "KeyRingError", reason: "KeyDamaged", retryable: false })
        assert.include(refused.message, "wrapping-1.key is not the key of this journal")
        assert.strictEqual(yield* cell, before)
      })
    )
  )

  it.effect("are made for a journal that holds nothing, also where a start ended between its beginning and them", () =>
    over(
      Effect.gen(function* () {
        assert.isTrue(yield* KeyCheck.begin(null))
        assert.isTrue(yield* KeyCheck.begin("the keys"), "it had begun")
        yield* Effect.provideContext(KeyCheck.check, yield* Effect.scoped(ring("own")))
        assert.isTrue(yield* KeyCheck.begin("the keys"))
        yield* written
        assert.isFalse(yield* KeyCheck.begin("the keys"))
      })
    )
  )

  it.effect("are missed a journal, and go on missing it: one that never began is not theirs", () =>
    over(
      Effect.gen(function* () {
        for (let start = 0; start < 2; start++) {
          const refused = yield* Effect.flip(KeyCheck.begin("the keys in /data/keys"))
          assert.deepInclude(refused, { _tag: "JournalMissing", retryable: false })
          assert.include(refused.message, "the keys in /data/keys are not")
        }
        assert.isNull(yield* cell)
      })
    )
  )

  it.effect(
    "are the first ones that were made for it, though it holds nothing: of two first starts one is refused",
    () =>
      over(
        Effect.gen(function* () {
          // Both begin on an empty journal, each with a data folder of its own, before either has made its keys.
          assert.isTrue(yield* KeyCheck.begin(null))
          assert.isTrue(yield* KeyCheck.begin(null))
          const first = yield* Effect.scoped(ring("first"))
          yield* Effect.provideContext(KeyCheck.check, first)
          const second = yield* Effect.flip(Effect.provideContext(KeyCheck.check, yield* Effect.scoped(ring("second"))))
          assert.deepInclude(second, { _tag: "KeyRingError", reason: "KeyDamaged" })
          assert.include(second.message, "begin anew")
          yield* Effect.provideContext(KeyCheck.check, first)
        })
      )
  )

  it.effect("may have been rotated; from then on the newest is the one that must be there", () =>
    over(
      Effect.gen(function* () {
        const own = yield* Effect.scoped(ring("own"))
        yield* Effect.provideContext(KeyCheck.check, own)
        yield* written
        yield* Effect.provideContext(
          Effect.flatMap(KeyRing, ({ rotate }) => rotate),
          own
        )
        yield* Effect.provideContext(KeyCheck.check, own)
        assert.include(yield* cell, '"wrappingVersion":2')
        const older = yield* Effect.flip(Effect.provideContext(KeyCheck.check, yield* Effect.scoped(ring("own"))))
        assert.deepInclude(older, { _tag: "KeyRingError", reason: "KeyMissing" })
      })
    )
  )
})
