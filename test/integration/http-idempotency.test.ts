import { assert, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { EventStore } from "#src/ports/EventStore.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"

const world = World.make()

const head = Effect.flatMap(EventStore, (store) => store.head)

layer(Kit.serve(world), { excludeTestServices: true })("an Idempotency-Key", (it) => {
  const session = Effect.fnUntraced(function* (key: string) {
    const { post } = yield* Kit.Caller
    return (yield* post("/v1/sessions", { key })).json.sessionId as string
  })

  const waiting = Effect.fnUntraced(function* (sessionId: string, key: string) {
    const { post } = yield* Kit.Caller
    const body = { tool: "note", arguments: { text: key } }
    const { actionId, confirmationId } = (yield* post(`/v1/sessions/${sessionId}/actions`, { key, body })).json
    return { actionId, confirmationId } as { readonly actionId: string; readonly confirmationId: string }
  })

  it.effect("is required on every write, and says so before anything is done", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const sessionId = yield* session("req")
      const { confirmationId } = yield* waiting(sessionId, "req-a")
      const before = yield* head
      const writes = Object.entries(Kit.description.paths).flatMap(([path, methods]) =>
        "post" in methods ? [path] : []
      )
      assert.lengthOf(writes, 24)
      const ids: { readonly [name: string]: string } = {
        sessionId,
        confirmationId,
        turnId: `trn_${"0".repeat(26)}`,
        actionId: `act_${"0".repeat(26)}`,
        keyId: `key_${"0".repeat(26)}`,
        principalId: "ana",
        name: "deploy"
      }
      for (const path of writes) {
        const concrete = path.replace(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? `no id for ${name}`)
        const answer = yield* post(concrete, { body: path.endsWith("turns") ? { input: "x" } : {} })
        assert.deepInclude(answer.json, { status: 400, code: "IdempotencyKeyMissing" }, path)
      }
      assert.strictEqual(yield* head, before)
    })
  )

  it.effect("is taken bare or as a quoted string, and refused in any other form", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const first = yield* post("/v1/sessions", { key: "form" })
      const quoted = yield* post("/v1/sessions", { key: '"form"' })
      assert.deepStrictEqual(quoted.json, first.json)
      const escaped = yield* post("/v1/sessions", { key: String.raw`"a\"b"` })
      const bare = yield* post("/v1/sessions", { key: 'a"b' })
      assert.deepStrictEqual(bare.json, escaped.json)
      assert.strictEqual((yield* post("/v1/sessions", { key: "k".repeat(200) })).status, 201)
      for (const key of ["", "a b", '"a', '"a b"', '"a";x=1', "k".repeat(201), "a, b", "clé", '""']) {
        const answer = yield* post("/v1/sessions", { key: Buffer.from(key, "utf8").toString("latin1") })
        assert.strictEqual(answer.json.code, "IdempotencyKeyInvalid", key)
      }
    })
  )

  it.effect("gives the same answer again, word for word, and marks it", () =>
    Effect.gen(function* () {
      const { get, post } = yield* Kit.Caller
      const sessionId = yield* session("same")
      const { actionId, confirmationId } = yield* waiting(sessionId, "same-a")
      const before = (yield* get("/v1/counters")).json
      const approve = post(`/v1/confirmations/${confirmationId}/approve`, { key: "same-b" })
      const first = yield* approve
      yield* get(`/v1/actions/${actionId}?waitMillis=20000`)
      const position = yield* head
      const again = yield* approve
      assert.strictEqual(again.status, first.status)
      assert.strictEqual(again.text, first.text)
      assert.isUndefined(first.headers["idempotent-replayed"])
      assert.strictEqual(again.headers["idempotent-replayed"], "true")
      assert.strictEqual(yield* head, position)
      assert.strictEqual((yield* get("/v1/counters")).json.confirmations.approved, before.confirmations.approved + 1)
      assert.strictEqual(world.done.filter((text) => text === "note same-a").length, 1)
    })
  )

  it.effect("gives a recorded refusal again, and marks it", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const sessionId = yield* session("ref")
      const { confirmationId } = yield* waiting(sessionId, "ref-a")
      yield* post(`/v1/confirmations/${confirmationId}/deny`, { key: "ref-b" })
      const first = yield* post(`/v1/confirmations/${confirmationId}/approve`, { key: "ref-c" })
      const again = yield* post(`/v1/confirmations/${confirmationId}/approve`, { key: "ref-c" })
      assert.deepInclude(again.json, { code: "Conflict", state: "Denied", detail: first.json.detail })
      assert.strictEqual(again.headers["idempotent-replayed"], "true")
    })
  )

  it.effect("refuses another body, another path and another thing, whatever was asked first", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const sessionId = yield* session("other")
      const other = yield* session("other2")
      const one = yield* waiting(sessionId, "other-a")
      const two = yield* waiting(sessionId, "other-b")
      const actions = `/v1/sessions/${sessionId}/actions`
      const approve = (id: string) => `/v1/confirmations/${id}/approve`
      const note = { tool: "note", arguments: { text: "x" } }
      const pairs: ReadonlyArray<readonly [first: readonly [string, unknown], second: readonly [string, unknown]]> = [
        [
          ["/v1/sessions", { title: "a" }],
          ["/v1/sessions", { title: "b" }]
        ],
        [
          ["/v1/sessions", {}],
          ["/v1/sessions", { title: "b" }]
        ],
        [
          ["/v1/sessions", {}],
          [`/v1/sessions/${sessionId}/turns`, { input: "x" }]
        ],
        [
          ["/v1/sessions", {}],
          [actions, note]
        ],
        [
          ["/v1/sessions", {}],
          [`/v1/sessions/${sessionId}/touch`, {}]
        ],
        [
          [`/v1/sessions/${sessionId}/touch`, {}],
          [`/v1/sessions/${other}/touch`, {}]
        ],
        [
          [`/v1/sessions/${sessionId}/touch`, {}],
          [`/v1/sessions/${sessionId}/close`, {}]
        ],
        [
          [actions, note],
          [actions, { ...note, tool: "pair" }]
        ],
        [
          [actions, { ...note, tool: "look" }],
          [actions, { ...note, tool: "look", arguments: { text: "y" } }]
        ],
        [
          [actions, { ...note, tool: "look" }],
          [`/v1/sessions/${other}/actions`, { ...note, tool: "look" }]
        ],
        [
          [approve(one.confirmationId), {}],
          [approve(two.confirmationId), {}]
        ],
        [
          [approve(two.confirmationId), {}],
          [`/v1/confirmations/${two.confirmationId}/deny`, {}]
        ]
      ]
      for (const [index, [[path, body], [secondPath, secondBody]]] of pairs.entries()) {
        const key = `pair${index}`
        const first = yield* post(path, { key, body })
        assert.isBelow(first.status, 300, `${path}: ${first.text}`)
        const position = yield* head
        const second = yield* post(secondPath, { key, body: secondBody })
        assert.deepInclude(second.json, { status: 422, code: "KeyReused" }, `${index}: ${path} then ${secondPath}`)
        assert.isAtMost((yield* head) - position, 3, "nothing but the first one's own work went on")
        const again = yield* post(path, { key, body })
        assert.strictEqual(again.text, first.text)
      }
    })
  )

  it.effect("counts a body by what it says, not by how it is written", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const first = yield* post("/v1/sessions", { key: "ws", raw: '{"title":"a","ttlMillis":60000}' })
      const again = yield* post("/v1/sessions", { key: "ws", raw: ' { "ttlMillis": 6e4,\n "title": "\\u0061" } ' })
      assert.strictEqual(again.text, first.text)
      assert.strictEqual(again.headers["idempotent-replayed"], "true")
    })
  )

  it.effect("belongs to its principal", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const mine = yield* post("/v1/sessions", { key: "scoped" })
      const theirs = yield* post("/v1/sessions", { key: "scoped", as: "ana" })
      assert.strictEqual(theirs.status, 201)
      assert.notStrictEqual(theirs.json.sessionId, mine.json.sessionId)
    })
  )

  it.effect("sent many times at once has one effect, and one answer for all", () =>
    Effect.gen(function* () {
      const { get, post } = yield* Kit.Caller
      const sessionId = yield* session("many")
      const body = { tool: "look", arguments: { text: "many" } }
      const answers = yield* Effect.all(
        Array.from({ length: 40 }, () => post(`/v1/sessions/${sessionId}/actions`, { key: "many-a", body })),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(new Set(answers.map(({ text }) => text)).size, 1)
      assert.strictEqual(answers.filter(({ headers }) => headers["idempotent-replayed"] === undefined).length, 1)
      yield* get(`/v1/actions/${answers[0]!.json.actionId}?waitMillis=20000`)
      assert.strictEqual(world.done.filter((text) => text === "look many").length, 1)
    })
  )

  it.effect("of 40 rival decisions lets one win, and tells the others which", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const sessionId = yield* session("rivals")
      for (let round = 0; round < 5; round++) {
        const { confirmationId } = yield* waiting(sessionId, `rivals-${round}`)
        const answers = yield* Effect.all(
          Array.from({ length: 40 }, (_, index) =>
            post(`/v1/confirmations/${confirmationId}/${index % 2 === 0 ? "approve" : "deny"}`, {
              key: `rivals-${round}-${index}`
            })
          ),
          { concurrency: "unbounded" }
        )
        const winners = answers.filter(({ status }) => status === 200)
        assert.lengthOf(winners, 1)
        const won = winners[0]!.json.status
        for (const { json, status } of answers) {
          if (status === 200) continue
          assert.deepInclude(json, { status: 409, code: "Conflict" })
          assert.include(won === "Denied" ? ["Denied"] : ["Approved", "Claimed", "Executed"], json.state)
        }
      }
    })
  )
})

layer(Layer.empty)("a request in flight", (it) => {
  it.effect("is waited for by its repetition, also where the first caller went away", () => {
    const latch = Deferred.makeUnsafe<void>()
    const slow = World.make({}, () => Deferred.await(latch))
    return Effect.gen(function* () {
      const { get, port, post } = yield* Kit.Caller
      const { sessionId } = (yield* post("/v1/sessions", { key: "fl" })).json
      const body = { tool: "look", arguments: { text: "slow" } }
      const aborted = new AbortController()
      const gone = Kit.send(port, "POST", `/v1/sessions/${sessionId}/actions`, { key: "fl-a", body }, aborted.signal)
      aborted.abort()
      yield* Effect.promise(() =>
        gone.then(
          () => undefined,
          () => undefined
        )
      )
      const answer = yield* post(`/v1/sessions/${sessionId}/actions`, { key: "fl-a", body })
      assert.strictEqual(answer.status, 201)
      yield* Deferred.succeed(latch, undefined)
      const done = yield* get(`/v1/actions/${answer.json.actionId}?waitMillis=20000`)
      assert.strictEqual(done.json.status, "Executed")
      assert.deepStrictEqual(slow.done, ["look slow"])
    }).pipe(Effect.provide(Kit.serve(slow)))
  })
})
