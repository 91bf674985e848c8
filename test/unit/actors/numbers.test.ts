/** What an operator sees of actors and supervised processes. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as TestClock from "effect/testing/TestClock"
import * as LocalActors from "#layers/actors/LocalActors.ts"
import * as Numbers from "#layers/actors/Numbers.ts"
import * as Supervisor from "#layers/actors/Supervisor.ts"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import * as VolatileKeyRing from "#layers/key-ring/VolatileKeyRing.ts"
import * as StoreVault from "#layers/vault/StoreVault.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { Actors } from "#src/ports/Actors.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { stamp } from "#test/kit/decider.ts"
import { behaviour, type Command } from "./counter.ts"

const fresh = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => Effect.provideService(effect, Metric.MetricRegistry, new Map()))

const send = (id: string, key: string, command: Partial<Command> = {}) =>
  Effect.flatMap(Actors, (found) =>
    found.send("counter", id, { _tag: "Add", to: id, by: 1, words: "w", ...command }, stamp(1, undefined, key))
  )

const value = (gauge: Metric.Gauge<number>) => Effect.map(Metric.value(gauge), ({ value }) => value)

const over = (store: Layer.Layer<EventStore>) =>
  LocalActors.layer({ behaviours: [behaviour] }).pipe(
    Layer.provideMerge(StoreVault.layer),
    Layer.provideMerge(Layer.mergeAll(store, VolatileKeyRing.layer, NodeDigest.layer))
  )

describe("the numbers of actors", () => {
  it.effect("show what waits while the journal is slow, in all and at the busiest, and nothing once it is done", () => {
    const gate = Deferred.makeUnsafe<void>()
    const slow = Layer.effect(
      EventStore,
      Effect.map(EventStore, (store) =>
        EventStore.of({ ...store, append: (appends) => Effect.andThen(Deferred.await(gate), store.append(appends)) })
      )
    ).pipe(Layer.provide(VolatileEventStore.layer))
    return Effect.gen(function* () {
      const sent = yield* Effect.forEach(["a", "a", "a", "b"], (id, index) =>
        Effect.forkChild(send(id, `k${index}`), { startImmediately: true })
      )
      assert.strictEqual(yield* value(Numbers.mailboxDepth), 4)
      assert.strictEqual(yield* value(Numbers.mailboxDepthMax), 3)
      assert.strictEqual(yield* value(Numbers.resident), 2)
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.forEach(sent, Fiber.join)
      yield* Effect.yieldNow
      assert.strictEqual(yield* value(Numbers.mailboxDepth), 0)
      assert.strictEqual(yield* value(Numbers.mailboxDepthMax), 0)
    }).pipe(
      // Also where an expectation fails: the actors drain what they hold.
      Effect.ensuring(Deferred.succeed(gate, undefined)),
      Effect.provide(over(slow)),
      fresh
    )
  })

  it.effect("show a poisoned stream, the failures that led to it, and why commands got no answer", () =>
    Effect.gen(function* () {
      yield* send("a", "k0")
      for (let time = 0; time <= Bounds.restartBudget; time++) {
        const exploding = yield* Effect.forkChild(Effect.flip(send("a", `x${time}`, { _tag: "Explode" })))
        yield* TestClock.adjust(Bounds.restartBackoffMaxMillis)
        yield* Fiber.join(exploding)
      }
      yield* Effect.flip(send("a", "k1"))
      yield* send("b", "k2")
      assert.strictEqual(yield* value(Numbers.isolated), 1)
      const counted = (metric: Metric.Counter<number>, labels: { readonly [name: string]: string }) =>
        Effect.map(Metric.value(Metric.withAttributes(metric, labels)), ({ count }) => count)
      assert.strictEqual(yield* counted(Numbers.restarts, { of: "stream" }), Bounds.restartBudget + 1)
      assert.strictEqual(yield* counted(Numbers.errors, { reason: "Crashed" }), Bounds.restartBudget + 1)
      assert.strictEqual(yield* counted(Numbers.errors, { reason: "Isolated" }), 1)
    }).pipe(Effect.provide(over(VolatileEventStore.layer)), Effect.provide(Logger.layer([])), fresh)
  )
})

describe("the numbers of a supervised process", () => {
  it.effect("show its restarts of the last minute, then that it stays down, and forget what is older", () =>
    Effect.gen(function* () {
      const { look, supervise } = yield* Supervisor.Supervisor
      yield* supervise("fine", Effect.never)
      yield* supervise("broken", Effect.die(new Error("bug")))
      const shown = Effect.gen(function* () {
        yield* look
        const of = { of: "broken" }
        return [
          yield* value(Metric.withAttributes(Numbers.budgetUsed, of) as Metric.Gauge<number>),
          yield* value(Metric.withAttributes(Numbers.down, of) as Metric.Gauge<number>)
        ]
      })
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* shown, [1, 0])
      yield* TestClock.adjust(Bounds.restartWindowMillis / 2)
      assert.deepStrictEqual(yield* shown, [Bounds.restartBudget, 1])
      assert.strictEqual(yield* value(Numbers.budget), Bounds.restartBudget)
      const fine = Metric.withAttributes(Numbers.budgetUsed, { of: "fine" }) as Metric.Gauge<number>
      assert.strictEqual(yield* value(fine), 0)
      yield* TestClock.adjust(Bounds.restartWindowMillis)
      assert.deepStrictEqual(yield* shown, [0, 1])
    }).pipe(
      Effect.scoped,
      Effect.provide(Layer.provideMerge(Supervisor.layer, VolatileEventStore.layer)),
      Effect.provide(Logger.layer([])),
      fresh
    )
  )
})
