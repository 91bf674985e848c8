import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as LocalActors from "#layers/actors/LocalActors.ts"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import * as VolatileKeyRing from "#layers/key-ring/VolatileKeyRing.ts"
import * as StoreVault from "#layers/vault/StoreVault.ts"
import { StreamId, SubjectId } from "#src/kernel/Ids.ts"
import { Actors } from "#src/ports/Actors.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { Vault } from "#src/ports/Vault.ts"
import { stamp } from "#test/kit/decider.ts"
import { behaviour } from "./counter.ts"

/** A counter whose second command looks something up until the gate opens, once it said that it began. */
const slow = Effect.gen(function* () {
  const began = yield* Deferred.make<void>()
  const gate = yield* Deferred.make<void>()
  const looking = (survives: boolean): typeof behaviour => ({
    ...behaviour,
    survivesErasure: () => survives,
    prepare: (state, command, of, commit) =>
      Effect.gen(function* () {
        if (state.count > 0) {
          yield* Deferred.succeed(began, undefined)
          yield* Deferred.await(gate)
          commit?.("words")
        }
        return yield* behaviour.prepare(state, command, of, commit)
      })
  })
  return { began, gate, looking }
})

const ports = StoreVault.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(VolatileEventStore.layer, VolatileKeyRing.layer, NodeDigest.layer))
)

const send = (key: string) =>
  Effect.flatMap(Actors, (actors) =>
    actors.send("counter", "a", { _tag: "Add", to: "a", by: 1, words: "w" }, stamp(1, undefined, key))
  )

/** Two commands; the subject is forgotten while the second one is being decided. */
const forgottenMeanwhile = (survives: boolean) =>
  Effect.gen(function* () {
    const { began, gate, looking } = yield* slow
    return yield* Effect.gen(function* () {
      yield* send("k1")
      const second = yield* Effect.forkChild(Effect.result(send("k2")))
      yield* Deferred.await(began)
      yield* Effect.flatMap(Vault, (vault) => vault.scrub(SubjectId.make("counter:a")))
      yield* Deferred.succeed(gate, undefined)
      const answer = yield* Fiber.join(second)
      const store = yield* EventStore
      return { answer, slice: yield* store.readStream(StreamId.make("counter:a")) }
    }).pipe(Effect.provide(Layer.provideMerge(LocalActors.layer({ behaviours: [looking(survives)] }), ports)))
  })

describe("a command whose subject is erased while it is being decided", () => {
  it.effect("is told so, as one that came after it: no rule threw, and nothing is counted as a failure", () =>
    Effect.gen(function* () {
      const { answer, slice } = yield* forgottenMeanwhile(false)
      assert.strictEqual(answer._tag === "Failure" ? answer.failure.reason : answer._tag, "Erased")
      assert.strictEqual(slice.events.length, 1)
    })
  )

  it.effect("is decided without its words where it still makes sense", () =>
    Effect.gen(function* () {
      const { answer, slice } = yield* forgottenMeanwhile(true)
      assert.strictEqual(answer._tag, "Success")
      assert.deepInclude(slice.events[1]?.envelope.payload, { words: { redacted: true } })
    })
  )
})
