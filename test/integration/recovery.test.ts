/** What must go on when something else does not: another process, a lost answer, a forgotten session, a long list. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import * as Supervisor from "#layers/actors/Supervisor.ts"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as FaultyEventStore from "#layers/faults/FaultyEventStore.ts"
import * as NodeStamps from "#layers/stamps/NodeStamps.ts"
import { Gateway, Refused } from "#src/gateway/Protocol.ts"
import { subjectOf } from "#src/gateway/Session.ts"
import * as Questions from "#src/gateway/Questions.ts"
import * as ReceiptKeeper from "#src/gateway/ReceiptKeeper.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { Actors } from "#src/ports/Actors.ts"
import { EventStore, Rows } from "#src/ports/EventStore.ts"
import { Vault } from "#src/ports/Vault.ts"
import { Responder } from "#src/ports/Responder.ts"
import * as World from "#test/kit/world.ts"

const { owner } = World

/** A model that never says the same twice, and counts how often it is asked. */
const chatty = () => {
  const asked = { count: 0 }
  const layer = Layer.succeed(Responder, {
    identity: { provider: "test", model: "chatty", deterministic: false },
    respond: () =>
      Effect.andThen(
        Effect.yieldNow,
        Effect.sync(() => ({ text: `answer ${asked.count++}`, proposals: [], inputTokens: 1, outputTokens: 1 }))
      )
  })
  return { asked, layer }
}

describe("two processes on one journal", () => {
  it.live("complete the turns that both work on, whatever each model says", () =>
    Effect.gen(function* () {
      const store = yield* Layer.build(VolatileEventStore.layer)
      const { layer } = chatty()
      const one = yield* Layer.build(Layer.fresh(World.make({ responder: layer }).over(store)))
      yield* Layer.build(Layer.fresh(World.make({ responder: layer }).over(store)))
      yield* Effect.gen(function* () {
        const gateway = yield* Gateway
        for (let index = 0; index < 10; index++) {
          const sessionId = yield* World.session(`s${index}`)
          const turn = yield* gateway.startTurn(owner, `t${index}`, sessionId, "hello")
          assert.strictEqual((yield* World.turnUntilEnded(turn.body.turnId)).status, "Completed")
        }
      }).pipe(Effect.provideContext(one))
    }).pipe(Effect.scoped)
  )
})

describe("an erasure in one process", () => {
  it.live("takes the key from the hands of another", () =>
    Effect.gen(function* () {
      const store = yield* Layer.build(VolatileEventStore.layer)
      const one = yield* Layer.build(Layer.fresh(World.make().over(store)))
      const two = yield* Layer.build(Layer.fresh(World.make().over(store)))
      const sessionId = yield* World.session().pipe(Effect.provideContext(one))
      const held = yield* Effect.flatMap(Vault, ({ key }) => key(subjectOf(sessionId))).pipe(Effect.provideContext(two))
      assert.isFalse(held?.destroyed())
      yield* Effect.flatMap(Gateway, (gateway) => gateway.eraseSession(owner, "e", sessionId)).pipe(
        Effect.provideContext(one)
      )
      while (held?.destroyed() === false) yield* Effect.yieldNow
    }).pipe(Effect.scoped)
  )
})

describe("a stop", () => {
  it.live("lets a tool that is at work finish and be reported", () =>
    Effect.gen(function* () {
      const store = yield* Layer.build(VolatileEventStore.layer)
      const scope = yield* Scope.make()
      const atWork = yield* Deferred.make<void>()
      const mayEnd = yield* Deferred.make<void>()
      const world = World.make({}, () => Effect.andThen(Deferred.succeed(atWork, undefined), Deferred.await(mayEnd)))
      const service = yield* Layer.buildWithScope(Layer.fresh(world.over(store)), scope)
      const actionId = yield* Effect.gen(function* () {
        const gateway = yield* Gateway
        const sessionId = yield* World.session()
        const { body } = yield* gateway.propose(owner, "p", { sessionId, tool: "look", arguments: { text: "x" } })
        yield* Deferred.await(atWork)
        return body.actionId
      }).pipe(Effect.provideContext(service))
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* Effect.yieldNow.pipe(Effect.repeat({ times: 100 }))
      yield* Deferred.succeed(mayEnd, undefined)
      yield* Fiber.join(closing)
      const row = yield* Effect.flatMap(Questions.make, (questions) => questions.action(actionId)).pipe(
        Effect.provideContext(store)
      )
      assert.strictEqual(row?.status, "Executed")
      assert.deepStrictEqual(world.done, ["look x"])
    }).pipe(Effect.scoped)
  )
})

describe("a restart", () => {
  it.live("goes on with every turn, though there are more than one page of them", () =>
    Effect.gen(function* () {
      const store = yield* Layer.build(VolatileEventStore.layer)
      const settings = { sessionsPerPrincipalMax: 1_000 }
      const stuck = Layer.succeed(Responder, {
        identity: { provider: "test", model: "stuck", deterministic: true },
        respond: () => Effect.never
      })
      const scope = yield* Scope.make()
      const before = World.make({ responder: stuck, settings }).over(store)
      const first = yield* Layer.buildWithScope(Layer.fresh(before), scope)
      const turns = yield* Effect.gen(function* () {
        const gateway = yield* Gateway
        return yield* Effect.forEach(
          Array.from({ length: 230 }, (_, index) => index),
          (index) =>
            Effect.flatMap(World.session(`s${index}`), (id) => gateway.startTurn(owner, `t${index}`, id, "hello"))
        )
      }).pipe(Effect.provideContext(first))
      yield* Scope.close(scope, Exit.void)
      const after = World.make({ responder: chatty().layer, settings }).over(store)
      const second = yield* Layer.build(Layer.fresh(after))
      yield* Effect.forEach(turns, ({ body }) => World.turnUntilEnded(body.turnId), { concurrency: "unbounded" }).pipe(
        Effect.map((rows) => assert.deepStrictEqual(new Set(rows.map(({ status }) => status)), new Set(["Completed"]))),
        Effect.provideContext(second)
      )
    }).pipe(Effect.scoped)
  )
})

describe("a claim whose answer is lost", () => {
  it.live("runs its tool all the same, once", () =>
    Effect.gen(function* () {
      const faulty = yield* Layer.build(FaultyEventStore.layer.pipe(Layer.provideMerge(VolatileEventStore.layer)))
      const world = World.make()
      yield* Effect.gen(function* () {
        const gateway = yield* Gateway
        const faults = yield* FaultyEventStore.Faults
        const sessionId = yield* World.session()
        const { body } = yield* gateway.propose(owner, "p", { sessionId, tool: "note", arguments: { text: "x" } })
        // The next append is the approval, the one after it the claim.
        faults.plan({ _tag: "Before", effect: Effect.void }, { _tag: "LoseAnswer" })
        yield* gateway.approve(owner, "a", body.actionId)
        assert.strictEqual((yield* World.actionUntil(body.actionId)).status, "Executed")
      }).pipe(Effect.provide(Layer.fresh(world.over(faulty))), Effect.provideContext(faulty))
      assert.deepStrictEqual(world.done, ["note x"])
    }).pipe(Effect.scoped)
  )
})

describe("an erasure while a turn waits for a person", () => {
  it.live("ends the turn and its question, keeps no word of either, and isolates nothing", () => {
    const world = World.make()
    return Effect.gen(function* () {
      const gateway = yield* Gateway
      const rows = yield* Rows
      const questions = yield* Questions.make
      const sessionId = yield* World.session()
      const turn = yield* gateway.startTurn(owner, "t", sessionId, 'call note {"text":"secret words"}')
      while ((yield* rows.counter("confirmations.pending")) === 0) yield* Effect.yieldNow
      const [asked] = (yield* questions.actions({ sessionId })).items
      yield* gateway.eraseSession(owner, "e", sessionId)
      assert.include(["Cancelled", "Failed"], (yield* World.turnUntilEnded(turn.body.turnId)).status)
      assert.strictEqual((yield* World.actionUntil(asked!.actionId)).status, "Withdrawn")
      const status = yield* Effect.flatMap(Actors, (actors) => actors.status)
      assert.strictEqual(status.isolatedCount, 0)
      const events = yield* Effect.flatMap(EventStore, (store) => store.readAll(0, 1_000))
      assert.notInclude(JSON.stringify(events), "secret words")
      assert.deepStrictEqual(world.done, [])
    }).pipe(Effect.provide(world.layer))
  })
})

describe("turns that wait for people", () => {
  it.live("stand in the way of no other turn, however many they are", () => {
    const many = Bounds.turnsInFlightMax + 1
    const world = World.make({
      settings: { sessionsPerPrincipalMax: 2 * many, confirmationsPendingMax: 2 * many }
    })
    return Effect.gen(function* () {
      const gateway = yield* Gateway
      const rows = yield* Rows
      for (let index = 0; index < many; index++) {
        const sessionId = yield* World.session(`s${index}`)
        yield* gateway.startTurn(owner, `t${index}`, sessionId, 'call note {"text":"x"}')
      }
      while ((yield* rows.counter("confirmations.pending")) < many) yield* Effect.yieldNow
      const turn = yield* gateway.startTurn(owner, "t", yield* World.session("another"), "say hello")
      assert.strictEqual((yield* World.turnUntilEnded(turn.body.turnId)).status, "Completed")
    }).pipe(Effect.provide(world.layer))
  })
})

describe("a model that proposes more than one step may hold", () => {
  it.live("ends its turn, which says so; nothing of it runs", () => {
    const proposals = Array.from({ length: Bounds.proposalsPerStepMax + 1 }, (_, index) => ({
      callId: `c${index}`,
      tool: "look",
      arguments: { text: "x" }
    }))
    const greedy = Layer.succeed(Responder, {
      identity: { provider: "test", model: "greedy", deterministic: true },
      respond: () => Effect.succeed({ text: "", proposals, inputTokens: 1, outputTokens: 1 })
    })
    const world = World.make({ responder: greedy })
    return Effect.gen(function* () {
      const gateway = yield* Gateway
      const turn = yield* gateway.startTurn(owner, "t", yield* World.session(), "hello")
      const ended = yield* World.turnUntilEnded(turn.body.turnId)
      assert.deepInclude(ended, { status: "Failed", failure: "ResponderMalformed" })
      assert.deepStrictEqual(world.done, [])
    }).pipe(Effect.provide(world.layer))
  })
})

describe("a receipt", () => {
  const hour = 3_600_000
  it.effect("outlives its stream by seven days, and its going makes no second session", () =>
    Effect.gen(function* () {
      const store = yield* Layer.build(VolatileEventStore.layer)
      const world = World.make().over(store)
      const life = <A, E>(work: Effect.Effect<A, E, Gateway>) => Effect.provide(work, Layer.fresh(world))
      const create = Effect.flatMap(Gateway, (gateway) => gateway.createSession(owner, "key", {}))
      const { body } = yield* life(
        Effect.tap(create, ({ body }) =>
          Effect.flatMap(Gateway, (gateway) => gateway.closeSession(owner, "close", body.sessionId, null))
        )
      )
      const keeper = Effect.flatten(ReceiptKeeper.make).pipe(
        Effect.provide(NodeStamps.layer.pipe(Layer.provide(NodeDigest.layer))),
        Effect.provideContext(store)
      )
      yield* Effect.forkChild(keeper)
      yield* TestClock.adjust(Bounds.receiptRetentionMillis - hour)
      assert.deepInclude(yield* life(create), { body, repeated: true })
      yield* TestClock.adjust(3 * hour)
      const refused = yield* Effect.flip(life(create))
      assert.instanceOf(refused, Refused)
      assert.deepInclude(refused, {
        rejection: { _tag: "Conflict", kind: "session", id: body.sessionId, status: "Closed" }
      })
      const rows = yield* Effect.flatMap(Rows, (rows) => rows.list({ kind: "session", limit: 10 })).pipe(
        Effect.provideContext(store)
      )
      assert.strictEqual(rows.length, 1)
    }).pipe(Effect.scoped)
  )
})

describe("an erasure while a tool is at work", () => {
  it.live("records what became of it, without a word", () =>
    Effect.gen(function* () {
      const atWork = yield* Deferred.make<void>()
      const mayEnd = yield* Deferred.make<void>()
      const world = World.make({}, () => Effect.andThen(Deferred.succeed(atWork, undefined), Deferred.await(mayEnd)))
      yield* Effect.gen(function* () {
        const gateway = yield* Gateway
        const questions = yield* Questions.make
        const sessionId = yield* World.session()
        const { body } = yield* gateway.propose(owner, "p", { sessionId, tool: "look", arguments: { text: "x" } })
        yield* Deferred.await(atWork)
        yield* gateway.eraseSession(owner, "e", sessionId)
        yield* Deferred.succeed(mayEnd, undefined)
        assert.strictEqual((yield* World.actionUntil(body.actionId)).status, "Executed")
        assert.deepStrictEqual((yield* questions.action(body.actionId))?.output, { redacted: true })
      }).pipe(Effect.provide(world.layer))
      assert.deepStrictEqual(world.done, ["look x"])
    })
  )
})

describe("a turn that is cancelled", () => {
  it.live("stops the model in the middle of its answer", () =>
    Effect.gen(function* () {
      const asked = yield* Deferred.make<void>()
      const stopped = yield* Deferred.make<void>()
      const slow = Layer.succeed(Responder, {
        identity: { provider: "test", model: "slow", deterministic: true },
        respond: () =>
          Effect.andThen(Deferred.succeed(asked, undefined), Effect.never).pipe(
            Effect.onInterrupt(() => Deferred.succeed(stopped, undefined))
          )
      })
      yield* Effect.gen(function* () {
        const gateway = yield* Gateway
        const turn = yield* gateway.startTurn(owner, "t", yield* World.session(), "hello")
        yield* Deferred.await(asked)
        yield* gateway.cancelTurn(owner, "c", turn.body.turnId, null)
        yield* Deferred.await(stopped)
        assert.strictEqual((yield* World.turnUntilEnded(turn.body.turnId)).status, "Cancelled")
      }).pipe(Effect.provide(World.make({ responder: slow }).layer))
    })
  )
})

describe("what a service keeps running", () => {
  it.live("is under supervision, each by its name", () =>
    Effect.gen(function* () {
      const { status } = yield* Supervisor.Supervisor
      const all = ["dispatcher", "policy-recorder", "receipt-keeper", "timekeeper"]
      while ((yield* status).size < all.length) yield* Effect.yieldNow
      assert.deepStrictEqual(yield* status, new Map(all.map((name) => [name, "running"])))
    }).pipe(Effect.provide(World.make().layer))
  )
})
