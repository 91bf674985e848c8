/** The journal followed over a real socket: who sees what, from where, until when. */
import { assert, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { derive } from "#layers/digest/NodeDigest.ts"
import { KeyId } from "#src/kernel/Ids.ts"
import { EventStoreError } from "#src/ports/EventStore.ts"
import { Identity } from "#src/ports/Identity.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"
import { following, type Message, wait } from "./stream-kit.ts"

const created = (id: string) => (message: Message) => message.data?.stream === `session:${id}`

const open = Effect.fnUntraced(function* (key: string, call: Kit.Call = {}) {
  const { post } = yield* Kit.Caller
  return String((yield* post("/v1/sessions", { ...call, key })).json.sessionId)
})

const keyId = KeyId.make(derive("key", "followed"))

/** A store that does not answer whoever asks again about a key. */
const forgetful = Layer.effect(
  Identity,
  Effect.map(Identity, (identity) =>
    Identity.of({
      authenticate: (token) => Effect.map(identity.authenticate(token), (by) => ({ ...by, keyId })),
      renew: () =>
        Effect.fail(new EventStoreError({ reason: "Unavailable", operation: "get", detail: "gone", retryable: true }))
    })
  )
)

it.live("a follower is not told that its key is gone where the store only does not answer", () =>
  Effect.gen(function* () {
    const stream = yield* following("")
    const end = yield* wait(stream, ({ event }) => event === "end")
    assert.deepInclude(end.data, { code: "Unavailable", retryable: true })
  }).pipe(Effect.scoped, Effect.provide(Kit.doorOver(World.make().layer, {}, Layer.provide(forgetful, Kit.identity))))
)

it.live("a follower hears at once, and again every while, up to where nothing is missed", () =>
  Effect.gen(function* () {
    const id = yield* open("beats")
    const stream = yield* following(`?after=0&stream=session:${id}`)
    yield* wait(stream, ({ event }) => event === "heartbeat")
    const seen = yield* wait(stream, created(id))
    const other = yield* open("of-another")
    // What it does not see is not missing: the heartbeat goes beyond it.
    const beat = yield* wait(stream, (message) => message.event === "heartbeat" && message.id > seen.id)
    assert.deepStrictEqual(beat.data, { position: beat.id })
    const ids = stream.messages.map((message) => message.id)
    assert.deepStrictEqual(
      ids,
      ids.toSorted((a, b) => a - b)
    )
    assert.isUndefined(stream.messages.find(created(other)))
  }).pipe(
    Effect.scoped,
    Effect.timeout("10 seconds"),
    Effect.provide(Kit.serve(World.make(), { limits: { heartbeatMillis: 20 } }))
  )
)

it.live("what is committed after a revocation is not told, however late the look at the key is", () => {
  const { delay, release, who } = Kit.lateLook("watcher")
  return Effect.gen(function* () {
    const { post } = yield* Kit.Caller
    const body = { principalId: "watcher", kind: "HUMAN", roles: ["owner"] }
    const { keyId, token } = (yield* post("/v1/principals", { key: "watcher", body })).json
    const [watcher, owner] = [yield* following("", { token }), yield* following("")]
    const seen = yield* open("seen")
    for (const stream of [watcher, owner]) yield* wait(stream, created(seen))
    delay()
    yield* post(`/v1/principals/watcher/keys/${keyId}/revoke`, { key: "revoke" })
    const unseen = yield* open("unseen")
    yield* wait(owner, created(unseen))
    yield* release
    const end = yield* wait(watcher, ({ event }) => event === "end")
    assert.deepInclude(end.data, { code: "Unauthenticated" })
    assert.isUndefined(watcher.messages.find(created(unseen)))
  }).pipe(Effect.scoped, Effect.provide(Kit.doorOver(World.make().layer, {}, who)))
})

layer(Kit.serve(World.make()), { excludeTestServices: true })("a follower of events", (it) => {
  it.effect("sees what comes from now on, each event once and in order, as the list would show it", () =>
    Effect.gen(function* () {
      const { get } = yield* Kit.Caller
      yield* open("before")
      const stream = yield* following("")
      assert.deepInclude(stream, { status: 200 })
      assert.match(stream.contentType, /^text\/event-stream/)
      const last = (yield* Effect.forEach([1, 2, 3, 4, 5], (index) => open(`now-${index}`))).at(-1)!
      yield* wait(stream, created(last))
      const events = stream.messages.filter(({ event }) => event === "message")
      const ids = events.map(({ id }) => id)
      assert.deepStrictEqual(
        ids,
        ids.map((_, index) => ids[0]! + index)
      )
      const listed = (yield* get(`/v1/events?after=${ids[0]! - 1}`)).json.items
      assert.deepStrictEqual(
        events.map(({ data }) => data),
        listed
      )
    }).pipe(Effect.scoped)
  )

  it.effect("goes on after the last id it saw, by header or by query, with nothing missed and nothing twice", () =>
    Effect.gen(function* () {
      const first = yield* following("?after=0")
      const id = yield* open("resume-1")
      const seen = yield* wait(first, created(id))
      first.close()
      const missed = yield* open("resume-2")
      const second = yield* following("?after=0", { headers: { "last-event-id": String(seen.id) } })
      const next = yield* wait(second, created(missed))
      assert.strictEqual(second.messages.find(({ event }) => event === "message")?.id, seen.id + 1)
      assert.isAbove(next.id, seen.id)
    }).pipe(Effect.scoped)
  )

  it.effect("sees of a session its turns and actions too, and of others nothing", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const mine = yield* open("mine")
      const other = yield* open("other")
      const stream = yield* following(`?after=0&sessionId=${mine}`, { as: "agent" })
      for (const session of [other, mine]) {
        yield* post(`/v1/sessions/${session}/actions`, {
          key: `act-${session}`,
          body: { tool: "look", arguments: { text: session } }
        })
      }
      yield* wait(stream, ({ data }) => data?.type === "action.executed")
      const streams = new Set(stream.messages.map(({ data }) => String(data?.stream)))
      assert.isTrue(streams.has(`session:${mine}`))
      assert.isFalse(streams.has(`session:${other}`))
      assert.notInclude(JSON.stringify(stream.messages), other)
    }).pipe(Effect.scoped)
  )

  it.effect("filters by stream and by type", () =>
    Effect.gen(function* () {
      const id = yield* open("typed")
      const { post } = yield* Kit.Caller
      yield* post(`/v1/sessions/${id}/touch`, { key: "touch" })
      const stream = yield* following(`?after=0&stream=session:${id}&type=session.touched`)
      const only = yield* wait(stream, ({ event }) => event === "message")
      assert.strictEqual(only.data.type, "session.touched")
    }).pipe(Effect.scoped)
  )

  it.effect("is refused as any caller is: without a token, a foreign session, everything where it is no operator", () =>
    Effect.gen(function* () {
      const { get } = yield* Kit.Caller
      const id = yield* open("refused")
      for (const [as, query, status] of [
        ["nobody", "", 401],
        ["bob", "", 403],
        ["bob", `?sessionId=${id}`, 404],
        ["agent", "", 403],
        ["owner", "?after=x", 400],
        ["owner", "?sessionId=ses_x", 400]
      ] as const) {
        assert.strictEqual((yield* get(`/v1/events/stream${query}`, { as })).status, status, `${as} ${query}`)
      }
    })
  )

  it.effect("ends within a second when its key is revoked, says why, and gets nothing after", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const made = yield* post("/v1/principals", {
        key: "watcher",
        body: { principalId: "watcher", kind: "HUMAN", roles: ["owner"] }
      })
      const { keyId, token } = made.json
      const stream = yield* following("", { token })
      const id = yield* open("seen")
      yield* wait(stream, created(id))
      const startedAt = performance.now()
      yield* post(`/v1/principals/watcher/keys/${keyId}/revoke`, { key: "revoke" })
      yield* Effect.promise(() => stream.ended)
      assert.isBelow(performance.now() - startedAt, 1_000)
      assert.deepInclude(stream.messages.at(-1)!, { event: "end" })
      assert.deepInclude(stream.messages.at(-1)!.data, { code: "Unauthenticated", retryable: false })
      const unseen = yield* open("unseen")
      assert.isUndefined(stream.messages.find(created(unseen)))
    }).pipe(Effect.scoped)
  )

  it.effect("ends when the role that let it in is lost, and gets nothing after", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const body = { principalId: "demoted", kind: "HUMAN", roles: ["owner"] }
      const { token } = (yield* post("/v1/principals", { key: "demoted", body })).json
      const stream = yield* following("", { token })
      const id = yield* open("in-office")
      yield* wait(stream, created(id))
      yield* post("/v1/principals/demoted/roles", { key: "demote", body: { roles: ["reviewer"] } })
      const end = yield* wait(stream, ({ event }) => event === "end")
      assert.deepInclude(end.data, { code: "Forbidden" })
      yield* Effect.promise(() => stream.ended)
      const unseen = yield* open("out-of-office")
      assert.isUndefined(stream.messages.find(created(unseen)))
    }).pipe(Effect.scoped)
  )

  it.effect("is told that its Last-Event-ID is no position", () =>
    Effect.gen(function* () {
      const { get } = yield* Kit.Caller
      const { json } = yield* get("/v1/events/stream", { headers: { "last-event-id": "x" } })
      assert.deepInclude(json, { code: "InvalidParameter", parameter: "last-event-id" })
    })
  )

  it.effect("shows what was forgotten as forgotten", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const id = yield* open("erased", { body: { title: "the canary's song" } })
      yield* post(`/v1/sessions/${id}/erase`, { key: "erase" })
      const stream = yield* following(`?after=0&stream=session:${id}`)
      const first = yield* wait(stream, ({ event }) => event === "message")
      assert.deepStrictEqual(first.data.payload.title, { redacted: true })
      assert.notInclude(JSON.stringify(stream.messages), "canary")
    }).pipe(Effect.scoped)
  )
})

it.live("a follower is told that its position is beyond the journal, and where that ends, by header and by query", () =>
  Effect.gen(function* () {
    const { get } = yield* Kit.Caller
    const id = yield* open("end")
    const { json } = yield* get("/v1/events?limit=200")
    const head = json.next
    assert.isTrue(json.atEnd)
    for (const beyond of [head + 1, Number.MAX_SAFE_INTEGER]) {
      const told = { status: 400, code: "InvalidParameter", retryable: false }
      const byQuery = yield* get(`/v1/events/stream?after=${beyond}`)
      assert.deepInclude(byQuery.json, { ...told, parameter: "after" })
      assert.strictEqual(byQuery.json.detail, `after: ${beyond} is beyond the journal, which ends at ${head}`)
      // The header counts, though the query is well.
      const byHeader = yield* get("/v1/events/stream?after=0", { headers: { "last-event-id": String(beyond) } })
      assert.deepInclude(byHeader.json, { ...told, parameter: "last-event-id" })
      assert.include(byHeader.json.detail, `ends at ${head}`)
      const narrow = yield* get(`/v1/events/stream?after=${beyond}&sessionId=${id}`)
      assert.deepInclude(narrow.json, told)
      // What a caller may not know of comes first.
      assert.strictEqual((yield* get(`/v1/events/stream?after=${beyond}`, { as: "bob" })).status, 403)
    }
    const atEnd = yield* following(`?after=${head}`)
    assert.strictEqual(atEnd.status, 200)
    const next = yield* open("after-end")
    const seen = yield* wait(atEnd, created(next))
    assert.strictEqual(seen.id, head + 1)
  }).pipe(Effect.scoped, Effect.provide(Layer.fresh(Kit.serve(World.make()))))
)
