/** A key that is revoked, and a principal that is disabled, at every door that was open. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"
import * as Sockets from "./socket-kit.ts"

/** What shuts a principal out, each by one request of the owner's. */
const ways = [
  ["a key that is revoked", (keyId: string) => `/v1/principals/helper/keys/${keyId}/revoke`],
  ["a principal that is disabled", () => "/v1/principals/helper/disable"]
] as const

for (const [what, pathOf] of ways) {
  it.live(`${what} ends its WebSocket, its stream and its long poll within a second`, () => shutOut(pathOf))
}

const shutOut = (pathOf: (keyId: string) => string) => {
  const world = World.make()
  const { count, layer } = Kit.watched()
  return Effect.gen(function* () {
    const { get, post, port } = yield* Kit.Caller
    const body = { principalId: "helper", kind: "AGENT" }
    const { keyId, token } = (yield* post("/v1/principals", { key: "p", body })).json
    const { sessionId } = (yield* post("/v1/sessions", { key: "s", body: { agentId: "helper" } })).json
    const asked = (yield* post(`/v1/sessions/${sessionId}/actions`, {
      token,
      key: "a",
      body: { tool: "note", arguments: { text: "x" } }
    })).json

    const socket = yield* Sockets.client({ token })
    yield* socket.ask({ type: "subscribe", id: "s", sessionId, after: 0 })
    const stream = yield* Effect.forkChild(
      Effect.promise(() => Kit.send(port, "GET", `/v1/events/stream?sessionId=${sessionId}`, { token }))
    )
    const poll = yield* Effect.forkChild(get(`/v1/actions/${asked.actionId}?waitMillis=30000`, { token }))
    // Of the stream and the poll. The socket hears what all sockets hear, since it opened.
    yield* count("principal:helper", 2)

    const startedAt = performance.now()
    yield* post(pathOf(keyId), { key: "r" })
    yield* post(`/v1/sessions/${sessionId}/touch`, { key: "t" })
    assert.strictEqual((yield* socket.ended).code, 4401)
    assert.strictEqual((yield* Fiber.join(poll)).status, 401)
    const { text } = yield* Fiber.join(stream)
    assert.isBelow(performance.now() - startedAt, 1_000)
    assert.match(text, /event: end\ndata: \{"code":"Unauthenticated"/)
    for (const told of [text, JSON.stringify(socket.frames)]) assert.notInclude(told, "session.touched")
    for (const again of [yield* get("/v1/whoami", { token }), yield* Sockets.refused({ token })]) {
      assert.strictEqual(again.status, 401)
    }
  }).pipe(Effect.scoped, Effect.provide(Kit.doorOver(layer(world))))
}
