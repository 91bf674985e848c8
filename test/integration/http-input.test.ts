import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Bounds from "#src/kernel/Bounds.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"

const world = World.make()

layer(Kit.serve(world), { excludeTestServices: true })("what the door takes in", (it) => {
  const head = Effect.flatMap(EventStore, (store) => store.head)
  const sessions = "/v1/sessions"

  it.effect("is a token in one form only, and tells which where it is none", () =>
    Effect.gen(function* () {
      const { get } = yield* Kit.Caller
      const token = Kit.tokenOf("owner")
      const forms: ReadonlyArray<readonly [string, number]> = [
        [`Bearer ${token}`, 200],
        [`bearer ${token}`, 200],
        [`Bearer  ${token}`, 200],
        [token, 401],
        [`Basic ${Buffer.from(`owner:${token}`).toString("base64")}`, 401],
        [`Bearer ${token}x`, 401],
        [`Bearer ${token.slice(0, -1)}`, 401],
        [`Bearer ${token}, Bearer ${token}`, 401],
        ["Bearer", 401],
        ["", 401]
      ]
      for (const [authorization, status] of forms) {
        const answer = yield* get("/v1/whoami", { as: "nobody", headers: { authorization } })
        assert.strictEqual(answer.status, status, authorization.replace(token, "<token>"))
        if (status === 401) {
          assert.strictEqual(answer.headers["www-authenticate"], 'Bearer realm="keelson"')
          assert.notInclude(answer.text, token)
        }
      }
      const inQuery = yield* get(`/v1/whoami?access_token=${token}`, { as: "nobody" })
      assert.strictEqual(inQuery.status, 401)
    })
  )

  it.effect("is JSON in valid UTF-8, and nothing near it", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const before = yield* head
      const bodies: ReadonlyArray<readonly [name: string, raw: string | Uint8Array]> = [
        ["nothing but space", " "],
        ["cut off", '{"title":'],
        ["trailing comma", '{"title":"a",}'],
        ["single quotes", "{'title':'a'}"],
        ["a comment", '{"title":"a"} // no'],
        ["two values", "{}{}"],
        ["NaN", '{"ttlMillis":NaN}'],
        ["a control character in a string", '{"title":"\u0001"}'],
        ["an overlong encoding", Uint8Array.from([...Buffer.from('{"title":"'), 0xc0, 0xaf, ...Buffer.from('"}')])],
        [
          "a surrogate in UTF-8",
          Uint8Array.from([...Buffer.from('{"title":"'), 0xed, 0xa0, 0x80, ...Buffer.from('"}')])
        ],
        ["a cut sequence", Uint8Array.from([...Buffer.from('{"title":"'), 0xe2, 0x82, ...Buffer.from('"}')])],
        ["Latin-1", Uint8Array.from([...Buffer.from('{"title":"'), 0xe9, ...Buffer.from('"}')])],
        ["UTF-16", Buffer.from('{"title":"a"}', "utf16le")],
        ["only bytes", Uint8Array.from([0xff, 0xfe, 0x00])]
      ]
      for (const [name, raw] of bodies) {
        const answer = yield* post(sessions, { key: "json", raw })
        assert.deepInclude(answer.json, { status: 400, code: "InvalidJson" }, name)
      }
      assert.strictEqual(yield* head, before)
      assert.strictEqual((yield* post(sessions, { key: "bom", raw: '\ufeff{"title":"ok"}' })).status, 201)
    })
  )

  it.effect("is one object with the members that the path takes, of the types it takes", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const sessionId = (yield* post(sessions, { key: "shape" })).json.sessionId
      const actions = `${sessions}/${sessionId}/actions`
      const turns = `${sessions}/${sessionId}/turns`
      const before = yield* head
      const bodies: ReadonlyArray<readonly [path: string, body: unknown, pointer: string]> = [
        [sessions, [], ""],
        [sessions, null, ""],
        [sessions, "text", ""],
        [sessions, 5, ""],
        [sessions, { title: 5 }, "/title"],
        [sessions, { title: null }, "/title"],
        [sessions, { title: "x".repeat(201) }, "/title"],
        [sessions, { agentId: "a b" }, "/agentId"],
        [sessions, { agentId: "" }, "/agentId"],
        [sessions, { ttlMillis: "60000" }, "/ttlMillis"],
        [sessions, { ttlMillis: 1.5 }, "/ttlMillis"],
        [sessions, { ttlMillis: 999 }, "/ttlMillis"],
        [sessions, { ttlMillis: Bounds.sessionTtlMillisMax + 1 }, "/ttlMillis"],
        [sessions, { ownerId: "bob" }, "/ownerId"],
        [sessions, { "a/b~c": 1 }, "/a~1b~0c"],
        [turns, {}, "/input"],
        [turns, { input: "" }, "/input"],
        [turns, { input: "x".repeat(Bounds.inputTextMax + 1) }, "/input"],
        [turns, { input: "x", turnId: "mine" }, "/turnId"],
        [actions, { tool: "look" }, "/arguments"],
        [actions, { arguments: {} }, "/tool"],
        [actions, { tool: "", arguments: {} }, "/tool"],
        [actions, { tool: "x".repeat(129), arguments: {} }, "/tool"],
        [actions, { tool: "look", arguments: { text: "x" }, roles: ["owner"] }, "/roles"],
        [`${sessions}/${sessionId}/touch`, { force: true }, "/force"],
        [`${sessions}/${sessionId}/close`, { reason: "x".repeat(Bounds.reasonTextMax + 1) }, "/reason"]
      ]
      for (const [path, body, pointer] of bodies) {
        const answer = yield* post(path, { key: "shape2", body })
        assert.deepInclude(answer.json, { status: 400, code: "InvalidBody" }, `${path} ${pointer}`)
        assert.include(
          answer.json.errors.map((error: any) => error.pointer),
          pointer
        )
      }
      for (const raw of ['{"__proto__":{"title":"x"}}', '{"constructor":1}', '{"title":"a","title":5}']) {
        assert.strictEqual((yield* post(sessions, { key: "shape3", raw })).json.code, "InvalidBody", raw)
      }
      assert.strictEqual(yield* head, before)
    })
  )

  it.effect("holds nothing that the journal's encoding has no words for", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const sessionId = (yield* post(sessions, { key: "words" })).json.sessionId
      const deep = (levels: number) => `{"tool":"look","arguments":${'{"a":'.repeat(levels)}1${"}".repeat(levels)}}`
      const refused: ReadonlyArray<readonly [path: string, raw: string, pointer: string]> = [
        [sessions, String.raw`{"title":"\ud800"}`, "/title"],
        [sessions, String.raw`{"title":"\udc00x"}`, "/title"],
        [sessions, String.raw`{"\ud800":1}`, ""],
        [`${sessions}/${sessionId}/turns`, String.raw`{"input":"a\udfffb"}`, "/input"],
        [`${sessions}/${sessionId}/actions`, '{"tool":"look","arguments":{"text":1e999}}', "/arguments/text"],
        [`${sessions}/${sessionId}/actions`, '{"tool":"look","arguments":-1e999}', "/arguments"]
      ]
      for (const [path, raw, pointer] of refused) {
        const answer = yield* post(path, { key: "words2", raw })
        assert.deepInclude(answer.json, { status: 400, code: "InvalidBody" }, raw)
        assert.strictEqual(answer.json.errors[0].pointer, pointer)
      }
      const nested = yield* post(`${sessions}/${sessionId}/actions`, { key: "words3", raw: deep(100_000) })
      assert.strictEqual(nested.json.code, "InvalidBody")
      const proposed = yield* post(`${sessions}/${sessionId}/actions`, { key: "words4", raw: deep(60) })
      assert.strictEqual(proposed.json.code, "ArgumentsInvalid", "within the bound it is the tool that judges")
      const pair = yield* post(sessions, { key: "words5", raw: String.raw`{"title":"\ud83d\ude00\u0000"}` })
      assert.strictEqual(pair.status, 201)
    })
  )

  it.effect("says application/json in UTF-8, uncompressed", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const types: ReadonlyArray<readonly [type: string, status: number]> = [
        ["application/json", 201],
        ["APPLICATION/JSON; charset=UTF-8", 201],
        ['application/json;charset="utf-8"', 201],
        ["application/json; charset=iso-8859-1", 415],
        ["application/json; profile=x", 415],
        ["application/problem+json", 415],
        ["text/plain", 415],
        ["application/x-www-form-urlencoded", 415],
        ["multipart/form-data; boundary=x", 415],
        ["", 415],
        ["application/json, application/json", 415]
      ]
      for (const [type, status] of types) {
        const answer = yield* post(sessions, { key: "type", body: {}, headers: { "content-type": type } })
        assert.strictEqual(answer.status, status, type)
      }
      for (const coding of ["gzip", "br", "identity, gzip"]) {
        const answer = yield* post(sessions, { key: "type", body: {}, headers: { "content-encoding": coding } })
        assert.strictEqual(answer.status, 415, coding)
      }
      const none = yield* post(sessions, { key: "type", headers: { "content-type": "text/plain" } })
      assert.strictEqual(none.status, 201, "no body, no type")
    })
  )

  it.effect("is bounded, whether its length is declared or not", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const fits = JSON.stringify({ title: "a" }).padEnd(Bounds.httpBodyBytesMax, " ")
      assert.strictEqual((yield* post(sessions, { key: "size", raw: fits })).status, 201)
      for (const headers of [{}, { "transfer-encoding": "chunked" }]) {
        const answer = yield* post(sessions, { key: "size2", raw: `${fits} `, headers })
        assert.deepInclude(answer.json, { status: 413, code: "BodyTooLarge", maximum: Bounds.httpBodyBytesMax })
      }
    })
  )

  it.effect("has the parameters that the path takes, and no others", () =>
    Effect.gen(function* () {
      const { get } = yield* Kit.Caller
      const queries: ReadonlyArray<readonly [path: string, code: string, parameter?: string]> = [
        [`${sessions}?limit=0`, "InvalidParameter", "limit"],
        [`${sessions}?limit=${Bounds.pageMax + 1}`, "InvalidParameter", "limit"],
        [`${sessions}?limit=1.5`, "InvalidParameter", "limit"],
        [`${sessions}?limit=1e1`, "InvalidParameter", "limit"],
        [`${sessions}?limit=0x10`, "InvalidParameter", "limit"],
        [`${sessions}?limit=%201`, "InvalidParameter", "limit"],
        [`${sessions}?limit=-1`, "InvalidParameter", "limit"],
        [`${sessions}?limit=`, "InvalidParameter", "limit"],
        [`${sessions}?limit=1&limit=2`, "InvalidParameter", "limit"],
        [`${sessions}?status=open`, "InvalidParameter", "status"],
        [`${sessions}?ownerId=bob`, "InvalidParameter", "ownerId"],
        [`${sessions}?__proto__=1`, "InvalidParameter", "__proto__"],
        [`${sessions}?after=`, "InvalidCursor"],
        [`${sessions}?after=%00`, "InvalidCursor"],
        [`${sessions}?after=MTIz`, "InvalidCursor"],
        [`${sessions}?after=${Buffer.from("1.act_00000000000000000000000000").toString("base64url")}`, "InvalidCursor"],
        [
          `${sessions}?after=${Buffer.from("01.ses_00000000000000000000000000").toString("base64url")}`,
          "InvalidCursor"
        ],
        ["/v1/events?after=-1", "InvalidCursor"],
        ["/v1/events?after=99999999999999999", "InvalidCursor"],
        ["/v1/events?stream=session", "InvalidParameter", "stream"],
        ["/v1/events?type=x", "InvalidParameter", "type"],
        [`/v1/turns/trn_${"0".repeat(26)}?waitMillis=${Bounds.longPollMillisMax + 1}`, "InvalidParameter", "waitMillis"]
      ]
      for (const [path, code, parameter] of queries) {
        const answer = yield* get(path)
        assert.deepInclude(answer.json, { status: 400, code, ...(parameter === undefined ? {} : { parameter }) }, path)
      }
    })
  )

  it.effect("names things that are there, by paths and methods that are there", () =>
    Effect.gen(function* () {
      const { call, get, post } = yield* Kit.Caller
      const missing = (prefix: string) => `${prefix}_${"0".repeat(26)}`
      for (const path of [
        `${sessions}/${missing("ses")}`,
        `${sessions}/${missing("trn")}`,
        `${sessions}/nonsense`,
        `${sessions}/`,
        `${sessions}/${"x".repeat(99)}`,
        `${sessions}/%00`,
        `${sessions}/${missing("ses").toUpperCase()}`,
        `/v1/turns/${missing("trn")}?waitMillis=5000`,
        `/v1/actions/${missing("act")}`,
        `/v1/confirmations/${missing("cfm")}`,
        `/v1/actions?sessionId=${missing("ses")}`,
        `${sessions}/${missing("ses")}/turns`
      ]) {
        assert.deepInclude((yield* get(path)).json, { status: 404, code: "NotFound" }, path)
      }
      const nowhere = yield* post(`${sessions}/${missing("ses")}/turns`, { key: "nowhere", body: { input: "x" } })
      assert.deepInclude(nowhere.json, { code: "NotFound", kind: "session" })

      const bare = yield* get("/")
      assert.strictEqual(bare.status, 302)
      assert.strictEqual(bare.headers["location"], "/docs")

      const unknown = [
        "/v1",
        "/v2/sessions",
        "/v1/session",
        "/V1/sessions",
        "//v1/sessions",
        "/v1//sessions",
        "/v1/sessions/x/y/z",
        "/%",
        "/..%2f",
        "/%ff",
        `/v1/sessions/${"x".repeat(200)}`
      ]
      for (const path of unknown) {
        assert.deepInclude((yield* get(path)).json, { status: 404, code: "RouteNotFound" }, path)
      }
      for (const [method, path, allow] of [
        ["DELETE", sessions, "GET, HEAD, POST"],
        ["PUT", `${sessions}/${missing("ses")}`, "GET, HEAD"],
        ["GET", `${sessions}/${missing("ses")}/touch`, "POST"],
        ["PATCH", "/health", "GET, HEAD"],
        ["OPTIONS", "/v1/whoami", "GET, HEAD"],
        ["POST", "/docs", "GET, HEAD"],
        ["PROPFIND", "/v1/tools", "GET, HEAD, POST"]
      ] as const) {
        const answer = yield* call(method, path)
        assert.deepInclude(answer.json, { status: 405, code: "MethodNotAllowed" }, `${method} ${path}`)
        assert.strictEqual(answer.headers["allow"], allow)
      }
      const headOnly = yield* call("HEAD", "/v1/whoami")
      assert.deepStrictEqual([headOnly.status, headOnly.text], [200, ""])
    })
  )

  it.effect("is told by name where it takes a tool or arguments that do not exist", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const sessionId = (yield* post(sessions, { key: "tools" })).json.sessionId
      const propose = (key: string, body: unknown) => post(`${sessions}/${sessionId}/actions`, { key, body })
      const unknown = yield* propose("tools2", { tool: "nope", arguments: {} })
      assert.deepInclude(unknown.json, { status: 422, code: "UnknownTool", tool: "nope" })
      const invalid = yield* propose("tools3", { tool: "look", arguments: { text: 5 } })
      assert.deepInclude(invalid.json, { status: 422, code: "ArgumentsInvalid", tool: "look" })
      const excess = yield* propose("tools4", { tool: "look", arguments: JSON.parse('{"text":"a","__proto__":{}}') })
      assert.deepInclude(excess.json, { status: 422, code: "ArgumentsInvalid" })
      const long = yield* propose("tools5", { tool: "look", arguments: { text: "x".repeat(Bounds.argumentsTextMax) } })
      assert.deepInclude(long.json, { status: 422, code: "ArgumentsInvalid" })
      yield* post(`${sessions}/${sessionId}/close`, { key: "tools6" })
      const closed = yield* propose("tools7", { tool: "look", arguments: { text: "a" } })
      assert.deepInclude(closed.json, { status: 409, code: "SessionNotOpen", sessionId })
      assert.strictEqual((yield* propose("tools8", { tool: "x", arguments: {} })).status, 422)
    })
  )
})
