/** Every limit of the HTTP door at its edge: the last that fits, the first that does not, and what makes room. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { once } from "node:events"
import { type IncomingMessage, request } from "node:http"
import { connect, type Socket } from "node:net"
import type * as HttpDoor from "#layers/edge/HttpDoor.ts"
import { Gateway } from "#src/gateway/Protocol.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"

const over = (limits: Partial<HttpDoor.Limits>) => Layer.fresh(Kit.serve(World.make(), { limits }))

/** Follows events until the scope ends, or `close` is called. */
const follow = Effect.fnUntraced(function* (as: Kit.Name, query = "") {
  const { port } = yield* Kit.Caller
  return yield* Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<{ readonly status: number; readonly close: () => void }>((resolve, reject) => {
          const headers = { authorization: `Bearer ${Kit.tokenOf(as)}` }
          const path = `/v1/events/stream${query}`
          const outgoing = request({ host: "127.0.0.1", port, path, headers, agent: false })
          outgoing.once("error", reject)
          outgoing.once("response", (incoming: IncomingMessage) => {
            incoming.on("error", () => undefined).resume()
            resolve({ status: incoming.statusCode ?? 0, close: () => void outgoing.destroy() })
          })
          outgoing.end()
        })
    ),
    ({ close }) => Effect.sync(close)
  )
})

const session = (as: Kit.Name) =>
  Effect.flatMap(Kit.Caller, ({ post }) =>
    Effect.map(post("/v1/sessions", { as, key: as }), ({ json }) => `?sessionId=${json.sessionId}`)
  )

/** Asks until it is served: room is made a moment after whoever left it. */
const served = <R>(ask: Effect.Effect<{ readonly status: number }, never, R>) =>
  Effect.eventually(
    Effect.flatMap(ask, ({ status }) => (status === 200 ? Effect.succeed(status) : Effect.fail(status)))
  )

const refused = (answer: Kit.Answer, status: number, problem: { readonly [member: string]: unknown }) => {
  assert.strictEqual(answer.status, status, answer.text)
  assert.deepInclude(answer.json, { retryable: true, ...problem })
  assert.strictEqual(answer.headers["retry-after"], "1")
}

const opened = (port: number) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<Socket>((resolve, reject) => {
          const socket = connect(port, "127.0.0.1", () => resolve(socket))
          socket.once("error", reject)
        })
    ),
    (socket) => Effect.sync(() => socket.destroy())
  )

/** What a connection hears to one question; empty where it was closed. */
const heard = (socket: Socket, ask: string) =>
  Effect.promise(
    () =>
      new Promise<string>((resolve) => {
        socket.once("data", (chunk: Buffer) => resolve(chunk.toString()))
        socket.on("error", () => undefined).once("close", () => resolve(""))
        socket.write(ask)
      })
  )

/** An action that waits for a person, and one poll after the other that waits for it, until the scope ends. */
const waits = Effect.gen(function* () {
  const { get, post } = yield* Kit.Caller
  const { sessionId } = (yield* post("/v1/sessions", { key: "waits" })).json
  const note = { tool: "note", arguments: { text: "a" } }
  const { actionId } = (yield* post(`/v1/sessions/${sessionId}/actions`, { key: "waits-a", body: note })).json
  const ask = (as: Kit.Name, waitMillis: number) => get(`/v1/actions/${actionId}?waitMillis=${waitMillis}`, { as })
  return { actionId, ask, begin: (as: Kit.Name) => Effect.forkChild(ask(as, 20_000)) }
})

describe("a limit of the door", () => {
  it.live("of waits is met, in all and of one principal, and one that ends makes room", () => {
    const { count, layer } = Kit.watched()
    return Effect.gen(function* () {
      const { actionId, ask, begin } = yield* waits
      const first = yield* begin("owner")
      yield* begin("owner")
      yield* count(`action:${actionId}`, 2)
      const own = { code: "LimitReached", limit: "waitsPerPrincipal", maximum: 2 }
      refused(yield* ask("owner", 20_000), 429, own)
      yield* begin("ana")
      yield* count(`action:${actionId}`, 3)
      refused(yield* ask("ana", 20_000), 503, { code: "Overloaded" })
      assert.strictEqual((yield* ask("ana", 0)).status, 200)
      yield* Fiber.interrupt(first)
      yield* served(ask("owner", 1))
    }).pipe(Effect.provide(Kit.doorOver(layer(World.make()), { limits: { waitsMax: 3, waitsPerPrincipalMax: 2 } })))
  })

  it.live("keeps no operator out: where all wait and every place is taken, a halt is answered within a second", () => {
    const { count, layer } = Kit.watched()
    return Effect.gen(function* () {
      const { get, port, post } = yield* Kit.Caller
      const { actionId, begin } = yield* waits
      for (const as of ["owner", "ana"] as const) yield* begin(as)
      yield* count(`action:${actionId}`, 2)
      refused(yield* get("/v1/whoami"), 503, { code: "Overloaded" })
      const before = performance.now()
      assert.strictEqual((yield* post("/v1/halt", { key: "h", body: { reason: "a" } })).status, 200)
      assert.isBelow(performance.now() - before, 1_000)
      for (const path of ["/health", "/ready", "/metrics", "/v1/metrics", "/v1/halt"]) {
        assert.strictEqual((yield* get(path)).status, 200, path)
      }
      // Connections too: one that is one too many is served no further, and this far.
      for (const _ of [1, 2]) yield* heard(yield* opened(port), "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
      refused(yield* get("/v1/whoami"), 503, { code: "Overloaded" })
      const resumed = yield* post("/v1/resume", { key: "r" })
      assert.deepInclude(resumed.json, { halted: false })
      assert.strictEqual(resumed.headers["connection"], "close")
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Kit.doorOver(layer(World.make()), {
          limits: { waitsMax: 2, waitsPerPrincipalMax: 1, requestsMax: 2, connectionsMax: 4 }
        })
      )
    )
  })

  it.live("of followers in all is met, and one that leaves makes room", () =>
    Effect.gen(function* () {
      const { get, port } = yield* Kit.Caller
      // A HEAD has no body to be read, so it keeps no place.
      for (let count = 0; count < 3; count++) {
        const headed = yield* Effect.promise(() => Kit.send(port, "HEAD", "/v1/events/stream", {}))
        assert.strictEqual(headed.status, 200)
      }
      const ana = yield* session("ana")
      const first = yield* follow("owner")
      for (const [as, query] of [
        ["ana", ana],
        ["owner", ""]
      ] as const) {
        assert.strictEqual((yield* follow(as, query)).status, 200)
      }
      refused(yield* get("/v1/events/stream"), 503, { code: "Overloaded" })
      refused(yield* get(`/v1/events/stream${ana}`, { as: "ana" }), 503, { code: "Overloaded" })
      first.close()
      yield* served(follow("ana", ana))
    }).pipe(Effect.scoped, Effect.provide(over({ eventStreamsMax: 3 })))
  )

  it.live("of one principal's followers is its own: others follow, and one of its own that leaves makes room", () =>
    Effect.gen(function* () {
      const { get } = yield* Kit.Caller
      const full = { code: "LimitReached", limit: "eventStreamsPerPrincipal", maximum: 2 }
      const ana = yield* session("ana")
      const first = yield* follow("ana", ana)
      const other = yield* follow("owner")
      yield* follow("ana", ana)
      refused(yield* get(`/v1/events/stream${ana}`, { as: "ana" }), 429, full)
      assert.strictEqual((yield* follow("owner")).status, 200)
      other.close()
      yield* served(follow("owner"))
      refused(yield* get(`/v1/events/stream${ana}`, { as: "ana" }), 429, full)
      first.close()
      yield* served(follow("ana", ana))
      refused(yield* get(`/v1/events/stream${ana}`, { as: "ana" }), 429, full)
    }).pipe(Effect.scoped, Effect.provide(over({ eventStreamsPerPrincipalMax: 2 })))
  )

  it.live("of followers is not passed by many who come at once", () =>
    Effect.gen(function* () {
      const all = yield* Effect.forEach(Array.from({ length: 40 }).keys(), () => follow("owner"), {
        concurrency: "unbounded"
      })
      assert.strictEqual(all.filter(({ status }) => status === 200).length, 5)
      assert.strictEqual(all.filter(({ status }) => status === 503).length, 35)
    }).pipe(Effect.scoped, Effect.provide(over({ eventStreamsMax: 5 })))
  )

  it.live("of a body is met to the byte, and what is too large says what fits", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const fits = JSON.stringify({ title: "a" }).padEnd(100, " ")
      assert.strictEqual((yield* post("/v1/sessions", { key: "fits", raw: fits })).status, 201)
      for (const headers of [{}, { "transfer-encoding": "chunked" }]) {
        const answer = yield* post("/v1/sessions", { key: "large", raw: `${fits} `, headers })
        assert.deepInclude(answer.json, { status: 413, code: "BodyTooLarge", maximum: 100 })
        assert.isUndefined(answer.headers["retry-after"], "waiting does not help")
      }
      assert.strictEqual((yield* post("/v1/sessions", { key: "large", raw: fits })).status, 201, "the key was not used")
    }).pipe(Effect.provide(over({ bodyBytesMax: 100 })))
  )

  it.live("of requests in hand is met, and one that is answered makes room", () => {
    const latches = [Deferred.makeUnsafe<void>(), Deferred.makeUnsafe<void>()] as const
    const begun = [Deferred.makeUnsafe<void>(), Deferred.makeUnsafe<void>()] as const
    let calls = 0
    const held = Layer.effect(
      Gateway,
      Effect.map(Gateway, (gateway) => ({
        ...gateway,
        createSession: (...args: Parameters<typeof gateway.createSession>) => {
          const call = calls++
          return Deferred.succeed(begun[call]!, undefined).pipe(
            Effect.andThen(Deferred.await(latches[call]!)),
            Effect.andThen(gateway.createSession(...args))
          )
        }
      }))
    ).pipe(Layer.provideMerge(World.make().layer))
    return Effect.gen(function* () {
      const { get, post } = yield* Kit.Caller
      const held = yield* Effect.forEach([0, 1] as const, (call) =>
        Effect.tap(Effect.forkChild(post("/v1/sessions", { key: `held-${call}` })), () => Deferred.await(begun[call]))
      )
      refused(yield* get("/v1/whoami"), 503, { code: "Overloaded" })
      refused(yield* get("/v1/whoami", { as: "bob" }), 503, { code: "Overloaded" })
      yield* Deferred.succeed(latches[0], undefined)
      assert.strictEqual((yield* Fiber.join(held[0]!)).status, 201)
      yield* served(get("/v1/whoami"))
      yield* Deferred.succeed(latches[1], undefined)
      assert.strictEqual((yield* Fiber.join(held[1]!)).status, 201)
    }).pipe(Effect.provide(Kit.doorOver(held, { limits: { requestsMax: 2 } })))
  })

  it.live("of connections is met: the next one is told so and closed, and one that leaves makes room", () => {
    const ask = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    return Effect.gen(function* () {
      const { port } = yield* Kit.Caller
      const first = yield* opened(port)
      const second = yield* opened(port)
      for (const socket of [first, second]) assert.match(yield* heard(socket, ask), /^HTTP\/1\.1 200 /)
      const third = yield* opened(port)
      const answer = yield* heard(third, ask)
      assert.match(answer, /^HTTP\/1\.1 503 /)
      for (const header of ["content-type: application/problem+json", "retry-after: 1", "connection: close"]) {
        assert.include(answer.toLowerCase(), `\r\n${header}\r\n`)
      }
      assert.deepInclude(JSON.parse(answer.split("\r\n\r\n")[1]!), { code: "Overloaded", retryable: true })
      yield* Effect.promise(async () => third.closed || once(third, "close"))
      assert.match(yield* heard(second, ask), /^HTTP\/1\.1 200 /, "who was in is still served")
      first.destroy()
      yield* Effect.eventually(
        Effect.flatMap(
          Effect.flatMap(opened(port), (socket) => heard(socket, ask)),
          (text) => (text.startsWith("HTTP/1.1 200 ") ? Effect.void : Effect.fail("not yet"))
        )
      )
    }).pipe(Effect.scoped, Effect.provide(over({ connectionsMax: 2 })))
  })
})
