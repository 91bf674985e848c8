/** Every problem code, produced over the wire: by the gateway in memory where it can be had, by a faulty port elsewhere. */
import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Problems from "#layers/edge/Problems.ts"
import { Gateway, Refused, type Rejection } from "#src/gateway/Protocol.ts"
import { ActorError } from "#src/ports/Actors.ts"
import { EventStoreError, Rows } from "#src/ports/EventStore.ts"
import { KeyRingError, NotOpened } from "#src/ports/KeyRing.ts"
import { Vault } from "#src/ports/Vault.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"

const seen = new Set<string>()

const expect = (answer: Kit.Answer, code: Problems.Code) => {
  const { retryAfterSeconds, retryable, status, title } = Problems.definitionOf(code)
  assert.deepInclude(answer.json, { code, status, title, retryable, type: Problems.typeOf(code) }, answer.text)
  assert.strictEqual(answer.status, status)
  assert.strictEqual(answer.headers["retry-after"], retryAfterSeconds === null ? undefined : String(retryAfterSeconds))
  assert.strictEqual(answer.json.instance, `urn:uuid:${answer.headers["x-request-id"]}`)
  seen.add(code)
}

/** A gateway whose every command ends in one way. */
const failing = (failure: Refused | ActorError) => {
  const fail = () => Effect.fail(failure)
  return Layer.succeed(Gateway, {
    createSession: fail,
    touchSession: fail,
    closeSession: fail,
    eraseSession: fail,
    startTurn: fail,
    cancelTurn: fail,
    propose: fail,
    approve: fail,
    deny: fail,
    withdraw: fail,
    declareTool: fail,
    withdrawTool: fail,
    claim: fail,
    renewLease: fail,
    reportOutcome: fail,
    reconcile: fail,
    createPrincipal: fail,
    issueKey: fail,
    revokeKey: fail,
    changeRoles: fail,
    disablePrincipal: fail,
    enablePrincipal: fail,
    halt: fail,
    resume: fail
  })
}

const over = <A, E>(world: World.World, ports: Layer.Layer<A, E>, options = {}) =>
  Kit.doorOver(Layer.provideMerge(ports, world.layer), options)

const secret = "postgres://keelson:hunter2@10.0.0.7/journal"

it.live("every reason of an actor is a problem of its own, without the machine's words", () =>
  Effect.forEach(
    [
      ["Overloaded", "Overloaded"],
      ["Indeterminate", "Indeterminate"],
      ["Unavailable", "Unavailable"],
      ["Full", "Full"],
      ["Draining", "Draining"],
      ["Isolated", "Isolated"],
      ["KeyReused", "KeyReused"],
      ["Erased", "Erased"],
      ["Crashed", "Crashed"],
      ["StreamFull", "StreamFull"],
      ["Malformed", "InvalidBody"]
    ] as const,
    ([reason, code]) =>
      Effect.gen(function* () {
        const { post } = yield* Kit.Caller
        const answer = yield* post("/v1/sessions", { key: "k" })
        expect(answer, code)
        assert.notInclude(answer.text, "hunter2")
        if (code === "Draining") assert.strictEqual(answer.headers["connection"], "close")
      }).pipe(
        Effect.provide(
          over(World.make(), failing(new ActorError({ reason, actor: "session:x", detail: secret, retryable: true })))
        )
      ),
    { discard: true }
  )
)

it.live("every rejection of a rule is a problem of its own, with what it is about", () => {
  const sessionId = `ses_${"0".repeat(26)}` as never
  const rejections: ReadonlyArray<readonly [Rejection, Problems.Code, object]> = [
    [{ _tag: "NotFound", kind: "turn", id: "t" }, "NotFound", { kind: "turn", id: "t" }],
    [{ _tag: "Conflict", kind: "action", id: "a", status: "Denied" }, "Conflict", { state: "Denied" }],
    [{ _tag: "SessionNotOpen", sessionId }, "SessionNotOpen", { sessionId }],
    [{ _tag: "Forbidden", detail: "no" }, "Forbidden", { detail: "no" }],
    [
      { _tag: "LimitReached", limit: "turnsPerSession", maximum: 1 },
      "LimitReached",
      { limit: "turnsPerSession", maximum: 1 }
    ],
    [{ _tag: "ToolUnusable", tool: "t", detail: "d" }, "ToolUnusable", { tool: "t" }],
    [{ _tag: "Halted" }, "Halted", {}],
    [{ _tag: "PolicyDenied", policies: ["p"], reason: "no" }, "PolicyDenied", { policies: ["p"], detail: "no" }],
    [{ _tag: "UnknownTool", tool: "t" }, "UnknownTool", { tool: "t" }],
    [{ _tag: "ArgumentsInvalid", tool: "t", detail: "d" }, "ArgumentsInvalid", { tool: "t", detail: "d" }],
    [{ _tag: "NotDue" }, "NotDue", {}],
    [{ _tag: "Erased", sessionId }, "Erased", { sessionId }]
  ]
  return Effect.forEach(
    rejections,
    ([rejection, code, members]) =>
      Effect.gen(function* () {
        const { post } = yield* Kit.Caller
        const answer = yield* post("/v1/sessions", { key: "k" })
        expect(answer, code)
        assert.deepInclude(answer.json, members)
        assert.strictEqual(answer.headers["idempotent-replayed"], "true")
      }).pipe(
        Effect.provide(over(World.make(), failing(new Refused({ rejection, repeated: true, retryable: false }))))
      ),
    { discard: true }
  )
})

it.live("every failure of the store and the keys is a problem where a question meets it", () => {
  const rows = (reason: EventStoreError["reason"]) => {
    const fail = () => Effect.fail(new EventStoreError({ reason, operation: "list", detail: secret, retryable: true }))
    return Layer.succeed(Rows, { get: fail, list: fail, counter: fail, counters: fail })
  }
  const vault = (error: NotOpened | KeyRingError) =>
    Layer.effect(
      Vault,
      Effect.map(Vault, (vault) => ({
        ...vault,
        open: () => Effect.fail(error),
        openPayload: () => Effect.fail(error)
      }))
    ).pipe(Layer.provide(World.make().layer))
  const ask = (path: string, code: Problems.Code) =>
    Effect.gen(function* () {
      const { get, post } = yield* Kit.Caller
      yield* post("/v1/sessions", { key: "k", body: { title: "sealed" } })
      const answer = yield* get(path)
      expect(answer, code)
      assert.notInclude(answer.text, "hunter2")
    })
  const damaged = new NotOpened({ subject: "session:x", reason: "Damaged" })
  const keyless = new KeyRingError({ reason: "KeyMissing", subject: null, detail: secret, retryable: false })
  return Effect.gen(function* () {
    for (const reason of ["Overloaded", "Unavailable", "Full", "Corrupt"] as const) {
      yield* ask("/v1/sessions", reason).pipe(Effect.provide(over(World.make(), rows(reason))))
    }
    yield* ask("/v1/events", "Corrupt").pipe(Effect.provide(over(World.make(), vault(damaged))))
    yield* ask("/v1/sessions", "Unavailable").pipe(Effect.provide(over(World.make(), vault(keyless))))
  })
})

it.live("a bug is one sentence and a request id to the caller, and a cause in the log", () =>
  Effect.gen(function* () {
    const { post } = yield* Kit.Caller
    const answer = yield* post("/v1/sessions", { key: "k" })
    expect(answer, "InternalError")
    assert.notInclude(answer.text, "hunter2")
  }).pipe(
    Effect.provide(
      over(
        World.make(),
        Layer.effect(
          Gateway,
          Effect.map(Gateway, (gateway) => ({ ...gateway, createSession: () => Effect.die(new Error(secret)) }))
        ).pipe(Layer.provide(World.make().layer))
      )
    )
  )
)

it.live("what the door itself refuses is a problem each", () =>
  Effect.gen(function* () {
    const { call, get, port, post } = yield* Kit.Caller
    const sessions = "/v1/sessions"
    expect(yield* get("/health", { headers: { host: "a b" } }), "MalformedRequest")
    expect(yield* post(sessions, { key: "k", raw: "{" }), "InvalidJson")
    expect(yield* post(sessions, { key: "k", body: { x: 1 } }), "InvalidBody")
    expect(yield* get(`${sessions}?limit=x`), "InvalidParameter")
    const correlation = yield* post(sessions, { key: "k", headers: { "x-correlation-id": "a b" } })
    expect(correlation, "InvalidParameter")
    assert.strictEqual(correlation.json.parameter, "x-correlation-id")
    expect(yield* get(`${sessions}?after=x`), "InvalidCursor")
    expect(yield* post(sessions), "IdempotencyKeyMissing")
    expect(yield* post(sessions, { key: "a b" }), "IdempotencyKeyInvalid")
    expect(yield* get("/v1/whoami", { as: "nobody" }), "Unauthenticated")
    expect(yield* get("/v1/events", { as: "bob" }), "Forbidden")
    expect(yield* get("/v1/nope"), "RouteNotFound")
    expect(yield* get(`${sessions}/ses_${"0".repeat(26)}`), "NotFound")
    expect(yield* call("DELETE", sessions), "MethodNotAllowed")
    expect(yield* call("GET", "/v1/socket"), "UpgradeRequired")
    expect(yield* post(sessions, { key: "k", raw: " ".repeat(2_000) }), "BodyTooLarge")
    expect(
      yield* post(sessions, { key: "k", body: {}, headers: { "content-type": "text/csv" } }),
      "UnsupportedMediaType"
    )
    expect(yield* get("/health", { headers: { host: "evil.example" } }), "HostRefused")
    expect(yield* get("/health", { headers: { x: "x".repeat(9_000) } }), "HeadersTooLarge")
    const slow = Effect.promise(() =>
      Kit.send(port, "POST", sessions, {
        key: "k",
        raw: "{",
        headers: { "content-type": "application/json", "content-length": "5" }
      })
    )
    const late = yield* slow
    expect(late, "RequestTimeout")
    assert.strictEqual(late.json.detail, "a body has 100 milliseconds to come")
  }).pipe(
    Effect.provide(
      Kit.serve(World.make(), {
        limits: { bodyBytesMax: 1_000, bodyMillis: 100, headersMillis: 1_000, headerBytesMax: 8_192 }
      })
    )
  )
)

it.live("more requests at once than the bound are told to come back", () => {
  const latch = Deferred.makeUnsafe<void>()
  const held = Layer.effect(
    Gateway,
    Effect.map(Gateway, (gateway) => ({
      ...gateway,
      createSession: (...args: Parameters<typeof gateway.createSession>) =>
        Effect.andThen(Deferred.await(latch), gateway.createSession(...args))
    }))
  ).pipe(Layer.provide(World.make().layer))
  return Effect.gen(function* () {
    const { get, port, post } = yield* Kit.Caller
    const waiting = ["a", "b"].map((key) => Kit.send(port, "POST", "/v1/sessions", { key }))
    yield* Effect.eventually(
      Effect.suspend(() =>
        Effect.flatMap(post("/v1/sessions", { key: "c" }).pipe(Effect.timeoutOption(100)), (answer) =>
          answer._tag === "Some" ? Effect.sync(() => expect(answer.value, "Overloaded")) : Effect.fail("not yet")
        )
      )
    )
    yield* Deferred.succeed(latch, undefined)
    for (const answer of yield* Effect.promise(() => Promise.all(waiting))) assert.strictEqual(answer.status, 201)
    assert.strictEqual((yield* get("/health")).status, 200)
  }).pipe(Effect.provide(over(World.make(), held, { limits: { requestsMax: 2 } })))
})

it.live("no code of the table was left out", () =>
  Effect.sync(() =>
    assert.deepStrictEqual(
      Problems.codes.filter((code) => !seen.has(code)),
      []
    )
  )
)
