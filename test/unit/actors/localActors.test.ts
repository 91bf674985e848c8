import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as LocalActors from "#layers/actors/LocalActors.ts"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import * as FaultyEventStore from "#layers/faults/FaultyEventStore.ts"
import * as VolatileKeyRing from "#layers/key-ring/VolatileKeyRing.ts"
import * as StoreVault from "#layers/vault/StoreVault.ts"
import * as Append from "#src/kernel/Append.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { StreamId } from "#src/kernel/Ids.ts"
import { Actors } from "#src/ports/Actors.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { stamp } from "#test/kit/decider.ts"
import { behaviour, type Command } from "./counter.ts"

const { Faults } = FaultyEventStore

const ports = StoreVault.layer.pipe(
  Layer.provideMerge(FaultyEventStore.layer),
  Layer.provideMerge(Layer.mergeAll(VolatileEventStore.layer, VolatileKeyRing.layer, NodeDigest.layer))
)
const world = (options: Partial<LocalActors.Options> = {}) =>
  LocalActors.layer({ behaviours: [behaviour], ...options }).pipe(Layer.provideMerge(ports))

const send = (id: string, key: string, command: Partial<Command> = {}) =>
  Effect.flatMap(Actors, (actors) =>
    actors.send("counter", id, { _tag: "Add", to: id, by: 1, words: "w", ...command }, stamp(1, undefined, key))
  )

const countOf = (id: string) =>
  Effect.flatMap(EventStore, (store) => store.readStream(StreamId.make(`counter:${id}`))).pipe(
    Effect.map(({ events }) => events.length)
  )

const reason = <A, R>(effect: Effect.Effect<A, { readonly _tag: string; readonly reason?: string }, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason)

describe("actors of one process", () => {
  it.effect("answer after the commit, with what the state then is", () =>
    Effect.gen(function* () {
      assert.deepInclude(yield* send("a", "k1"), { _tag: "Accepted", body: { count: 1 }, repeated: false })
      assert.deepInclude(yield* send("a", "k2"), { body: { count: 2 } })
      assert.strictEqual(yield* countOf("a"), 2)
    }).pipe(Effect.provide(world()))
  )

  it.effect("decide all that waits on one tentative state and commit it together", () =>
    Effect.gen(function* () {
      const faults = yield* Faults
      const gate = yield* Deferred.make<void>()
      faults.plan({ _tag: "Before", effect: Deferred.await(gate) })
      const first = yield* Effect.forkChild(send("a", "k0"))
      yield* Effect.yieldNow
      const rest = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 50 }, (_, index) => send("a", `k${index + 1}`)),
          { concurrency: "unbounded" }
        )
      )
      yield* Effect.yieldNow
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(first)
      const replies = yield* Fiber.join(rest)
      assert.deepStrictEqual(
        replies.map((reply) => reply.body),
        Array.from({ length: 50 }, (_, index) => ({ count: index + 2 }))
      )
      assert.deepStrictEqual(
        faults.appends.map((batch) => batch.length),
        [1, 50]
      )
    }).pipe(Effect.provide(world()))
  )

  it.effect("give the recorded answer to a repeat, in one batch, later, and after passivation", () =>
    Effect.gen(function* () {
      const twins = yield* Effect.all([send("a", "k1"), send("a", "k1")], { concurrency: 2 })
      assert.deepStrictEqual(
        twins.map((reply) => [reply.body, reply.repeated]),
        [
          [{ count: 1 }, false],
          [{ count: 1 }, true]
        ]
      )
      yield* send("a", "k2")
      assert.deepInclude(yield* send("a", "k1"), { body: { count: 1 }, repeated: true })
      const actors = yield* Actors
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* actors.status).resident, 0)
      assert.deepInclude(yield* send("a", "k1"), { body: { count: 1 }, repeated: true })
      assert.strictEqual(yield* countOf("a"), 2)
    }).pipe(Effect.provide(world()))
  )

  it.effect("record a refusal like an answer", () =>
    Effect.gen(function* () {
      yield* send("a", "k1")
      assert.deepInclude(yield* send("a", "k2", { by: -1 }), { _tag: "Rejected", body: { why: "refused" } })
      assert.deepInclude(yield* send("a", "k2", { by: -1 }), { _tag: "Rejected", repeated: true })
      assert.strictEqual(yield* countOf("a"), 1)
    }).pipe(Effect.provide(world()))
  )

  it.effect("refuse a key that named another command, of the same actor or of another", () =>
    Effect.gen(function* () {
      yield* send("a", "k1")
      assert.strictEqual(yield* reason(send("a", "k1", { by: 2 })), "KeyReused")
      assert.strictEqual(yield* reason(send("b", "k1")), "KeyReused")
      assert.strictEqual(yield* countOf("b"), 0)
    }).pipe(Effect.provide(world()))
  )

  it.effect("say so when the answer to a commit is lost, and answer the repeat from the receipt", () =>
    Effect.gen(function* () {
      const faults = yield* Faults
      yield* send("a", "k1")
      faults.plan({ _tag: "LoseAnswer" })
      assert.strictEqual(yield* reason(send("a", "k2")), "Indeterminate")
      assert.deepInclude(yield* send("a", "k2"), { body: { count: 2 }, repeated: true })
      faults.plan({ _tag: "LoseCall" })
      assert.strictEqual(yield* reason(send("a", "k3")), "Indeterminate")
      assert.deepInclude(yield* send("a", "k3"), { body: { count: 3 }, repeated: false })
      assert.strictEqual(yield* countOf("a"), 3)
    }).pipe(Effect.provide(world()))
  )

  it.effect("keep what they know when the store refuses, and go on once it does not", () =>
    Effect.gen(function* () {
      const faults = yield* Faults
      yield* send("a", "k1")
      faults.plan({ _tag: "Refuse", reason: "Full" }, { _tag: "Refuse", reason: "Unavailable" })
      assert.strictEqual(yield* reason(send("a", "k2")), "Full")
      assert.strictEqual(yield* reason(send("a", "k2")), "Unavailable")
      assert.deepInclude(yield* send("a", "k2"), { body: { count: 2 }, repeated: false })
    }).pipe(Effect.provide(world()))
  )

  it.effect("refuse when a mailbox is full, and nobody else suffers", () =>
    Effect.gen(function* () {
      const faults = yield* Faults
      const gate = yield* Deferred.make<void>()
      faults.plan({ _tag: "Before", effect: Deferred.await(gate) })
      const flood = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 8 }, (_, index) => Effect.result(send("a", `k${index}`))),
          { concurrency: "unbounded" }
        )
      )
      yield* Effect.yieldNow
      assert.deepInclude(yield* send("b", "other"), { body: { count: 1 } })
      yield* Deferred.succeed(gate, undefined)
      const results = yield* Fiber.join(flood)
      const refused = results.filter((result) => result._tag === "Failure" && result.failure.reason === "Overloaded")
      assert.isAbove(refused.length, 0)
      assert.strictEqual(yield* countOf("a"), results.length - refused.length)
    }).pipe(Effect.provide(world({ mailboxMax: 4 })))
  )

  it.live("answer everything accepted before they stop, and nothing after", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(world(), scope)
      const accepted = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 200 }, (_, index) => send(`a${index % 7}`, `k${index}`)),
          { concurrency: "unbounded" }
        ).pipe(Effect.provideContext(context))
      )
      yield* Effect.yieldNow
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Fiber.join(accepted)).length, 200)
      assert.strictEqual(yield* reason(send("a0", "late").pipe(Effect.provideContext(context))), "Draining")
    })
  )
})

describe("an actor in memory", () => {
  it.effect("stays while it has work in hand, and makes room once it has none", () => {
    const gate = Deferred.makeUnsafe<void>()
    return Effect.gen(function* () {
      const actors = yield* Actors
      ;(yield* Faults).plan({ _tag: "Before", effect: Deferred.await(gate) })
      const busy = yield* Effect.forkChild(send("a", "k1"), { startImmediately: true })
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* actors.status).resident, 1)
      assert.strictEqual(yield* reason(send("b", "early")), "Overloaded")
      yield* Deferred.succeed(gate, undefined)
      assert.deepInclude(yield* Fiber.join(busy), { body: { count: 1 } })
      yield* Effect.yieldNow
      assert.deepInclude(yield* send("b", "k2"), { body: { count: 1 } })
      assert.strictEqual((yield* actors.status).resident, 1)
    }).pipe(
      // Also where an expectation fails: the actors drain what they hold.
      Effect.ensuring(Deferred.succeed(gate, undefined)),
      Effect.provide(world({ actorsMax: 1 }))
    )
  })

  it.effect("leaves after its idle time, counted from its last work", () =>
    Effect.gen(function* () {
      const { status } = yield* Actors
      yield* send("a", "k1")
      yield* TestClock.adjust(40_000)
      yield* send("a", "k2")
      yield* TestClock.adjust(40_000)
      assert.strictEqual((yield* status).resident, 1)
      yield* TestClock.adjust(40_000)
      assert.strictEqual((yield* status).resident, 0)
    }).pipe(Effect.provide(world({ idleMillis: 60_000 })))
  )

  it.live("whose work outlasts the stop says of what it began that nobody knows, and of the rest that it stops", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(world({ drainMillis: 20 }), scope)
      yield* Effect.gen(function* () {
        ;(yield* Faults).plan({ _tag: "Before", effect: Effect.never })
        const begun = yield* Effect.forkChild(reason(send("a", "k1")), { startImmediately: true })
        yield* Effect.yieldNow
        const waiting = yield* Effect.forkChild(reason(send("a", "k2")), { startImmediately: true })
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual([yield* Fiber.join(begun), yield* Fiber.join(waiting)], ["Indeterminate", "Draining"])
      }).pipe(Effect.provideContext(context))
    })
  )
})

describe("an actor whose guard refuses many at once", () => {
  it.effect("refuses each of them, and takes the others", () =>
    Effect.gen(function* () {
      const sends = Array.from({ length: 60 }, (_, index) => send("a", `k${index}`))
      const few = { ...behaviour, guards: () => [Append.atMost("sum", 20)] }
      const replies = yield* Effect.all(sends, { concurrency: "unbounded" }).pipe(
        Effect.provide(Layer.fresh(LocalActors.layer({ behaviours: [few] })))
      )
      assert.lengthOf(
        replies.filter(({ _tag }) => _tag === "Accepted"),
        20
      )
      assert.lengthOf(
        replies.filter(({ _tag }) => _tag === "Rejected"),
        40
      )
    }).pipe(Effect.provide(ports))
  )
})

describe("an actor whose stream is full", () => {
  const ending = {
    ...behaviour,
    guards: () => [],
    ends: (command: Command) => command._tag === "Add" && command.words === "end"
  }
  type Sent = ReturnType<typeof send>
  type Add = (key: string, words: string) => Effect.Effect<Effect.Success<Sent>, Effect.Error<Sent>>

  /** One life of the actors. */
  const life = <A, E, R>(work: (add: Add) => Effect.Effect<A, E, R>) =>
    Effect.scoped(
      Effect.flatMap(Layer.build(Layer.fresh(LocalActors.layer({ behaviours: [ending] }))), (context) =>
        work((key, words) => Effect.provide(send("a", key, { words }), context))
      )
    )

  const fill = (add: Add, words: string, to: number) =>
    Effect.gen(function* () {
      for (let index = 0; index < to; index += 50) {
        const batch = Array.from({ length: 50 }, (_, one) => add(`k${index + one}`, words))
        yield* Effect.all(batch, { concurrency: "unbounded" })
      }
    })

  it.effect("refuses what would go on, and takes what brings it to its end, in its next life too", () =>
    Effect.gen(function* () {
      yield* life((add) =>
        Effect.gen(function* () {
          yield* fill(add, "w", Bounds.streamEventsMax)
          assert.strictEqual(yield* reason(add("late", "w")), "StreamFull")
          assert.deepInclude(yield* add("last", "end"), { body: { count: Bounds.streamEventsMax + 1 } })
        })
      )
      yield* life((add) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* reason(add("later", "w")), "StreamFull")
          assert.deepInclude(yield* add("again", "end"), { body: { count: Bounds.streamEventsMax + 2 } })
        })
      )
    }).pipe(Effect.provide(ports))
  )

  it.effect("takes no end that its next life could not read", () =>
    Effect.gen(function* () {
      yield* life((add) =>
        Effect.gen(function* () {
          yield* fill(add, "end", Bounds.streamEventsTotalMax)
          assert.strictEqual(yield* reason(add("late", "end")), "StreamFull")
        })
      )
      yield* life((add) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* reason(add("later", "end")), "StreamFull")
          assert.strictEqual(yield* countOf("a"), Bounds.streamEventsTotalMax)
        })
      )
    }).pipe(Effect.provide(ports))
  )
})
