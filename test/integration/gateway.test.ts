import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { ActionId } from "#src/kernel/Ids.ts"
import { Gateway } from "#src/gateway/Protocol.ts"
import * as Questions from "#src/gateway/Questions.ts"
import { EventStore, Rows } from "#src/ports/EventStore.ts"
import { Vault } from "#src/ports/Vault.ts"
import * as World from "#test/kit/world.ts"

const { owner, person } = World

const typesOf = Effect.flatMap(EventStore, (store) => store.readAll(0, 1_000)).pipe(
  Effect.map((events) => events.map(({ envelope }) => envelope.type))
)

describe("the gateway", () => {
  it.live("runs what the policy lets run, once, and records the outcome", () => {
    const world = World.make()
    return Effect.gen(function* () {
      const gateway = yield* Gateway
      const sessionId = yield* World.session()
      const input = { sessionId, tool: "look", arguments: { text: "a" } }
      const first = yield* gateway.propose(owner, "p1", input)
      const row = yield* World.actionUntil(first.body.actionId)
      assert.strictEqual(row.status, "Executed")
      const again = yield* gateway.propose(owner, "p1", input)
      assert.isTrue(again.repeated)
      assert.deepStrictEqual(again.body, first.body)
      assert.deepStrictEqual(world.done, ["look a"])
      const vault = yield* Vault
      assert.deepStrictEqual(yield* vault.open(row.output), { kept: 1 })
    }).pipe(Effect.provide(world.layer))
  })

  it.live("reads nothing of a session or an action that a command begins, nor of its key", () =>
    Effect.gen(function* () {
      const store = yield* Layer.build(VolatileEventStore.layer)
      const asked: Array<string> = []
      const journal = Context.get(store, EventStore)
      const counting = Context.add(store, EventStore, {
        ...journal,
        readStream: (stream) => Effect.suspend(() => (asked.push(stream), journal.readStream(stream))),
        wrappedKey: (subject) => Effect.suspend(() => (asked.push(subject), journal.wrappedKey(subject)))
      })
      yield* Effect.gen(function* () {
        const gateway = yield* Gateway
        asked.length = 0
        const sessionId = yield* World.session()
        const { body } = yield* gateway.propose(owner, "p", { sessionId, tool: "note", arguments: { text: "a" } })
        yield* gateway.deny(owner, "d", body.actionId, null)
        assert.deepStrictEqual(asked, [])
      }).pipe(Effect.provide(World.make().over(counting)))
    }).pipe(Effect.scoped)
  )

  it.live("takes arguments that just fit, and not one character more", () => {
    const world = World.make()
    return Effect.gen(function* () {
      const gateway = yield* Gateway
      const sessionId = yield* World.session()
      const propose = (length: number) => {
        const text = "x".repeat(length - `{"text":""}`.length)
        return gateway.propose(owner, `p${length}`, { sessionId, tool: "look", arguments: { text } })
      }
      const fits = yield* propose(Bounds.argumentsTextMax)
      assert.strictEqual(fits.body.status, "Approved")
      const refused = yield* Effect.flip(propose(Bounds.argumentsTextMax + 1))
      assert.strictEqual(refused._tag === "Refused" && refused.rejection._tag, "ArgumentsInvalid")
    }).pipe(Effect.provide(world.layer))
  })

  it.live("runs nothing before a person approves, and then exactly what was shown", () => {
    const world = World.make()
    return Effect.gen(function* () {
      const gateway = yield* Gateway
      const sessionId = yield* World.session()
      const { body } = yield* gateway.propose(owner, "p1", { sessionId, tool: "note", arguments: { text: "a" } })
      assert.strictEqual(body.status, "Pending")
      assert.deepStrictEqual(world.done, [])
      yield* gateway.approve(owner, "a1", body.actionId)
      const row = yield* World.actionUntil(body.actionId)
      assert.strictEqual(row.status, "Executed")
      assert.deepStrictEqual(world.done, ["note a"])
    }).pipe(Effect.provide(world.layer))
  })

  it.live("runs the arguments that a person edited, and refuses an edit that the policy forbids", () => {
    const world = World.make()
    return Effect.gen(function* () {
      const gateway = yield* Gateway
      const sessionId = yield* World.session()
      const { body } = yield* gateway.propose(owner, "p1", { sessionId, tool: "note", arguments: { text: "a" } })
      const refused = yield* Effect.flip(gateway.approve(owner, "a1", body.actionId, { text: "forbidden" }))
      assert.strictEqual(refused._tag === "Refused" && refused.rejection._tag, "PolicyDenied")
      yield* gateway.approve(owner, "a2", body.actionId, { text: "b" })
      yield* World.actionUntil(body.actionId)
      assert.deepStrictEqual(world.done, ["note b"])
    }).pipe(Effect.provide(world.layer))
  })

  it.live("lets one of many rivals win, tells the others who won, and runs the tool at most once", () => {
    const world = World.make()
    return Effect.gen(function* () {
      const gateway = yield* Gateway
      const sessionId = yield* World.session()
      for (let round = 0; round < 9; round++) {
        const { body } = yield* gateway.propose(owner, `p${round}`, {
          sessionId,
          tool: "note",
          arguments: { text: `t${round}` }
        })
        const rivals = Array.from({ length: 20 }, (_, index) =>
          Effect.result(
            index % 2 === 0
              ? gateway.approve(owner, `r${round}-${index}`, body.actionId)
              : gateway.deny(owner, `r${round}-${index}`, body.actionId, null)
          )
        )
        const results = yield* Effect.all(rivals, { concurrency: "unbounded" })
        const winners = results.filter((result) => result._tag === "Success")
        assert.strictEqual(winners.length, 1)
        for (const result of results) {
          if (result._tag === "Success") continue
          const rejection = result.failure._tag === "Refused" ? result.failure.rejection : null
          assert.strictEqual(rejection?._tag, "Conflict")
        }
        yield* World.actionUntil(body.actionId)
      }
      assert.strictEqual(new Set(world.done).size, world.done.length)
    }).pipe(Effect.provide(world.layer))
  })

  it.live("hides what is not the caller's, and forbids what may be seen but not done", () => {
    const world = World.make()
    return Effect.gen(function* () {
      const gateway = yield* Gateway
      const sessionId = yield* World.session()
      const { body } = yield* gateway.propose(owner, "p1", { sessionId, tool: "note", arguments: { text: "a" } })
      const stranger = person("stranger")
      const hidden = yield* Effect.flip(gateway.approve(stranger, "s1", body.actionId))
      assert.strictEqual(hidden._tag === "Refused" && hidden.rejection._tag, "NotFound")
      const agent = { actor: { kind: "AGENT" as const, id: person("assistant").actor.id }, roles: ["agent"] }
      const forbidden = yield* Effect.flip(gateway.approve(agent, "s2", body.actionId))
      assert.strictEqual(forbidden._tag === "Refused" && forbidden.rejection._tag, "Forbidden")
      const approver = person("ana", ["approver"])
      yield* gateway.approve(approver, "s3", body.actionId)
      yield* World.actionUntil(body.actionId)
      assert.deepStrictEqual(world.done, ["note a"])
    }).pipe(Effect.provide(world.layer))
  })

  it.live("refuses an eleventh pending confirmation of a session, and takes it once one is decided", () => {
    const world = World.make()
    return Effect.gen(function* () {
      const gateway = yield* Gateway
      const rows = yield* Rows
      const sessionId = yield* World.session()
      const propose = (name: string) =>
        gateway.propose(owner, name, { sessionId, tool: "note", arguments: { text: name } })
      const asked = yield* Effect.forEach(
        Array.from({ length: 10 }, (_, i) => `p${i}`),
        propose
      )
      const refused = yield* Effect.flip(propose("p10"))
      assert.deepInclude(refused._tag === "Refused" ? refused.rejection : {}, { _tag: "LimitReached", maximum: 10 })
      yield* gateway.deny(owner, "d", asked[0]!.body.actionId, "no")
      assert.strictEqual((yield* propose("p10")).body.status, "Pending")
      assert.strictEqual(yield* rows.counter("confirmations.pending"), 10)
      assert.strictEqual(yield* rows.counter("confirmations.created"), 11)
      assert.strictEqual(yield* rows.counter("confirmations.denied"), 1)
    }).pipe(Effect.provide(world.layer))
  })

  it.live("withdraws what waits and refuses what was approved when its session closes", () => {
    const world = World.make()
    return Effect.gen(function* () {
      const gateway = yield* Gateway
      const sessionId = yield* World.session()
      const { body } = yield* gateway.propose(owner, "p1", { sessionId, tool: "note", arguments: { text: "a" } })
      yield* gateway.closeSession(owner, "c1", sessionId, null)
      const row = yield* World.actionUntil(body.actionId)
      assert.strictEqual(row.status, "Withdrawn")
      const late = yield* Effect.flip(
        gateway.propose(owner, "p2", { sessionId, tool: "look", arguments: { text: "b" } })
      )
      assert.strictEqual(late._tag === "Refused" && late.rejection._tag, "SessionNotOpen")
      assert.deepStrictEqual(world.done, [])
    }).pipe(Effect.provide(world.layer))
  })

  it.live("plays a turn: reads, asks, waits for a person, acts, answers", () => {
    const world = World.make()
    return Effect.gen(function* () {
      const gateway = yield* Gateway
      const vault = yield* Vault
      const sessionId = yield* World.session()
      const input = 'call look {"text":"first"}\ncall note {"text":"second"}\nsay done'
      const turn = yield* gateway.startTurn(owner, "t1", sessionId, input)
      const rows = yield* Rows
      const waiting = yield* Effect.gen(function* () {
        for (;;) {
          const found = yield* rows.list({ kind: "action", where: { status: "Pending" }, limit: 1 })
          if (found[0] !== undefined) return ActionId.make(found[0].key)
          yield* Effect.yieldNow
        }
      })
      assert.deepStrictEqual(world.done, ["look first"])
      yield* gateway.approve(owner, "a1", waiting, { text: "edited" })
      const row = yield* World.turnUntilEnded(turn.body.turnId)
      assert.strictEqual(row.status, "Completed")
      assert.deepStrictEqual(world.done, ["look first", "note edited"])
      assert.include(yield* vault.open(row.text), "done")
      assert.includeMembers(yield* typesOf, ["turn.recalled", "turn.memories-recorded", "turn.completed"])
    }).pipe(Effect.provide(world.layer))
  })

  it.live("stops a cancelled turn and withdraws what it asked", () => {
    const world = World.make()
    return Effect.gen(function* () {
      const gateway = yield* Gateway
      const rows = yield* Rows
      const sessionId = yield* World.session()
      const turn = yield* gateway.startTurn(owner, "t1", sessionId, 'call note {"text":"a"}')
      const action = yield* Effect.gen(function* () {
        for (;;) {
          const found = yield* rows.list({ kind: "action", where: { status: "Pending" }, limit: 1 })
          if (found[0] !== undefined) return ActionId.make(found[0].key)
          yield* Effect.yieldNow
        }
      })
      yield* gateway.cancelTurn(owner, "c1", turn.body.turnId, "enough")
      assert.strictEqual((yield* World.actionUntil(action)).status, "Withdrawn")
      assert.strictEqual((yield* World.turnUntilEnded(turn.body.turnId)).status, "Cancelled")
      assert.deepStrictEqual(world.done, [])
    }).pipe(Effect.provide(world.layer))
  })

  it.live("shows nothing of an erased session, keeps its chain, and answers no more", () => {
    const world = World.make()
    return Effect.gen(function* () {
      const gateway = yield* Gateway
      const store = yield* EventStore
      const vault = yield* Vault
      const sessionId = yield* World.session()
      const { body } = yield* gateway.propose(owner, "p1", { sessionId, tool: "look", arguments: { text: "canary" } })
      yield* World.actionUntil(body.actionId)
      yield* gateway.eraseSession(owner, "e1", sessionId)
      const again = yield* gateway.eraseSession(owner, "e1", sessionId)
      assert.strictEqual(again.body.status, "Erased")
      const events = yield* store.readAll(0, 1_000)
      const shown = yield* Effect.forEach(events, ({ envelope }) => vault.openPayload(envelope))
      assert.notInclude(JSON.stringify([events, shown]), "canary")
      assert.include(JSON.stringify(shown), '"redacted":true')
      const gone = yield* Effect.flip(gateway.touchSession(owner, "x1", sessionId))
      assert.strictEqual(gone._tag === "ActorError" && gone.reason, "Erased")
    }).pipe(Effect.provide(world.layer))
  })
})

describe("a session", () => {
  it.effect("lives on from each of its turns, and not from a turn's repeat", () =>
    Effect.gen(function* () {
      const gateway = yield* Gateway
      const questions = yield* Questions.make
      const { sessionId } = (yield* gateway.createSession(owner, "s", { idleMillis: 60_000 })).body
      const idleAfter = Effect.fnUntraced(function* (millis: number, key: string) {
        yield* TestClock.adjust(millis)
        yield* gateway
          .startTurn(owner, key, sessionId, "hello")
          .pipe(Effect.tap(({ body }) => World.turnUntilEnded(body.turnId)))
        return (yield* questions.session(sessionId))?.idleAtMillis
      })
      assert.strictEqual(yield* idleAfter(40_000, "t1"), 100_000)
      assert.strictEqual(yield* idleAfter(10_000, "t1"), 100_000)
      assert.strictEqual(yield* idleAfter(0, "t2"), 110_000)
    }).pipe(Effect.provide(World.make().layer))
  )
})
