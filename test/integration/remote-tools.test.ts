/** Tools that agents run where they live, over HTTP: declared, proposed, decided, claimed once, reported. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Json } from "#src/kernel/Canonical.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"

const world = World.make()

const declare = (name: string, more: object = {}) =>
  Effect.flatMap(Kit.Caller, ({ post }) =>
    post("/v1/tools", {
      as: "robot",
      key: `declare-${name}`,
      body: { name, description: "Puts a version into the world.", inputSchema: Kit.remoteSchema, ...more }
    })
  )

/** A session of the owner in which the assistant proposed an action that the robot runs, approved by the owner. */
const approved = Effect.fnUntraced(function* (name: string) {
  const { post } = yield* Kit.Caller
  yield* declare(name, { leaseMillis: 5_000 })
  const { sessionId } = (yield* post("/v1/sessions", { key: `s-${name}` })).json
  const asked = yield* post(`/v1/sessions/${sessionId}/actions`, {
    as: "agent",
    key: `a-${name}`,
    body: { tool: name, arguments: { text: "version 2" } }
  })
  assert.strictEqual(asked.json.status, "Pending", asked.text)
  yield* post(`/v1/confirmations/${asked.json.confirmationId}/approve`, { key: `y-${name}` })
  return { sessionId, actionId: String(asked.json.actionId) }
})

layer(Kit.serve(world), { excludeTestServices: true })("a tool that runs elsewhere", (it) => {
  it.effect(
    "is declared once, listed with who runs it, and withdrawn; the same definition again is the same tool",
    () =>
      Effect.gen(function* () {
        const { get, post } = yield* Kit.Caller
        const first = yield* declare("ship")
        assert.deepInclude(first.json, { name: "ship", executorId: "robot", status: "Declared" })
        const listed = (yield* get("/v1/tools")).json.items.find((one: { name: string }) => one.name === "ship")
        assert.deepInclude(listed, { hash: first.json.hash, inputSchema: Kit.remoteSchema })
        assert.deepInclude(listed.executor, { principalId: "robot", leaseMillis: 30_000 })
        const body = { name: "ship", description: "Puts a version into the world.", inputSchema: Kit.remoteSchema }
        const again = yield* post("/v1/tools", { as: "robot", key: "again", body })
        assert.deepStrictEqual(again.json, first.json)
        const other = yield* post("/v1/tools", { as: "robot", key: "other", body: { ...body, description: "Else." } })
        assert.deepInclude(other.json, { code: "Conflict", state: "Declared" })
        yield* post("/v1/tools/ship/withdraw", { as: "robot", key: "w" })
        const names = (yield* get("/v1/tools")).json.items.map((one: { name: string }) => one.name)
        assert.notInclude(names, "ship")
        const { sessionId } = (yield* post("/v1/sessions", { key: "s" })).json
        const asked = yield* post(`/v1/sessions/${sessionId}/actions`, {
          key: "late",
          body: { tool: "ship", arguments: { text: "x" } }
        })
        assert.strictEqual(asked.json.code, "UnknownTool")
      })
  )

  it.effect("is declared with a schema that can be checked whole, under a name that nobody has", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const shown = yield* declare("look")
      assert.deepInclude(shown.json, { code: "ToolUnusable", tool: "look" })
      assert.include(shown.json.detail, "this service has a tool of that name")
      const text = (keyword: object) => ({ ...Kit.remoteSchema, properties: { text: { type: "string", ...keyword } } })
      const faults: ReadonlyArray<readonly [string, Json, string, string]> = [
        ["f1", { type: "string" }, "", '"type": "object"'],
        ["f2", { type: "object" }, "", '"additionalProperties": false'],
        ["f3", [], "", "not an object"],
        ["f4", text({ pattern: "(a+)+$" }), "/properties/text/pattern", "can run for ever"],
        ["f5", { ...Kit.remoteSchema, if: {}, then: { required: ["x"] } }, "/if", "not understood"],
        ["f6", { ...Kit.remoteSchema, $ref: "https://elsewhere.example/schema" }, "/$ref", "leads nowhere"],
        ["f7", text({ maxlength: 5 }), "/properties/text/maxlength", '"maxlength" is not understood'],
        ["f8", { ...Kit.remoteSchema, requried: ["text"] }, "/requried", '"requried" is not understood'],
        ["f9", text({ format: "email" }), "/properties/text/format", "not checked"]
      ]
      for (const [name, inputSchema, pointer, said] of faults) {
        const { json } = yield* declare(name, { inputSchema })
        assert.strictEqual(json.code, "InvalidBody", name)
        assert.strictEqual(json.errors[0].pointer, `/inputSchema${pointer}`, name)
        assert.include(json.errors[0].detail, said, name)
      }
      // What Effect's own checks have no equal for: every word of it is understood, but not together.
      const mixed = { type: "object", properties: { a: {} }, additionalProperties: { type: "string" } }
      const beyond = yield* declare("f10", { inputSchema: { ...Kit.remoteSchema, properties: { text: mixed } } })
      assert.deepInclude(beyond.json, { code: "ToolUnusable", tool: "f10" })
      assert.include(beyond.json.detail, "can't be checked")
      const foreign = yield* declare("f11", { executorId: "assistant" })
      assert.strictEqual(foreign.json.code, "Forbidden")
      const shape = yield* post("/v1/tools", { as: "robot", key: "f12", body: { name: "no spaces", description: "" } })
      assert.strictEqual(shape.json.code, "InvalidBody")
    })
  )

  it.effect("is declared with a schema that comes to an end, or is told where it does not", () =>
    Effect.gen(function* () {
      const next = (level: number) => ({ $ref: `#/$defs/d${level + 1}` })
      const growing = Array.from({ length: 20 }, (_, level) => [`d${level}`, { anyOf: [next(level), next(level)] }])
      const faults: ReadonlyArray<readonly [string, object, string, string]> = [
        ["g1", { ...Object.fromEntries(growing), d20: {} }, "/inputSchema/$defs/d1", "with every $ref written out"],
        ["g2", { d0: { anyOf: [{ $ref: "#/$defs/d0" }, {}] } }, "/inputSchema/$defs/d0/anyOf/0/$ref", "recursive"],
        ["g3", { d0: { $ref: "https://elsewhere.example/s" } }, "/inputSchema/$defs/d0/$ref", "leads nowhere"]
      ]
      for (const [name, $defs, pointer, said] of faults) {
        const properties = { x: { $ref: "#/$defs/d0" } }
        const { json } = yield* declare(name, {
          inputSchema: { type: "object", properties, additionalProperties: false, $defs }
        })
        assert.strictEqual(json.code, "InvalidBody", name)
        assert.include(json.errors[0].pointer, pointer, name)
        assert.include(json.errors[0].detail, said, name)
      }
    })
  )

  it.effect("takes no more arguments than can be held against all that its schema says", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const variant = (at: number) => ({
        type: "object",
        properties: { [`k${at}`]: {} },
        required: [`k${at}`],
        additionalProperties: false
      })
      const items = { anyOf: Array.from({ length: 200 }, (_, at) => variant(at)) }
      yield* declare("variants", {
        inputSchema: { ...Kit.remoteSchema, properties: { text: { type: "array", items } } }
      })
      const { sessionId } = (yield* post("/v1/sessions", { key: "s-variants" })).json
      const propose = (count: number) =>
        post(`/v1/sessions/${sessionId}/actions`, {
          as: "agent",
          key: `v${count}`,
          body: { tool: "variants", arguments: { text: Array.from({ length: count }, () => ({ k1: 1 })) } }
        })
      assert.strictEqual((yield* propose(10)).json.status, "Pending")
      const { json } = yield* propose(10_000)
      assert.strictEqual(json.code, "ArgumentsInvalid")
      assert.include(json.detail, "too many")
    })
  )

  it.effect("takes the arguments that its schema takes, and no others", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      yield* declare("strict")
      const { sessionId } = (yield* post("/v1/sessions", { key: "s-strict" })).json
      for (const [index, args] of [{}, { text: 1 }, { text: "x", more: 1 }, [], null].entries()) {
        const body = { tool: "strict", arguments: args }
        const { json } = yield* post(`/v1/sessions/${sessionId}/actions`, { as: "agent", key: `k${index}`, body })
        assert.strictEqual(json.code, "ArgumentsInvalid", JSON.stringify(args))
      }
    })
  )

  it.effect("runs where its agent claims it: once, on the very text that a person saw, and says what came of it", () =>
    Effect.gen(function* () {
      const { get, post } = yield* Kit.Caller
      const { actionId } = yield* approved("deploy")
      const work = yield* get("/v1/actions?executorId=robot&status=Approved", { as: "robot" })
      assert.include(
        work.json.items.map((one: { actionId: string }) => one.actionId),
        actionId
      )
      const claim = yield* post(`/v1/actions/${actionId}/claim`, { as: "robot", key: `c-${actionId}` })
      assert.deepInclude(claim.json, { status: "Claimed", argumentsText: '{"text":"version 2"}' })
      const repeated = yield* post(`/v1/actions/${actionId}/claim`, { as: "robot", key: `c-${actionId}` })
      assert.deepStrictEqual(repeated.json, claim.json)
      const second = yield* post(`/v1/actions/${actionId}/claim`, { as: "robot", key: `c2-${actionId}` })
      assert.deepInclude(second.json, { code: "Conflict", state: "Claimed" })
      const { claimId } = claim.json
      const alive = yield* post(`/v1/actions/${actionId}/heartbeat`, {
        as: "robot",
        key: `h-${actionId}`,
        body: { claimId }
      })
      assert.deepInclude(alive.json, { status: "Claimed", cancel: false })
      const body = { claimId, outcome: "Executed", output: { version: 2 } }
      const done = yield* post(`/v1/actions/${actionId}/outcome`, { as: "robot", key: `o-${actionId}`, body })
      assert.strictEqual(done.json.status, "Executed")
      assert.deepInclude((yield* get(`/v1/actions/${actionId}`)).json, { status: "Executed", output: { version: 2 } })
      const other = yield* post(`/v1/actions/${actionId}/outcome`, { as: "robot", key: `o2-${actionId}`, body })
      assert.deepInclude(other.json, { code: "Conflict", state: "Executed" })
      // Nothing of it ran here.
      assert.deepStrictEqual(world.done, [])
    })
  )

  it.effect(
    "whose agent dies after the claim ends as Unknown, is never claimed again, and takes the late outcome once",
    () =>
      Effect.gen(function* () {
        const { get, post } = yield* Kit.Caller
        const { actionId } = yield* approved("dies")
        const { claimId, leaseUntil } = (yield* post(`/v1/actions/${actionId}/claim`, {
          as: "robot",
          key: `c-${actionId}`
        })).json
        const ended = yield* get(`/v1/actions/${actionId}?waitMillis=20000`)
        assert.strictEqual(ended.json.status, "Unknown")
        assert.isAtLeast(Date.now(), Date.parse(leaseUntil))
        const again = yield* post(`/v1/actions/${actionId}/claim`, { as: "robot", key: `again-${actionId}` })
        assert.deepInclude(again.json, { code: "Conflict", state: "Unknown" })
        const body = { claimId, outcome: "Executed", output: "after all" }
        const late = yield* post(`/v1/actions/${actionId}/outcome`, { as: "robot", key: `late-${actionId}`, body })
        assert.strictEqual(late.json.status, "Executed")
        const twice = yield* post(`/v1/actions/${actionId}/outcome`, { as: "robot", key: `twice-${actionId}`, body })
        assert.strictEqual(twice.status, 409)
      }),
    30_000
  )

  it.effect(
    "of which nobody knows is settled by a person who looked, with a reason",
    () =>
      Effect.gen(function* () {
        const { get, post } = yield* Kit.Caller
        const { actionId } = yield* approved("lost")
        yield* post(`/v1/actions/${actionId}/claim`, { as: "robot", key: `c-${actionId}` })
        yield* get(`/v1/actions/${actionId}?waitMillis=20000`)
        const body = { outcome: "Failed", note: "no trace of version 2" }
        const said = yield* post(`/v1/actions/${actionId}/reconcile`, { as: "ana", key: "r", body })
        assert.strictEqual(said.json.status, "Failed")
        const shown = (yield* get(`/v1/actions/${actionId}`)).json
        assert.deepInclude(shown, { code: "Reconciled", output: "no trace of version 2" })
        assert.deepStrictEqual(shown.decidedBy, { kind: "HUMAN", id: "ana" })
      }),
    30_000
  )

  it.effect(
    "reports once into a session that was erased meanwhile: a repeat hears how things stand, and changes nothing",
    () =>
      Effect.gen(function* () {
        const { get, post } = yield* Kit.Caller
        const { actionId, sessionId } = yield* approved("forgets")
        const claim = { as: "robot", key: `c-${actionId}` } as const
        const { claimId } = (yield* post(`/v1/actions/${actionId}/claim`, claim)).json
        yield* post(`/v1/sessions/${sessionId}/erase`, { key: "e-forgets" })
        const body = { claimId, outcome: "Executed", output: "version 2" }
        const report = post(`/v1/actions/${actionId}/outcome`, { as: "robot", key: `r-${actionId}`, body })
        const first = yield* report
        assert.deepInclude(first.json, { status: "Executed" })
        const head = (yield* get("/v1/events?limit=200")).json.items.length
        const again = yield* report
        assert.deepStrictEqual([again.status, again.json], [first.status, first.json])
        assert.strictEqual(again.headers["idempotent-replayed"], "true")
        assert.strictEqual((yield* get("/v1/events?limit=200")).json.items.length, head)
        // One that was refused there left none: it is judged each time.
        const other = post(`/v1/actions/${actionId}/outcome`, { as: "robot", key: `o-${actionId}`, body })
        for (const { json } of [yield* other, yield* other]) assert.deepInclude(json, { code: "Conflict" })
      })
  )

  it.effect("is not claimed while everything is halted, and is told to stop where that was asked", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const waiting = yield* approved("held")
      const running = yield* approved("runs")
      const { claimId } = (yield* post(`/v1/actions/${running.actionId}/claim`, {
        as: "robot",
        key: `c-${running.actionId}`
      })).json
      yield* post("/v1/halt", { key: "h", body: { reason: "a drill", cancelRunning: true } })
      const refused = yield* post(`/v1/actions/${waiting.actionId}/claim`, {
        as: "robot",
        key: `c-${waiting.actionId}`
      })
      assert.strictEqual(refused.json.code, "Halted")
      const alive = yield* post(`/v1/actions/${running.actionId}/heartbeat`, {
        as: "robot",
        key: `b-${running.actionId}`,
        body: { claimId }
      })
      assert.isTrue(alive.json.cancel)
      const body = { claimId, outcome: "Failed", code: "Cancelled" }
      assert.strictEqual(
        (yield* post(`/v1/actions/${running.actionId}/outcome`, { as: "robot", key: `o-${running.actionId}`, body }))
          .status,
        200
      )
      yield* post("/v1/resume", { key: "r" })
      const claimed = yield* post(`/v1/actions/${waiting.actionId}/claim`, {
        as: "robot",
        key: `c-${waiting.actionId}`
      })
      assert.strictEqual(claimed.status, 200, "the very same wish, granted now")
    })
  )

  it.effect("gives no more than a result may hold", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const { actionId } = yield* approved("talks")
      const { claimId } = (yield* post(`/v1/actions/${actionId}/claim`, { as: "robot", key: `c-${actionId}` })).json
      const body = { claimId, outcome: "Executed", output: "x".repeat(300_000) }
      const { json } = yield* post(`/v1/actions/${actionId}/outcome`, { as: "robot", key: `o-${actionId}`, body })
      assert.deepInclude(json, { code: "InvalidBody" })
      assert.strictEqual(json.errors[0].pointer, "/output")
      assert.include(json.errors[0].detail, "characters of JSON")
    })
  )

  it.effect("is nobody's but an agent's: a name that no agent could run is not given away", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      yield* post("/v1/principals", { key: "p", body: { principalId: "hanna", kind: "HUMAN" } })
      const body = { name: "lasts", description: "Puts a version into the world.", inputSchema: Kit.remoteSchema }
      for (const more of [{}, { executorId: "hanna" }]) {
        const { json } = yield* post("/v1/tools", {
          key: `lasts-${Object.keys(more).length}`,
          body: { ...body, ...more }
        })
        assert.deepInclude(json, { code: "ToolUnusable", tool: "lasts" })
      }
      const named = yield* post("/v1/tools", { key: "named", body: { ...body, executorId: "robot" } })
      assert.deepInclude(named.json, { executorId: "robot", status: "Declared" })
    })
  )
})
