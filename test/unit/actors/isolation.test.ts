import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as LocalActors from "#layers/actors/LocalActors.ts"
import * as RestartBudget from "#layers/actors/RestartBudget.ts"
import * as Supervisor from "#layers/actors/Supervisor.ts"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import * as VolatileKeyRing from "#layers/key-ring/VolatileKeyRing.ts"
import * as StoreVault from "#layers/vault/StoreVault.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { Actors } from "#src/ports/Actors.ts"
import { EventStore, EventStoreError } from "#src/ports/EventStore.ts"
import { stamp } from "#test/kit/decider.ts"
import { behaviour, type Command } from "./counter.ts"

const ports = StoreVault.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(VolatileEventStore.layer, VolatileKeyRing.layer, NodeDigest.layer))
)
const actors = LocalActors.layer({ behaviours: [behaviour] })
const world = actors.pipe(Layer.provideMerge(ports))

const send = (id: string, key: string, command: Partial<Command> = {}) =>
  Effect.flatMap(Actors, (found) =>
    found.send("counter", id, { _tag: "Add", to: id, by: 1, words: "w", ...command }, stamp(1, undefined, key))
  )

const reason = <A, R>(effect: Effect.Effect<A, { readonly reason?: string }, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason)

const outage = { down: true }
const cellsFail = Layer.effect(
  EventStore,
  Effect.map(EventStore, (store) => {
    const down = new EventStoreError({ reason: "Unavailable", operation: "cell", detail: "down", retryable: true })
    return EventStore.of({
      ...store,
      cell: (name) => Effect.suspend(() => (outage.down ? Effect.fail(down) : store.cell(name)))
    })
  })
).pipe(Layer.provide(VolatileEventStore.layer))

describe("a read that is stopped in the middle", () => {
  it.effect("is no broken stream: its caller is told to repeat, however often, and the next command is done", () => {
    let stops = 2 * Bounds.restartBudget
    const stopping = Layer.effect(
      EventStore,
      Effect.map(EventStore, (store) =>
        EventStore.of({
          ...store,
          readStream: (stream) => Effect.suspend(() => (stops-- > 0 ? Effect.interrupt : store.readStream(stream)))
        })
      )
    ).pipe(Layer.provideMerge(VolatileEventStore.layer))
    const stopped = StoreVault.layer.pipe(
      Layer.provideMerge(Layer.mergeAll(stopping, VolatileKeyRing.layer, NodeDigest.layer))
    )
    return Effect.gen(function* () {
      // Of a stream that exists something is read.
      yield* Effect.provide(send("a", "before"), Layer.fresh(actors))
      while (stops > 0) assert.strictEqual(yield* reason(send("a", "k")), "Indeterminate")
      assert.deepInclude(yield* send("a", "k"), { body: { count: 2 }, repeated: false })
    }).pipe(Effect.provide(Layer.provideMerge(actors, stopped)))
  })
})

describe("a rule that throws", () => {
  it.live("fails its own command, costs nobody else theirs, and changes nothing", () =>
    Effect.gen(function* () {
      const answers = yield* Effect.all(
        [
          send("a", "k1"),
          Effect.result(send("a", "k2", { _tag: "Explode" })),
          send("a", "k3"),
          send("b", "k4")
        ] as const,
        { concurrency: "unbounded" }
      )
      assert.deepInclude(answers[0], { body: { count: 1 } })
      assert.strictEqual(answers[1]._tag === "Failure" && answers[1].failure.reason, "Crashed")
      assert.deepInclude(answers[2], { body: { count: 2 } })
      assert.deepInclude(answers[3], { body: { count: 1 } })
    }).pipe(Effect.provide(world))
  )

  it.effect("isolates its stream once the restart budget is spent, in this process and for a later one", () =>
    Effect.gen(function* () {
      const explode = (key: string) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(Effect.flip(send("a", key, { _tag: "Explode" })))
          yield* TestClock.adjust("6 seconds")
          return (yield* Fiber.join(fiber)).reason
        })
      const fresh = Effect.scoped(Effect.provide(explode("again"), Layer.fresh(actors)))
      yield* send("a", "k0")
      for (let index = 0; index <= Bounds.restartBudget; index++) yield* explode(`e${index}`)
      assert.strictEqual(yield* reason(send("a", "late")), "Isolated")
      assert.deepInclude(yield* send("b", "fine"), { body: { count: 1 } })
      const status = yield* Effect.flatMap(Actors, (found) => found.status)
      assert.deepStrictEqual(status.isolated, [{ stream: "counter:a", why: "a rule threw" }])
      yield* fresh
      const later = Effect.andThen(explode("b1"), reason(send("a", "b2")))
      assert.strictEqual(yield* Effect.scoped(Effect.provide(later, Layer.fresh(actors))), "Isolated")
    }).pipe(Effect.provide(world))
  )
})

describe("a restart budget", () => {
  it.effect("allows so many restarts in its window, with growing pauses, and forgets what is older", () =>
    Effect.gen(function* () {
      const budget = yield* RestartBudget.make
      const pauses: Array<number> = []
      for (let index = 0; index < Bounds.restartBudget; index++) {
        const allowance = yield* budget.spend("x")
        assert.isTrue(allowance.allowed)
        pauses.push(allowance.backoffMillis)
      }
      assert.deepStrictEqual(
        pauses,
        [...pauses].sort((a, b) => a - b)
      )
      assert.isFalse((yield* budget.spend("x")).allowed)
      assert.isTrue((yield* budget.spend("y")).allowed)
      yield* TestClock.adjust(Bounds.restartWindowMillis + 1)
      assert.isTrue((yield* budget.spend("x")).allowed)
    }).pipe(Effect.provide(ports))
  )

  it.effect("is durable: another reader of the same store finds it spent", () =>
    Effect.gen(function* () {
      const before = yield* RestartBudget.make
      for (let index = 0; index < Bounds.restartBudget; index++) yield* before.spend("x")
      const after = yield* RestartBudget.make
      assert.isFalse((yield* after.spend("x")).allowed)
    }).pipe(Effect.provide(ports))
  )

  it.effect("allows nothing while the store does not answer, and counts once it does", () =>
    Effect.gen(function* () {
      const budget = yield* RestartBudget.make
      const waiting = yield* Effect.forkChild(budget.spend("x"))
      yield* TestClock.adjust("10 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      outage.down = false
      yield* TestClock.adjust("2 seconds")
      assert.isTrue((yield* Fiber.join(waiting)).allowed)
    }).pipe(Effect.provide(cellsFail))
  )

  it.effect("is spent where what the store holds is no count", () =>
    Effect.gen(function* () {
      const store = yield* EventStore
      yield* store.setCell("restarts:x", null, "no count")
      assert.isFalse((yield* (yield* RestartBudget.make).spend("x")).allowed)
    }).pipe(Effect.provide(ports))
  )
})

describe("a supervised process", () => {
  it.effect("waits for a store that does not answer, however long, without spending its budget", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor.Supervisor
      const error = new EventStoreError({ reason: "Unavailable", operation: "read", detail: "down", retryable: true })
      let up = false
      let starts = 0
      yield* supervisor.supervise(
        "patient",
        Effect.suspend(() => {
          starts += 1
          return up ? Effect.never : Effect.fail(error)
        })
      )
      yield* TestClock.adjust("2 minutes")
      assert.isAbove(starts, Bounds.restartBudget + 1)
      up = true
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* supervisor.status).get("patient"), "running")
    }).pipe(Effect.scoped, Effect.provide(Supervisor.layer.pipe(Layer.provide(ports))))
  )

  it.effect("is restarted after a failure, and stays down once its budget is spent", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor.Supervisor
      let starts = 0
      yield* supervisor.supervise(
        "flaky",
        Effect.suspend(() => {
          starts += 1
          return Effect.fail("down")
        })
      )
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(starts, Bounds.restartBudget + 1)
      assert.strictEqual((yield* supervisor.status).get("flaky"), "down")
    }).pipe(Effect.scoped, Effect.provide(Supervisor.layer.pipe(Layer.provide(ports))))
  )
})
