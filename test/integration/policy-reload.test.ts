/** Policies that change under the whole gateway: what was asked before, what is decided after, what the journal says. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import * as CedarPolicyReload from "#layers/policy-engine/CedarPolicyReload.ts"
import { Gateway } from "#src/gateway/Protocol.ts"
import * as Questions from "#src/gateway/Questions.ts"
import { type ActionId, StreamId } from "#src/kernel/Ids.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { PolicyEngine } from "#src/ports/PolicyEngine.ts"
import { Feed } from "#src/ports/Feed.ts"
import { actor } from "#test/kit/decider.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"

const { owner } = World

const asks = World.policies["test.cedar"]
const forbids = `${asks}@id("stop") forbid (principal, action == Action::"note", resource);\n`
const two = asks.replace(`@id("note") @gate("human")`, `@id("note") @gate("two-people")`)
const runs = asks.replace(`@id("note") @gate("human") @approvers("approver")`, `@id("note")`)

/** Nothing but `change` looks at the folder, so that a test knows under which set it asks. */
const world = Effect.fnUntraced(function* () {
  const folder = join(yield* TemporaryFolder.make, "policies")
  mkdirSync(folder)
  const write = (text: string) => writeFileSync(join(folder, "test.cedar"), text)
  write(asks)
  const millis = 3_600_000
  const policyEngine = () => CedarPolicyReload.layer({ folder, quietMillis: millis, lookMillis: millis })
  const change = (text: string) =>
    Effect.flatMap(PolicyEngine, ({ reload }) =>
      Effect.andThen(
        Effect.sync(() => write(text)),
        reload
      )
    ).pipe(Effect.provide(Logger.layer([])))
  return { change, policyEngine }
})

type Change = Effect.Success<ReturnType<typeof world>>["change"]

/** The whole gateway over such a folder. */
const inWorld = <E, R>(
  test: (made: { readonly change: Change; readonly done: World.World["done"] }) => Effect.Effect<void, E, R>
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { change, policyEngine } = yield* world()
      const { done, layer } = World.make({ policyEngine: policyEngine() })
      yield* Effect.provide(test({ change, done }), layer)
    })
  )

const propose = Effect.fnUntraced(function* (key: string) {
  const gateway = yield* Gateway
  const sessionId = yield* World.session()
  return (yield* gateway.propose(owner, key, { sessionId, tool: "note", arguments: { text: key } })).body
})

const row = (id: ActionId) => Effect.flatMap(Questions.make, (questions) => Effect.orDie(questions.action(id)))

const refusalOf = <A, R>(effect: Effect.Effect<A, unknown, R>) =>
  Effect.map(Effect.flip(effect), (error) => (error as { rejection?: { _tag: string } }).rejection?._tag)

const changes = Effect.gen(function* () {
  const { readStream } = yield* EventStore
  const { events } = yield* Effect.orDie(readStream(StreamId.make("policy:current")))
  return events.map(({ envelope }) => envelope)
})

/** Waits, by the journal's own word, until so many sets were recorded. */
const recorded = (count: number) =>
  Effect.gen(function* () {
    const feed = yield* Feed
    for (;;) {
      const found = yield* Effect.scoped(
        Effect.gen(function* () {
          const change = yield* feed.changed("policy:current")
          const found = yield* changes
          if (found.length >= count) return found
          yield* change
          return null
        })
      )
      if (found !== null) return found
    }
  })

describe("an action that waits for a person while the policies change", () => {
  it.live("is refused where the set in force forbids it now, and does not run", () =>
    inWorld(({ change, done }) =>
      Effect.gen(function* () {
        const gateway = yield* Gateway
        const { actionId, setHash } = yield* propose("a")
        yield* change(forbids)
        assert.strictEqual(yield* refusalOf(gateway.approve(owner, "x", actionId)), "PolicyDenied")
        assert.deepInclude(yield* row(actionId), { status: "Pending", setHash })
        yield* change(asks)
        yield* gateway.approve(owner, "y", actionId)
        yield* World.actionUntil(actionId, "Executed")
        assert.deepStrictEqual(done, ["note a"])
      })
    )
  )

  it.live("waits for a second person where the set in force wants two now, and for no fewer where it wants none", () =>
    inWorld(({ change }) =>
      Effect.gen(function* () {
        const gateway = yield* Gateway
        const ana = World.person("ana", ["approver"])
        const ben = World.person("ben", ["approver"])
        const stricter = yield* propose("a")
        const milder = yield* propose("b")
        yield* change(two)
        yield* gateway.approve(ana, "x", stricter.actionId)
        assert.deepInclude(yield* row(stricter.actionId), { status: "Pending", gate: "two-people" })
        yield* gateway.approve(ben, "x", stricter.actionId)
        yield* World.actionUntil(stricter.actionId, "Executed")
        yield* change(runs)
        assert.strictEqual((yield* row(milder.actionId))?.status, "Pending")
        yield* gateway.approve(owner, "y", milder.actionId)
        yield* World.actionUntil(milder.actionId, "Executed")
        const { set } = yield* PolicyEngine
        assert.strictEqual((yield* row(milder.actionId))?.setHash, (yield* set).hash)
      })
    )
  )

  it.live("is judged again once another set was taken, and not where one was refused or is as before", () =>
    inWorld(({ change }) =>
      Effect.gen(function* () {
        const gateway = yield* Gateway
        const { refused, set } = yield* PolicyEngine
        const { hash } = yield* set
        /** Times that the action was judged until it was approved. */
        const judgedOf = Effect.fnUntraced(function* (key: string, changes: Effect.Effect<void, never, PolicyEngine>) {
          const { actionId } = yield* propose(key)
          yield* changes
          yield* gateway.approve(owner, `approve-${key}`, actionId)
          const { readStream } = yield* EventStore
          const { events } = yield* Effect.orDie(readStream(StreamId.make(`action:${actionId}`)))
          return events.filter(({ envelope }) => envelope.type === "action.judged").length
        })
        assert.strictEqual(yield* judgedOf("as-before", change(asks)), 1)
        assert.strictEqual(yield* judgedOf("refused", change(`${forbids}@id("typo") permit`)), 1)
        assert.isNotNull(yield* refused)
        assert.strictEqual(yield* judgedOf("refused-again", change(`${forbids}@id("other") permit`)), 1)
        assert.strictEqual(yield* judgedOf("mended", change(asks)), 1)
        assert.isNull(yield* refused)
        assert.strictEqual((yield* set).hash, hash)
        assert.strictEqual(yield* judgedOf("taken", change(`${asks}// Another set.\n`)), 2)
      })
    )
  )

  it.live("that was permitted before keeps its permit, with the set that gave it", () =>
    inWorld(({ change }) =>
      Effect.gen(function* () {
        const gateway = yield* Gateway
        const { actionId, setHash } = yield* propose("a")
        yield* gateway.halt(owner, "h", { reason: "nothing may start yet" })
        yield* gateway.approve(owner, "x", actionId)
        yield* change(forbids)
        yield* gateway.resume(owner, "r", null)
        yield* World.actionUntil(actionId, "Executed")
        assert.strictEqual((yield* row(actionId))?.setHash, setHash)
      })
    )
  )
})

describe("a tool that was declared after the policies were read", () => {
  it.live("may be named by policies that are read then, and not before", () =>
    inWorld(({ change }) =>
      Effect.gen(function* () {
        const gateway = yield* Gateway
        const { refused, set } = yield* PolicyEngine
        const before = yield* set
        const names = `${asks}@id("named") permit (principal, action == Action::"deploy", resource);\n`
        yield* change(names)
        assert.include((yield* refused)?.message, 'there is no tool "deploy"')
        assert.deepStrictEqual(
          (yield* refused)?.problems.map(({ undeclared }) => undeclared),
          ["deploy"]
        )
        assert.strictEqual((yield* set).hash, before.hash)
        const inputSchema = { type: "object", properties: {}, additionalProperties: false }
        const by = { actor: actor("AGENT", "robot"), roles: ["agent"] }
        yield* gateway.declareTool(by, "d", { name: "deploy", description: "Deploys.", inputSchema })
        yield* change(names)
        assert.isNull(yield* refused)
        assert.include(
          (yield* set).policies.map(({ id }) => id),
          "named"
        )
      })
    )
  )
})

describe("the journal", () => {
  it.live("holds the set of the start and each that took its place, by SYSTEM, with the one before", () =>
    inWorld(({ change }) =>
      Effect.gen(function* () {
        const { set } = yield* PolicyEngine
        const first = (yield* set).hash
        yield* recorded(1)
        yield* change(forbids)
        const second = (yield* set).hash
        yield* recorded(2)
        yield* change(`@id("typo") permit`)
        assert.strictEqual((yield* set).hash, second)
        yield* change(asks)
        const found = yield* recorded(3)
        assert.deepStrictEqual(
          found.map(({ payload }) => [payload["hash"], payload["previousHash"], payload["number"]]),
          [
            [first, null, 1],
            [second, first, 2],
            [first, second, 3]
          ]
        )
        for (const { actor } of found) assert.strictEqual(actor.kind, "SYSTEM")
      })
    )
  )

  it.live("is told once by processes that share it and take the same set, and nothing by one that starts with it", () =>
    Effect.gen(function* () {
      const { change, policyEngine } = yield* world()
      const store = yield* Layer.build(VolatileEventStore.layer)
      const life = () => Layer.build(Layer.fresh(World.make({ policyEngine: policyEngine() }).over(store)))
      const both = [yield* life(), yield* life()] as const
      const inFirst = Effect.provide(recorded(1), both[0])
      assert.strictEqual((yield* inFirst).length, 1)
      yield* Effect.all(
        both.map((one) => Effect.provide(change(forbids), one)),
        { concurrency: 2 }
      )
      yield* Effect.provide(recorded(2), both[1])
      const third = yield* life()
      // Each has answered a command since: whatever it had to say was said.
      for (const [index, one] of [...both, third].entries()) {
        yield* Effect.provide(
          Effect.flatMap(Gateway, (gateway) => gateway.createSession(owner, `s${index}`, {})),
          one
        )
        yield* Effect.yieldNow.pipe(Effect.repeat({ times: 200 }))
      }
      assert.strictEqual((yield* Effect.provide(changes, third)).length, 2)
    }).pipe(Effect.scoped)
  )
})

describe("GET /v1/policy", () => {
  it.live("tells a person which set decides since when, and each policy's file and gate, but not its text", () =>
    Effect.gen(function* () {
      const { change, policyEngine } = yield* world()
      const context = yield* Layer.build(Kit.serve(World.make({ policyEngine: policyEngine() })))
      yield* Effect.gen(function* () {
        const { get } = yield* Kit.Caller
        const [started] = yield* recorded(1)
        const { json } = yield* get("/v1/policy", { as: "bob" })
        assert.deepStrictEqual(json, {
          hash: started?.payload["hash"],
          since: started?.occurredAt,
          policies: [
            { id: "look", file: "test.cedar", gate: "none" },
            { id: "note", file: "test.cedar", gate: "human" },
            { id: "pair", file: "test.cedar", gate: "two-people" },
            { id: "remote", file: "test.cedar", gate: "human" },
            { id: "never", file: "test.cedar", gate: null }
          ]
        })
        yield* change(forbids)
        const found = yield* recorded(2)
        const after = yield* get("/v1/policy", { as: "owner" })
        assert.strictEqual(after.json.hash, found[1]?.payload["hash"])
        assert.strictEqual(after.json.since, found[1]?.occurredAt)
        assert.deepInclude(after.json.policies, { id: "stop", file: "test.cedar", gate: null })
        assert.strictEqual((yield* get("/v1/policy", { as: "agent" })).status, 403)
      }).pipe(Effect.provide(context))
    }).pipe(Effect.scoped)
  )
})
