/** What begins a stream is decided without a look at it, and still never contradicts what is there. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LocalActors from "#layers/actors/LocalActors.ts"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import * as FaultyEventStore from "#layers/faults/FaultyEventStore.ts"
import * as VolatileKeyRing from "#layers/key-ring/VolatileKeyRing.ts"
import * as StoreVault from "#layers/vault/StoreVault.ts"
import * as Append from "#src/kernel/Append.ts"
import type { AnyBehaviour } from "#src/kernel/Behaviour.ts"
import { StreamId } from "#src/kernel/Ids.ts"
import { Actors } from "#src/ports/Actors.ts"
import { EventStore, EventStoreError } from "#src/ports/EventStore.ts"
import { KeyRing, type SubjectKey } from "#src/ports/KeyRing.ts"
import { stamp } from "#test/kit/decider.ts"
import { behaviour, type Command } from "./counter.ts"

/** A store that counts what it is asked, and several lives of actors over it. */
const place = () => {
  const asked = { streams: 0, keys: 0, appends: 0 }
  const counting = Layer.effect(
    EventStore,
    Effect.map(EventStore, (store) =>
      EventStore.of({
        ...store,
        append: (appends) => Effect.suspend(() => ((asked.appends += 1), store.append(appends))),
        readStream: (stream) => Effect.suspend(() => ((asked.streams += 1), store.readStream(stream))),
        wrappedKey: (subject) => Effect.suspend(() => ((asked.keys += 1), store.wrappedKey(subject)))
      })
    )
  ).pipe(Layer.provideMerge(VolatileEventStore.layer))
  /** Every data key that was made here. */
  const made: Array<SubjectKey> = []
  const ring = Layer.effect(
    KeyRing,
    Effect.map(KeyRing, (ring) =>
      KeyRing.of({
        ...ring,
        create: (subject) => Effect.tap(ring.create(subject), ({ key }) => Effect.sync(() => void made.push(key)))
      })
    )
  ).pipe(Layer.provide(VolatileKeyRing.layer))
  const faulty = FaultyEventStore.layer.pipe(Layer.provideMerge(counting))
  const store = Layer.mergeAll(faulty, ring, NodeDigest.layer)
  const alive = () => made.filter((key) => !key.destroyed()).length
  /** Sends one after the other to actors of their own, which know nothing of what was before. */
  const life = (
    sends: ReadonlyArray<readonly [key: string, command?: Partial<Command>]>,
    its: AnyBehaviour = behaviour
  ) =>
    Effect.gen(function* () {
      const { send } = yield* Actors
      const to = (key: string, command: Partial<Command> = {}) =>
        send("counter", "a", { _tag: "Add", to: "a", by: 1, words: "w", ...command }, stamp(1, undefined, key))
      return yield* Effect.forEach(sends, ([key, command]) => to(key, command))
    }).pipe(
      Effect.provide(
        Layer.fresh(LocalActors.layer({ behaviours: [its] })).pipe(Layer.provide(Layer.fresh(StoreVault.layer)))
      )
    )
  return { alive, asked, life, store }
}

const count = Effect.map(
  Effect.flatMap(EventStore, (store) => store.readStream(StreamId.make("counter:a"))),
  ({ events }) => events.length
)

describe("a command that begins its stream", () => {
  it.effect("is decided and written without a read, and so is what follows it", () => {
    const { asked, life, store } = place()
    return Effect.gen(function* () {
      const replies = yield* life([["k1"], ["k2"]])
      assert.deepStrictEqual(asked, { streams: 0, keys: 0, appends: 2 })
      assert.deepStrictEqual(
        replies.map(({ body }) => body),
        [{ count: 1 }, { count: 2 }]
      )
    }).pipe(Effect.provide(store))
  })

  it.effect("goes on where the stream is there already", () => {
    const { asked, life, store } = place()
    return Effect.gen(function* () {
      yield* life([["k1"]])
      assert.deepInclude((yield* life([["k2"]]))[0], { body: { count: 2 }, repeated: false })
      assert.strictEqual(asked.streams, 1)
    }).pipe(Effect.provide(store))
  })

  it.effect("hears its recorded answer where it was given before, also where a limit is reached meanwhile", () => {
    const { life, store } = place()
    const full = { ...behaviour, guards: () => [Append.atMost("sum", 0)] }
    return Effect.gen(function* () {
      yield* life([["k1"], ["k2"]])
      const recorded = { _tag: "Accepted" as const, body: { count: 1 }, repeated: true }
      assert.deepInclude((yield* life([["k1"]]))[0], recorded)
      assert.deepInclude((yield* life([["k1"]], full))[0], recorded)
      assert.strictEqual(yield* count, 2)
    }).pipe(Effect.provide(store))
  })

  it.effect("is one beginning where two processes begin the same stream at once", () => {
    const { life, store } = place()
    return Effect.gen(function* () {
      const replies = yield* Effect.all([life([["k1"], ["k2"]]), life([["k3"], ["k4"]])], { concurrency: "unbounded" })
      const counts = replies.flat().map(({ body }) => (body as { readonly count: number }).count)
      assert.deepStrictEqual(
        counts.toSorted((a, b) => a - b),
        [1, 2, 3, 4]
      )
      assert.strictEqual(yield* count, 4)
    }).pipe(Effect.provide(store))
  })

  it.effect("is refused by what is there, and not by what was presumed", () => {
    const { asked, life, store } = place()
    const refusing: typeof behaviour = {
      ...behaviour,
      prepare: (state, command) =>
        behaviour.prepare(state, state.count === 0 ? { _tag: "Refuse", to: "a" } : command, stamp(1), null)
    }
    return Effect.gen(function* () {
      assert.deepInclude((yield* life([["r"]], refusing))[0], { _tag: "Rejected", repeated: false })
      assert.deepStrictEqual(asked, { streams: 1, keys: 1, appends: 0 })
      yield* life([["k1"]])
      assert.deepInclude((yield* life([["k2"]], refusing))[0], { _tag: "Accepted", body: { count: 2 } })
    }).pipe(Effect.provide(store))
  })

  for (const fault of [{ _tag: "Refuse", reason: "Full" }, { _tag: "LoseCall" }, { _tag: "LoseAnswer" }] as const) {
    it.effect(`hears its recorded answer also where the journal takes nothing: ${fault._tag}`, () => {
      const { life, store } = place()
      return Effect.gen(function* () {
        yield* life([["k1"]])
        ;(yield* FaultyEventStore.Faults).plan(fault)
        assert.deepInclude((yield* life([["k1"]]))[0], { body: { count: 1 }, repeated: true })
        assert.strictEqual(yield* count, 1)
      }).pipe(Effect.provide(store))
    })
  }

  it.effect("hears its recorded answer also where what it looks up does not answer", () => {
    const { life, store } = place()
    const down = new EventStoreError({ reason: "Unavailable", operation: "get", detail: "down", retryable: true })
    const failing: AnyBehaviour = {
      ...behaviour,
      prepare: (...[state, command, at, commit]: Parameters<typeof behaviour.prepare>) =>
        state.count === 0 ? Effect.fail(down) : behaviour.prepare(state, command, at, commit)
    }
    return Effect.gen(function* () {
      yield* life([["k1"]])
      assert.deepInclude((yield* life([["k1"]], failing))[0], { body: { count: 1 }, repeated: true })
    }).pipe(Effect.provide(store))
  })

  it.effect("leaves no data key behind where it is not committed", () => {
    const { alive, life, store } = place()
    return Effect.gen(function* () {
      const { plan } = yield* FaultyEventStore.Faults
      yield* Effect.exit(life([["half", { words: "\ud800" }]]))
      yield* Effect.exit(life([["refused", { by: -1 }]]))
      plan({ _tag: "Refuse", reason: "Full" })
      yield* Effect.exit(life([["full"]]))
      plan({ _tag: "LoseCall" })
      yield* Effect.exit(life([["lost"]]))
      assert.strictEqual(alive(), 0)
      assert.strictEqual(yield* count, 0)
    }).pipe(Effect.provide(store))
  })
})
