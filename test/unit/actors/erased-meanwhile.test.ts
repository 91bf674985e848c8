import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as LocalActors from "#layers/actors/LocalActors.ts"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import * as VolatileKeyRing from "#layers/key-ring/VolatileKeyRing.ts"
import * as StoreVault from "#layers/vault/StoreVault.ts"
import { StreamId, SubjectId } from "#src/kernel/Ids.ts"
import { Actors } from "#src/ports/Actors.ts"
import { EventStore, EventStoreError } from "#src/ports/EventStore.ts"
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

describe("a command that another process has refused meanwhile", () => {
  /** What a second process is told whose vault, from the second look of one command on, gives `key`. */
  const told = (key: Vault["Service"]["key"]) =>
    Effect.gen(function* () {
      const vault = yield* Vault
      let looks: number | null = null
      const other = Vault.of({
        ...vault,
        key: (subject) => (looks !== null && ++looks > 1 ? key(subject) : vault.key(subject))
      })
      const first = yield* LocalActors.make({ behaviours: [behaviour] })
      const second = yield* Effect.provideService(LocalActors.make({ behaviours: [behaviour] }), Vault, other)
      const add = { _tag: "Add", to: "a", by: 1, words: "w" } as const
      yield* first.send("counter", "a", add, stamp(1, undefined, "k1"))
      yield* second.send("counter", "a", add, stamp(1, undefined, "k2"))
      const refused = { _tag: "Refuse", to: "a" } as const
      const recorded = yield* first.send("counter", "a", refused, stamp(1, undefined, "k3"))
      looks = 0
      const answer = yield* Effect.result(second.send("counter", "a", refused, stamp(1, undefined, "k3")))
      return { recorded, answer }
    }).pipe(Effect.scoped, Effect.provide(ports))

  it.effect("gets the recorded answer from the receipt", () =>
    Effect.gen(function* () {
      const vault = yield* Vault
      const { answer, recorded } = yield* told((subject) => vault.key(subject))
      assert.strictEqual(recorded._tag, "Rejected")
      assert.deepStrictEqual(answer, Result.succeed({ ...recorded, repeated: true }))
    }).pipe(Effect.provide(ports))
  )

  it.effect("is told that its subject was erased, where nothing opens the receipt any more", () =>
    Effect.gen(function* () {
      const { answer } = yield* told(() => Effect.succeed(null))
      assert.strictEqual(answer._tag === "Failure" ? answer.failure.reason : answer._tag, "Erased")
    })
  )

  it.effect("is told to try again, where the key does not come", () =>
    Effect.gen(function* () {
      const error = { reason: "Unavailable", operation: "wrappedKey", detail: "planned", retryable: true } as const
      const { answer } = yield* told(() => Effect.fail(new EventStoreError(error)))
      assert.deepInclude(answer._tag === "Failure" ? answer.failure : {}, { reason: "Unavailable", retryable: true })
    })
  )
})
