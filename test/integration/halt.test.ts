/** A person stops everything, and lets it go on: over the real gateway, with tools that say what they did. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import * as Authority from "#src/gateway/Authority.ts"
import { Gateway } from "#src/gateway/Protocol.ts"
import * as Questions from "#src/gateway/Questions.ts"
import { type ActionId, StreamId } from "#src/kernel/Ids.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { HaltSwitch } from "#src/ports/HaltSwitch.ts"
import * as World from "#test/kit/world.ts"

const { owner } = World

const refusalOf = <A, R>(effect: Effect.Effect<A, unknown, R>) =>
  Effect.map(Effect.flip(effect), (error) => (error as { rejection?: { _tag: string } }).rejection?._tag)

const wishes = { reason: "a drill" }

const propose = Effect.fnUntraced(function* (key: string, tool = "look") {
  const gateway = yield* Gateway
  const sessionId = yield* World.session()
  const { body } = yield* gateway.propose(owner, key, { sessionId, tool, arguments: { text: key } })
  return body.actionId
})

const row = (id: ActionId) => Effect.flatMap(Questions.make, (questions) => questions.action(id))

describe("a halt", () => {
  it.live(
    "refuses proposals and turns, and no claim goes through: what was approved waits, and runs after the resume",
    () => {
      const world = World.make()
      return Effect.gen(function* () {
        const gateway = yield* Gateway
        const sessionId = yield* World.session()
        const actionId = yield* propose("waiting", "note")
        const { body } = yield* gateway.halt(owner, "h", wishes)
        assert.deepInclude(body, { halted: true, by: owner.actor, cancelRunning: false })
        const input = { sessionId, tool: "look", arguments: { text: "x" } }
        assert.strictEqual(yield* refusalOf(gateway.propose(owner, "late", input)), "Halted")
        assert.strictEqual(yield* refusalOf(gateway.startTurn(owner, "t", sessionId, "hello")), "Halted")
        yield* gateway.approve(owner, "a", actionId)
        const { head } = yield* EventStore
        const before = yield* head
        // The runner had its turn: nothing was claimed, nothing was run.
        yield* Effect.yieldNow.pipe(Effect.repeat({ times: 200 }))
        assert.strictEqual(yield* head, before)
        assert.strictEqual((yield* row(actionId))?.status, "Approved")
        assert.deepStrictEqual(world.done, [])
        assert.isFalse((yield* gateway.resume(owner, "r", null)).body.halted)
        yield* World.actionUntil(actionId, "Executed")
        assert.deepStrictEqual(world.done, ["note waiting"])
      }).pipe(Effect.provide(world.layer))
    }
  )

  it.live("lets a tool finish that runs, unless it is asked to stop it: that one ends as Cancelled", () =>
    Effect.gen(function* () {
      for (const cancelRunning of [false, true]) {
        const began = yield* Deferred.make<void>()
        const goOn = yield* Deferred.make<void>()
        const world = World.make({}, () => Effect.andThen(Deferred.succeed(began, undefined), Deferred.await(goOn)))
        yield* Effect.gen(function* () {
          const gateway = yield* Gateway
          const actionId = yield* propose("long")
          yield* Deferred.await(began)
          yield* gateway.halt(owner, "h", { ...wishes, cancelRunning })
          if (cancelRunning) {
            const ended = yield* World.actionUntil(actionId)
            assert.deepInclude(ended, { status: "Failed", code: "Cancelled" })
          }
          yield* Deferred.succeed(goOn, undefined)
          if (!cancelRunning) yield* World.actionUntil(actionId, "Executed")
          assert.deepStrictEqual(world.done, cancelRunning ? [] : ["look long"])
        }).pipe(Effect.provide(Layer.fresh(world.layer)))
      }
    })
  )

  it.live(
    "lets no tool start after its acknowledgement, however much is under way, and nothing is lost by it",
    () => {
      const started: Array<string> = []
      const settings = { confirmationsPendingMax: 10_000, confirmationsPendingPerSessionMax: 10_000 }
      const world = World.make({ settings }, (text) =>
        Effect.andThen(
          Effect.sync(() => void started.push(text)),
          Effect.yieldNow
        )
      )
      return Effect.gen(function* () {
        const gateway = yield* Gateway
        const ids: Array<ActionId> = []
        const worker = Effect.fnUntraced(function* (name: number) {
          const { sessionId } = (yield* gateway.createSession(owner, `s${name}`, {})).body
          for (let index = 0; index < 100; index++) {
            const input = { sessionId, tool: "look", arguments: { text: `${name}-${index}` } }
            ids.push((yield* gateway.propose(owner, `${name}-${index}`, input)).body.actionId)
          }
          return sessionId
        })
        const work = Effect.forEach(Array.from({ length: 20 }).keys(), worker, { concurrency: "unbounded" })
        const [sessionId] = yield* work
        while (started.length < 200) yield* Effect.yieldNow
        yield* gateway.halt(owner, "h", wishes)
        const acknowledged = started.length
        assert.isBelow(acknowledged, 2_000)
        // The journal takes as many commands again: whatever had been claimed had its chance.
        for (let index = 0; index < 200; index++) yield* gateway.touchSession(owner, `touch-${index}`, sessionId!)
        assert.strictEqual(started.length, acknowledged)
        yield* gateway.resume(owner, "r", null)
        const ended = yield* Effect.forEach(ids, (id) => World.actionUntil(id), { concurrency: 50 })
        // What met the switch between claim and start says so, and ran nothing; everything else ran once.
        const ran = ended.filter(({ status }) => status === "Executed").length
        const met = ended.filter(({ code, status }) => status === "Failed" && code === "Halted").length
        assert.strictEqual(ran + met, 2_000)
        assert.strictEqual(world.done.length, ran)
        assert.strictEqual(new Set(world.done).size, ran)
      }).pipe(Effect.provide(world.layer))
    },
    60_000
  )

  it.live("stands in its own process before it is acknowledged, and ends so, however late the journal's feed is", () =>
    Effect.gen(function* () {
      const journal = yield* Layer.build(VolatileEventStore.layer)
      const silent = EventStore.of({ ...Context.get(journal, EventStore), follow: () => Stream.never })
      const world = World.make()
      yield* Effect.gen(function* () {
        const halting = yield* HaltSwitch
        const gateway = yield* Gateway
        yield* gateway.halt(owner, "h", wishes)
        assert.isTrue(halting.on())
        yield* gateway.resume(owner, "r", null)
        assert.isFalse(halting.on())
      }).pipe(Effect.provide(Layer.fresh(world.over(Context.add(journal, EventStore, silent)))))
    }).pipe(Effect.scoped)
  )

  it.live("stands for a process that starts later", () =>
    Effect.gen(function* () {
      const store = yield* Layer.build(VolatileEventStore.layer)
      const world = World.make()
      const life = <A, E>(work: Effect.Effect<A, E, any>) =>
        work.pipe(Effect.provide(Layer.fresh(world.over(store)))) as Effect.Effect<A, E>
      yield* life(Effect.flatMap(Gateway, (gateway) => gateway.halt(owner, "h", wishes)))
      yield* life(
        Effect.gen(function* () {
          const halting = yield* HaltSwitch
          while (!halting.on()) yield* Effect.yieldNow
          const gateway = yield* Gateway
          yield* gateway.resume(owner, "r", null)
          assert.isFalse(halting.on())
        })
      )
    }).pipe(Effect.scoped)
  )

  it.live("is an operator's: nobody else halts or resumes, and the same key is the same halt", () => {
    const world = World.make()
    return Effect.gen(function* () {
      const gateway = yield* Gateway
      const ana = World.person("ana", ["approver"])
      const robot = { actor: { ...owner.actor, kind: "AGENT" as const }, roles: ["owner"] }
      for (const by of [ana, robot]) {
        assert.isFalse(Authority.may(by.actor, by.roles, "service.halt", { ownerId: by.actor.id }))
        assert.strictEqual(yield* refusalOf(gateway.halt(by, "x", wishes)), "Forbidden")
        assert.strictEqual(yield* refusalOf(gateway.resume(by, "y", null)), "Forbidden")
      }
      const first = yield* gateway.halt(owner, "h", wishes)
      const again = yield* gateway.halt(owner, "h", wishes)
      assert.deepStrictEqual(again, { body: first.body, repeated: true })
      const { events } = yield* (yield* EventStore).readStream(StreamId.make("halt:all"))
      assert.strictEqual(events.length, 1)
    }).pipe(Effect.provide(world.layer))
  })
})
