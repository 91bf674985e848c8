/** People and agents, let in and out over HTTP: what a key opens, from when, and until when. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { Gateway } from "#src/gateway/Protocol.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"

const waits = Kit.watched()
const world = World.make()

const create = Effect.fnUntraced(function* (principalId: string, more: object = {}) {
  const { post } = yield* Kit.Caller
  const answer = yield* post("/v1/principals", {
    key: `create-${principalId}`,
    body: { principalId, kind: "HUMAN", ...more }
  })
  assert.strictEqual(answer.status, 201, answer.text)
  return answer.json as { readonly keyId: string; readonly token: string; readonly roles: ReadonlyArray<string> }
})

const whoami = Effect.fnUntraced(function* (token: string) {
  const { get } = yield* Kit.Caller
  const { json, status } = yield* get("/v1/whoami", { token })
  return status === 200 ? (json as object) : status
})

layer(Kit.doorOver(waits.layer(world)), { excludeTestServices: true })("a principal over HTTP", (it) => {
  it.effect("stands for itself by the token that it was shown once, and nothing keeps that token", () =>
    Effect.gen(function* () {
      const { get, post } = yield* Kit.Caller
      const { keyId, token } = yield* create("carla", { roles: ["reviewer"] })
      assert.deepStrictEqual(yield* whoami(token), { kind: "HUMAN", id: "carla", roles: ["reviewer"] })
      const shown = yield* get("/v1/principals/carla")
      assert.strictEqual(shown.json.keys[0].keyId, keyId)
      assert.notInclude(shown.text, token)
      const again = yield* post("/v1/principals", {
        key: "create-carla",
        body: { principalId: "carla", kind: "HUMAN", roles: ["reviewer"] }
      })
      assert.strictEqual(again.headers["idempotent-replayed"], "true")
      assert.deepInclude(again.json, { keyId, token: null })
      const store = yield* EventStore
      const said = JSON.stringify(yield* store.readAll(0, 1_000))
      assert.notInclude(said, token)
    })
  )

  it.effect("opens sessions of its own and sees nobody else's; an agent proposes where it is the session's", () =>
    Effect.gen(function* () {
      const { get, post } = yield* Kit.Caller
      const { token } = yield* create("dora")
      const bot = yield* create("bot", { kind: "AGENT" })
      assert.deepStrictEqual(bot.roles, ["agent"])
      const { sessionId } = (yield* post("/v1/sessions", { token, key: "s", body: { agentId: "bot" } })).json
      const path = `/v1/sessions/${sessionId}/actions`
      const body = { tool: "look", arguments: { text: "x" } }
      assert.strictEqual((yield* post(path, { token: bot.token, key: "a", body })).status, 201)
      const other = yield* create("other-bot", { kind: "AGENT" })
      assert.strictEqual((yield* post(path, { token: other.token, key: "a", body })).status, 404)
      assert.strictEqual((yield* get(`/v1/sessions/${sessionId}`, { token: bot.token })).status, 200)
      const mine = (yield* get("/v1/principals", { token })).json.items
      assert.deepStrictEqual(
        mine.map(({ principalId }: { principalId: string }) => principalId),
        ["dora"]
      )
      const page = (yield* get("/v1/principals?limit=1", { token })).json
      assert.isNull(page.next, "a cursor would name somebody else")
      assert.strictEqual((yield* get("/v1/principals/bot", { token })).status, 404)
      const wrong = yield* post("/v1/principals/dora/keys/nonsense/revoke", { key: "w" })
      assert.deepInclude(wrong.json, { code: "NotFound", kind: "key", id: "nonsense" })
    })
  )

  it.effect("is one of one kind for ever, and no agent runs the service", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      yield* create("erin")
      const asked = (key: string, body: object) => Effect.map(post("/v1/principals", { key, body }), ({ json }) => json)
      assert.deepInclude(yield* asked("e1", { principalId: "erin", kind: "AGENT" }), {
        code: "Conflict",
        state: "Active"
      })
      assert.deepInclude(yield* asked("e2", { principalId: "owner", kind: "HUMAN" }), { state: "Reserved" })
      assert.deepInclude(yield* asked("e3", { principalId: "boss", kind: "AGENT", roles: ["owner"] }), {
        code: "Forbidden"
      })
      assert.deepInclude(yield* asked("e4", { principalId: "a b", kind: "HUMAN" }), { code: "InvalidBody" })
      assert.deepInclude(yield* asked("e5", { principalId: "sys", kind: "SYSTEM" }), { code: "InvalidBody" })
      assert.deepInclude(yield* asked("e6", { principalId: "x", kind: "HUMAN", roles: ["two words"] }), {
        code: "InvalidBody"
      })
    })
  )

  it.effect("replaces its own key without a moment that has none or both; an agent may not", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const { token } = yield* create("finn")
      const next = yield* post("/v1/principals/finn/keys", { token, key: "rotate", body: { replace: true } })
      assert.strictEqual(next.status, 201)
      assert.strictEqual(yield* whoami(token), 401)
      assert.deepInclude(yield* whoami(next.json.token), { id: "finn" })
      assert.lengthOf(next.json.keys, 1)
      const robot = yield* create("finns-bot", { kind: "AGENT" })
      const refused = yield* post("/v1/principals/finns-bot/keys", { token: robot.token, key: "rotate" })
      assert.strictEqual(refused.status, 403)
    })
  )

  it.effect("is refused from the answer of its revocation on; another key of it goes on opening", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const { keyId, token } = yield* create("gita")
      const second = (yield* post("/v1/principals/gita/keys", { key: "g2" })).json
      yield* post(`/v1/principals/gita/keys/${keyId}/revoke`, { key: "g3" })
      assert.strictEqual(yield* whoami(token), 401)
      assert.deepInclude(yield* whoami(second.token), { id: "gita" })
      const gone = yield* post(`/v1/principals/gita/keys/${keyId}/revoke`, { key: "g4" })
      assert.deepInclude(gone.json, { code: "NotFound", kind: "key" })
    })
  )

  it.effect("is shut out whole and let in again; a role that it lost opens nothing any more", () =>
    Effect.gen(function* () {
      const { get, post } = yield* Kit.Caller
      const { token } = yield* create("hana", { roles: ["owner"] })
      assert.strictEqual((yield* get("/v1/events", { token })).status, 200)
      yield* post("/v1/principals/hana/roles", { key: "h1", body: { roles: ["reviewer"] } })
      assert.strictEqual((yield* get("/v1/events", { token })).status, 403)
      yield* post("/v1/principals/hana/disable", { key: "h2" })
      assert.strictEqual(yield* whoami(token), 401)
      yield* post("/v1/principals/hana/enable", { key: "h3" })
      assert.deepInclude(yield* whoami(token), { id: "hana", roles: ["reviewer"] })
    })
  )

  it.effect("is cut off in a long poll, at once, when its key is revoked under it", () =>
    Effect.gen(function* () {
      const { get, post } = yield* Kit.Caller
      const { keyId, token } = yield* create("ivo")
      const { sessionId } = (yield* post("/v1/sessions", { token, key: "s" })).json
      const asked = yield* post(`/v1/sessions/${sessionId}/actions`, {
        token,
        key: "a",
        body: { tool: "note", arguments: { text: "x" } }
      })
      const { confirmationId } = asked.json
      const poll = yield* Effect.forkChild(get(`/v1/confirmations/${confirmationId}?waitMillis=30000`, { token }))
      yield* waits.count("principal:ivo", 1)
      const startedAt = performance.now()
      yield* post(`/v1/principals/ivo/keys/${keyId}/revoke`, { key: "i" })
      const answer = yield* Fiber.join(poll)
      assert.strictEqual(answer.json.code, "Unauthenticated")
      assert.isBelow(performance.now() - startedAt, 1_000)
    })
  )

  it.effect("goes on standing for itself after a restart, and nobody who was let out comes back", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const stays = yield* create("jo")
      const goes = yield* create("kim")
      yield* post(`/v1/principals/kim/disable`, { key: "k" })
      const journal = yield* Effect.context<Layer.Success<typeof world.layer>>()
      yield* Effect.gen(function* () {
        yield* Gateway
        assert.deepInclude(yield* whoami(stays.token), { id: "jo" })
        assert.strictEqual(yield* whoami(goes.token), 401)
      }).pipe(Effect.provide(Layer.fresh(Kit.doorOver(World.make().over(journal)))))
    })
  )
})
