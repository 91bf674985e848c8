/** What is said over WebSockets: deeds, events in order, and what is wrong with a frame. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Frames from "#layers/edge/api/Frames.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"
import * as Sockets from "./socket-kit.ts"

layer(Kit.serve(World.make()))("a WebSocket", (it) => {
  it.effect("does what HTTP does, under the same keys", () =>
    Effect.gen(function* () {
      const { get, post } = yield* Kit.Caller
      const client = yield* Sockets.client()
      const answer = yield* client.ask({
        type: "session.create",
        id: "1",
        key: "ws-create",
        body: { title: "over a socket" }
      })
      assert.deepInclude(answer, { type: "answer", to: "session.create", id: "1", repeated: false })
      const { sessionId } = answer.body
      // The same wish by the other door is the same wish.
      const again = yield* post("/v1/sessions", { key: "ws-create", body: { title: "over a socket" } })
      assert.strictEqual(again.headers["idempotent-replayed"], "true")
      assert.deepStrictEqual(again.json, answer.body)
      const repeated = yield* client.ask({
        type: "session.create",
        id: "2",
        key: "ws-create",
        body: { title: "over a socket" }
      })
      assert.deepStrictEqual({ ...repeated, id: "1" }, { ...answer, repeated: true })
      const other = yield* client.ask({ type: "session.create", id: "3", key: "ws-create", body: { title: "another" } })
      assert.deepInclude(other.problem, { code: "KeyReused", status: 422 })
      assert.deepStrictEqual(
        (yield* client.ask({ type: "session.get", id: "4", params: { sessionId } })).body,
        (yield* get(`/v1/sessions/${sessionId}`)).json
      )
      const touched = yield* client.ask({ type: "session.touch", id: "5", key: "ws-touch", params: { sessionId } })
      assert.strictEqual(touched.body.status, "Open")
      const closed = yield* client.ask({ type: "session.close", id: "6", key: "ws-close", params: { sessionId } })
      assert.strictEqual(closed.body.status, "Closed")
    })
  )

  it.effect("tells a session's events in order, each once, and resumes after the last one seen", () =>
    Effect.gen(function* () {
      const client = yield* Sockets.client()
      const sessionId = yield* Sockets.opened(client, "ws-events")
      const subscribed = yield* client.ask({ type: "subscribe", id: "s", sessionId, after: 0 })
      assert.deepStrictEqual(subscribed.body, { sessionId, after: 0 })
      const proposed = yield* client.ask({
        type: "action.propose",
        id: "p",
        key: "ws-propose",
        params: { sessionId },
        body: { tool: "note", arguments: { text: "hello" } }
      })
      assert.strictEqual(proposed.body.status, "Pending")
      const { confirmationId } = proposed.body
      yield* client.ask({ type: "confirmation.approve", id: "a", key: "ws-approve", params: { confirmationId } })
      yield* client.until(({ event, type }) => type === "event" && event.type === "action.executed")
      const events = client.frames.filter(({ type }) => type === "event")
      assert.deepStrictEqual(
        events.map(({ event }) => event.type),
        [
          "session.created",
          "action.proposed",
          "action.judged",
          "confirmation.requested",
          "confirmation.approved",
          "action.permitted",
          "action.claimed",
          "action.executed"
        ]
      )
      for (const [index, { event, previous, sequence }] of events.entries()) {
        assert.strictEqual(sequence, event.position)
        assert.strictEqual(previous, index === 0 ? 0 : events[index - 1].sequence)
      }
      const later = yield* Sockets.client()
      yield* later.ask({ type: "subscribe", id: "s", sessionId, after: events[1].sequence })
      yield* later.until(({ event, type }) => type === "event" && event.type === "action.executed")
      assert.deepStrictEqual(
        later.frames.filter(({ type }) => type === "event"),
        events.slice(2)
      )
    })
  )

  it.effect("follows many sessions at once, and lets go of one", () =>
    Effect.gen(function* () {
      const client = yield* Sockets.client()
      const [one, two] = [yield* Sockets.opened(client, "ws-many-1"), yield* Sockets.opened(client, "ws-many-2")]
      for (const sessionId of [one, two]) yield* client.ask({ type: "subscribe", id: "s", sessionId })
      const again = yield* client.ask({ type: "subscribe", id: "s", sessionId: one })
      assert.deepInclude(again.problem, { code: "Conflict", state: "followed" })
      assert.strictEqual((yield* client.ask({ type: "unsubscribe", id: "u", sessionId: one })).type, "answer")
      for (const sessionId of [one, two]) {
        yield* client.ask({ type: "session.close", id: "c", key: `ws-many-close-${sessionId}`, params: { sessionId } })
      }
      yield* client.until(({ event, type }) => type === "event" && event.type === "session.closed")
      assert.deepStrictEqual(
        client.frames.filter(({ type }) => type === "event").map(({ sessionId }) => sessionId),
        [two]
      )
      const none = yield* client.ask({ type: "unsubscribe", id: "u", sessionId: one })
      assert.strictEqual(none.problem.code, "NotFound")
    })
  )

  it.effect("says what is wrong with a frame, by its id, and goes on", () =>
    Effect.gen(function* () {
      const client = yield* Sockets.client()
      const problem = Effect.fnUntraced(function* (frame: object | string | Uint8Array, from = client.frames.length) {
        client.send(frame)
        yield* client.until((frame) => client.frames.indexOf(frame) >= from)
        return client.frames[from]
      })
      const wrong: ReadonlyArray<readonly [object | string | Uint8Array, string | null, string, string]> = [
        ["{", null, "InvalidJson", "not JSON"],
        ["[]", null, "InvalidBody", "JSON object"],
        [new Uint8Array([1, 2]), null, "InvalidBody", "binary"],
        [{ id: "x" }, "x", "InvalidBody", "/type"],
        [{ type: "constructor", id: "x" }, "x", "InvalidBody", "/type"],
        [{ type: "ping" }, null, "InvalidBody", "/id"],
        [{ type: "ping", id: "x", more: 1 }, "x", "InvalidBody", "/more"],
        [{ type: "session.create", id: "x" }, "x", "InvalidBody", "/key"],
        [
          { type: "session.touch", id: "x", key: "k", params: { sessionId: "ses_1" } },
          "x",
          "InvalidBody",
          "/params/sessionId"
        ]
      ]
      for (const [frame, id, code, said] of wrong) {
        const told = yield* problem(frame)
        assert.deepInclude(told, { type: "problem", id })
        assert.strictEqual(told.problem.code, code)
        assert.include(told.problem.detail, said)
      }
      assert.deepInclude(yield* client.ask({ type: "ping", id: "p" }), { type: "answer", to: "ping" })
    })
  )

  it.effect("closes on repeated nonsense", () =>
    Effect.gen(function* () {
      const client = yield* Sockets.client()
      for (let one = 0; one <= 10; one++) client.send("nonsense")
      assert.deepStrictEqual(yield* client.ended, { code: 4400, reason: Frames.closings[4400] })
      assert.strictEqual(client.frames.length, 11)
    })
  )

  it.effect("is opened by whom HTTP would answer only, and refused as HTTP refuses", () =>
    Effect.gen(function* () {
      const { get } = yield* Kit.Caller
      for (const as of ["nobody", "stranger"] as const) {
        const { body, headers, status } = yield* Sockets.refused({ as })
        assert.deepInclude(body, { status: 401, code: "Unauthenticated" })
        assert.strictEqual(status, 401)
        assert.strictEqual(headers["content-type"], "application/problem+json")
      }
      const foreign = yield* Sockets.refused({ headers: { origin: "https://evil.example" } })
      assert.deepInclude(foreign.body, { status: 403, code: "Forbidden" })
      const rebound = yield* Sockets.refused({ headers: { host: "evil.example" } })
      assert.deepInclude(rebound.body, { status: 421, code: "HostRefused" })
      for (const protocols of [[], ["graphql-ws"], [`${Frames.tokenSubprotocol}${Kit.tokenOf("owner")}`]]) {
        const other = yield* Sockets.refused({ protocols })
        assert.deepInclude(other.body, { status: 426, code: "UpgradeRequired" })
        assert.isString(other.headers["x-request-id"])
      }
      const spelled = yield* Sockets.refused({ path: "/v1/%73ocket" })
      assert.deepInclude(spelled.body, { status: 404, code: "RouteNotFound" })
      const plain = yield* get("/v1/socket")
      assert.deepInclude(plain.json, { status: 426, code: "UpgradeRequired" })
      assert.strictEqual(plain.headers["upgrade"], "websocket")
    })
  )

  it.effect("takes the token of a page beside the subprotocol, and never says it back", () =>
    Effect.gen(function* () {
      const { url } = yield* Kit.Caller
      const client = yield* Sockets.client({
        as: "nobody",
        headers: { origin: url },
        protocols: [`${Frames.tokenSubprotocol}${Kit.tokenOf("owner")}`, Frames.subprotocol]
      })
      assert.strictEqual(client.ws.protocol, Frames.subprotocol)
      assert.strictEqual((yield* client.ask({ type: "ping", id: "1" })).type, "answer")
    })
  )

  it.effect("shows nobody a session that is not theirs", () =>
    Effect.gen(function* () {
      const owner = yield* Sockets.client()
      const sessionId = yield* Sockets.opened(owner, "ws-foreign")
      const bob = yield* Sockets.client({ as: "bob" })
      for (const frame of [
        { type: "subscribe", id: "1", sessionId },
        { type: "session.get", id: "2", params: { sessionId } },
        { type: "session.touch", id: "3", key: "bob", params: { sessionId } }
      ]) {
        assert.deepInclude((yield* bob.ask(frame)).problem, { code: "NotFound", status: 404 })
      }
    })
  )

  it.effect("is told of a position that the journal does not have", () =>
    Effect.gen(function* () {
      const client = yield* Sockets.client()
      const sessionId = yield* Sockets.opened(client, "ws-beyond")
      const told = yield* client.ask({ type: "subscribe", id: "s", sessionId, after: 1_000_000 })
      assert.match(told.problem.detail, /^\/after: the journal ends at \d+$/)
    })
  )

  it.effect("does many things at once, each answered once", () =>
    Effect.gen(function* () {
      const client = yield* Sockets.client()
      const ids = Array.from({ length: 500 }, (_, index) => `m${index}`)
      for (const id of ids) client.send({ type: "session.create", id, key: "ws-same" })
      yield* client.until(() => client.frames.length === ids.length)
      assert.deepStrictEqual(new Set(client.frames.map(({ id }) => id)), new Set(ids))
      assert.strictEqual(new Set(client.frames.map(({ body }) => body.sessionId)).size, 1)
      assert.strictEqual(client.frames.filter(({ repeated }) => !repeated).length, 1)
    })
  )
})
