/** WebSockets in time and under load: limits, breaks, and why they end. */
import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as Frames from "#layers/edge/api/Frames.ts"
import * as SocketDoor from "#layers/edge/socket/SocketDoor.ts"
import { Gateway } from "#src/gateway/Protocol.ts"
import { StreamId } from "#src/kernel/Ids.ts"
import { Identity, Unauthenticated } from "#src/ports/Identity.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import * as SeededScheduler from "#test/kit/seededScheduler.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"
import * as Sockets from "./socket-kit.ts"

const limits = (changed: Partial<SocketDoor.Limits>) => ({
  limits: { sockets: { ...SocketDoor.defaults, ...changed } }
})

it.effect("a WebSocket too many is told to wait; one that left makes room", () =>
  Effect.gen(function* () {
    const first = yield* Sockets.client()
    yield* Sockets.client()
    const told = yield* Sockets.refused({})
    assert.deepInclude(told.body, { status: 429, code: "LimitReached", limit: "socketsPerPrincipal", maximum: 2 })
    assert.strictEqual(told.headers["retry-after"], "1")
    yield* Sockets.client({ as: "bob" })
    const full = yield* Sockets.refused({ as: "ana" })
    assert.deepInclude(full.body, { status: 503, code: "Overloaded" })
    first.close()
    yield* first.ended
    yield* Effect.eventually(Effect.orDie(Effect.asVoid(Sockets.client({ as: "ana" }))).pipe(Effect.sandbox))
  }).pipe(Effect.scoped, Effect.provide(Kit.serve(World.make(), limits({ socketsMax: 3, socketsPerPrincipalMax: 2 }))))
)

it.effect("a page of an origin that the deployment names may open a WebSocket", () =>
  Effect.gen(function* () {
    const headers = { origin: "https://app.example.org" }
    assert.strictEqual((yield* (yield* Sockets.client({ headers })).ask({ type: "ping", id: "1" })).type, "answer")
    for (const origin of ["https://app.example.org.evil.example", "http://app.example.org", "null"]) {
      assert.strictEqual((yield* Sockets.refused({ headers: { origin } })).body.code, "Forbidden", origin)
    }
  }).pipe(Effect.scoped, Effect.provide(Kit.serve(World.make(), { origins: ["https://app.example.org"] })))
)

it.effect("a WebSocket follows so many sessions, and no more", () =>
  Effect.gen(function* () {
    const client = yield* Sockets.client()
    const ids = [yield* Sockets.opened(client, "1"), yield* Sockets.opened(client, "2")]
    assert.strictEqual((yield* client.ask({ type: "subscribe", id: "s", sessionId: ids[0] })).type, "answer")
    const told = yield* client.ask({ type: "subscribe", id: "s", sessionId: ids[1] })
    assert.deepInclude(told.problem, { code: "LimitReached", limit: "sessionsPerSocket", maximum: 1 })
    assert.strictEqual(told.retryAfterSeconds, 1)
  }).pipe(Effect.scoped, Effect.provide(Kit.serve(World.make(), limits({ socketSessionsMax: 1 }))))
)

it.live("a WebSocket hears every while up to where nothing is missed, of each session that it follows", () =>
  Effect.gen(function* () {
    const client = yield* Sockets.client()
    const sessionId = yield* Sockets.opened(client, "1")
    yield* client.ask({ type: "subscribe", id: "s", sessionId, after: 0 })
    const event = yield* client.until(({ type }) => type === "event")
    yield* Sockets.opened(client, "2")
    // What it does not see is not missing.
    const beat = yield* client.until(
      ({ sessions, type }) => type === "heartbeat" && sessions[0]?.sequence > event.sequence
    )
    assert.deepStrictEqual(
      beat.sessions.map((of: Sockets.Frame) => of.sessionId),
      [sessionId]
    )
  }).pipe(
    Effect.scoped,
    Effect.timeout("10 seconds"),
    Effect.provide(Kit.serve(World.make(), limits({ heartbeatMillis: 20 })))
  )
)

it.effect("a frame too large ends its connection, one that just fits does not", () =>
  Effect.gen(function* () {
    const client = yield* Sockets.client()
    const ping = JSON.stringify({ type: "ping", id: "1" })
    client.send(ping.padEnd(1_000, " "))
    yield* client.until(({ to }) => to === "ping")
    client.send(ping.padEnd(1_001, " "))
    assert.strictEqual((yield* client.ended).code, 1009)
  }).pipe(Effect.scoped, Effect.provide(Kit.serve(World.make(), limits({ frameBytesMax: 1_000 }))))
)

/** What a principal's own key does, from the journal. */
const admitted = Effect.fnUntraced(function* (principalId: string, kind: "HUMAN" | "AGENT") {
  const { post } = yield* Kit.Caller
  const made = yield* post("/v1/principals", { key: principalId, body: { principalId, kind } })
  return { token: String(made.json.token), keyId: String(made.json.keyId) }
})

it.live("a WebSocket ends within a second when its key is revoked, and gets nothing after", () =>
  Effect.gen(function* () {
    const { post } = yield* Kit.Caller
    const { keyId, token } = yield* admitted("helper", "AGENT")
    const body = { agentId: "helper" }
    const { sessionId } = (yield* post("/v1/sessions", { key: "s", body })).json
    const client = yield* Sockets.client({ token })
    yield* client.ask({ type: "subscribe", id: "s", sessionId, after: 0 })
    yield* client.until(({ type }) => type === "event")
    const startedAt = performance.now()
    yield* post(`/v1/principals/helper/keys/${keyId}/revoke`, { key: "revoke" })
    // From its commit on, nothing more is told, however fast it is said.
    yield* post(`/v1/sessions/${sessionId}/touch`, { key: "touch" })
    assert.deepStrictEqual(yield* client.ended, { code: 4401, reason: Frames.closings[4401] })
    assert.isBelow(performance.now() - startedAt, 1_000)
    assert.deepStrictEqual(
      client.frames.filter(({ type }) => type === "event").map(({ event }) => event.type),
      ["session.created"]
    )
    const told = yield* Sockets.refused({ token })
    assert.strictEqual(told.status, 401)
  }).pipe(Effect.scoped, Effect.provide(Kit.serve(World.make())))
)

it.live(
  "what is committed after a revocation is not told, however late it is looked whether the key still opens",
  () => {
    const { delay, release, who } = Kit.lateLook("helper")
    return Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const { keyId, token } = yield* admitted("helper", "AGENT")
      const { sessionId } = (yield* post("/v1/sessions", { key: "s", body: { agentId: "helper" } })).json
      const [helper, owner] = [yield* Sockets.client({ token }), yield* Sockets.client()]
      for (const client of [helper, owner]) {
        yield* client.ask({ type: "subscribe", id: "s", sessionId, after: 0 })
        yield* client.until(({ event }) => event?.type === "session.created")
      }
      delay()
      yield* post(`/v1/principals/helper/keys/${keyId}/revoke`, { key: "r" })
      yield* post(`/v1/sessions/${sessionId}/touch`, { key: "t" })
      yield* owner.until(({ event }) => event?.type === "session.touched")
      // Held, not deaf: what concerns no session is answered meanwhile.
      assert.strictEqual((yield* helper.ask({ type: "ping", id: "p" })).type, "answer")
      yield* release
      assert.strictEqual((yield* helper.ended).code, 4401)
      assert.notInclude(JSON.stringify(helper.frames), "session.touched")
    }).pipe(Effect.scoped, Effect.provide(Kit.doorOver(World.make().layer, {}, who)))
  }
)

it.live("a command is done in the name of the principal as it stands, also where no word of a change came yet", () => {
  // As where another process took the key a moment ago.
  let taken = false
  const who = Layer.effect(
    Identity,
    Effect.map(Identity, (identity) =>
      Identity.of({
        ...identity,
        renew: (by) =>
          taken && by.actor.id === "helper"
            ? Effect.fail(new Unauthenticated({ retryable: false }))
            : identity.renew(by)
      })
    )
  ).pipe(Layer.provide(Kit.known))
  return Effect.gen(function* () {
    const { post } = yield* Kit.Caller
    const { token } = yield* admitted("helper", "AGENT")
    const { sessionId } = (yield* post("/v1/sessions", { key: "s", body: { agentId: "helper" } })).json
    const client = yield* Sockets.client({ token })
    const touch = { type: "session.touch", params: { sessionId } }
    assert.strictEqual((yield* client.ask({ ...touch, id: "1", key: "t1" })).type, "answer")
    taken = true
    for (const frame of [
      { ...touch, id: "2", key: "t2" },
      { type: "session.get", id: "3", params: { sessionId } },
      { type: "subscribe", id: "4", sessionId }
    ]) {
      assert.strictEqual((yield* client.ask(frame)).problem.code, "Unauthenticated")
    }
  }).pipe(Effect.scoped, Effect.provide(Kit.doorOver(World.make().layer, {}, who)))
})

const bugs = [
  ["a bug of ours", 1011, Effect.die("a bug")],
  ["an interrupt from inside", 1001, Effect.interrupt]
] as const

for (const [what, code, bug] of bugs) {
  it.live(`${what} ends the connection that met it, and no other`, () => meets(code, bug))
}

const meets = (code: number, bug: Effect.Effect<never>) => {
  let broken = false
  const who = Layer.effect(
    Identity,
    Effect.map(Identity, (identity) =>
      Identity.of({
        ...identity,
        renew: (by) => (broken && by.actor.id === "helper" ? bug : identity.renew(by))
      })
    )
  ).pipe(Layer.provide(Kit.known))
  return Effect.gen(function* () {
    const { post } = yield* Kit.Caller
    const { token } = yield* admitted("helper", "AGENT")
    const [helper, owner] = [yield* Sockets.client({ token }), yield* Sockets.client()]
    broken = true
    yield* post("/v1/principals/helper/roles", { key: "roles", body: { roles: ["reviewer"] } })
    assert.strictEqual((yield* helper.ended).code, code)
    assert.strictEqual((yield* owner.ask({ type: "ping", id: "1" })).type, "answer")
  }).pipe(Effect.scoped, Effect.provide(Kit.doorOver(World.make().layer, {}, who)), Effect.provide(Logger.layer([])))
}

it.live("a change that takes nothing away leaves a WebSocket open", () =>
  Effect.gen(function* () {
    const { post } = yield* Kit.Caller
    const { token } = yield* admitted("helper", "AGENT")
    const { sessionId } = (yield* post("/v1/sessions", { key: "s", body: { agentId: "helper" } })).json
    const client = yield* Sockets.client({ token })
    yield* client.ask({ type: "subscribe", id: "s", sessionId, after: 0 })
    yield* post("/v1/principals/helper/roles", { key: "roles", body: { roles: ["reviewer"] } })
    yield* post(`/v1/sessions/${sessionId}/touch`, { key: "touch" })
    yield* client.until(({ event }) => event?.type === "session.touched")
  }).pipe(Effect.scoped, Effect.provide(Kit.serve(World.make())))
)

it.live("frames count against their principal's rate, as requests do", () =>
  Effect.gen(function* () {
    const client = yield* Sockets.client({ as: "bob" })
    for (let index = 0; index < 20; index++) client.send({ type: "ping", id: `p${index}` })
    yield* client.until(() => client.frames.length === 20)
    const told = client.frames.filter(({ type }) => type === "problem")
    assert.isAtLeast(told.length, 5)
    for (const { problem, retryAfterSeconds } of told) {
      assert.deepInclude(problem, { code: "LimitReached", limit: "requestsPerSecond", maximum: 10 })
      assert.strictEqual(retryAfterSeconds, 1)
    }
    // Nobody else notices.
    assert.strictEqual((yield* (yield* Sockets.client()).ask({ type: "ping", id: "1" })).type, "answer")
  }).pipe(Effect.scoped, Effect.provide(Kit.serve(World.make(), { limits: { requestsPerSecondMax: 10 } })))
)

it.live("half a frame without its rest ends its connection; a slow ping does not", () =>
  Effect.gen(function* () {
    const [half, quiet] = [yield* Sockets.client(), yield* Sockets.client()]
    // The head of a frame of 100,000 bytes, masked, and 20,000 of them.
    const tcp = (half.ws as unknown as { readonly _socket: { readonly write: (bytes: Uint8Array) => void } })._socket
    tcp.write(
      Buffer.concat([Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 1, 0x86, 0xa0, 0, 0, 0, 0]), Buffer.alloc(20_000)])
    )
    quiet.ws.ping()
    assert.deepStrictEqual(yield* half.ended, { code: 4408, reason: Frames.closings[4408] })
    assert.strictEqual((yield* quiet.ask({ type: "ping", id: "1" })).type, "answer")
  }).pipe(Effect.scoped, Effect.provide(Kit.serve(World.make(), limits({ frameMillis: 50 }))))
)

it.live("one that follows many sessions from far back has one page of the journal at a time, and a small one", () => {
  let [reading, readingMost, pageMost] = [0, 0, 0]
  const watched = Layer.effect(
    EventStore,
    Effect.map(EventStore, (store) => ({
      ...store,
      readAll: (...asked: Parameters<typeof store.readAll>) =>
        Effect.gen(function* () {
          readingMost = Math.max(readingMost, ++reading)
          // As a store would that has to look.
          yield* Effect.yieldNow
          const page = yield* store.readAll(...asked)
          pageMost = Math.max(
            pageMost,
            page.reduce((sum, { text }) => sum + text.length, 0)
          )
          return page
        }).pipe(Effect.ensuring(Effect.sync(() => (reading -= 1))))
    }))
  ).pipe(Layer.provideMerge(World.make().layer))
  return Effect.gen(function* () {
    const client = yield* Sockets.client()
    const opened = (index: number) => Sockets.opened(client, `back-${index}`)
    const sessions = yield* Effect.forEach(Array.from({ length: 20 }).keys(), opened)
    for (let round = 0; round < 50; round++) {
      const [sessionId, text] = [sessions[round % sessions.length], "x".repeat(30_000)]
      const body = { tool: "look", arguments: { text } }
      yield* client.ask({ type: "action.propose", id: "p", key: `back-p-${round}`, params: { sessionId }, body })
    }
    const late = yield* Sockets.client()
    for (const sessionId of sessions) late.send({ type: "subscribe", id: sessionId, sessionId, after: 0 })
    yield* late.until(() => late.frames.filter(({ event }) => event?.type === "action.executed").length === 50)
    assert.strictEqual(readingMost, 1)
    // The one event that passes it comes too.
    assert.isBelow(pageMost, 64 * 1024 + 60_000)
  }).pipe(
    Effect.scoped,
    Effect.provide(Kit.doorOver(watched, limits({ queueTextMax: 64 * 1024, outboxBytesMax: 64 * 1024 })))
  )
})

it.live("a door that closes answers what is in hand, takes no more, and says that it closes", () => {
  const begun = Deferred.makeUnsafe<void>()
  const goOn = Deferred.makeUnsafe<void>()
  const world = World.make()
  const held = Layer.effect(
    Gateway,
    Effect.map(Gateway, (gateway) => ({
      ...gateway,
      createSession: (...args: Parameters<typeof gateway.createSession>) =>
        Deferred.succeed(begun, undefined).pipe(
          Effect.andThen(Deferred.await(goOn)),
          Effect.andThen(gateway.createSession(...args))
        )
    }))
  ).pipe(Layer.provideMerge(world.layer))
  return Effect.gen(function* () {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(Kit.doorOver(held), scope)
    const client = yield* Effect.provideContext(Sockets.client(), context)
    const idle = yield* Effect.provideContext(Sockets.client(), context)
    const asked = yield* Effect.forkChild(client.ask({ type: "session.create", id: "1", key: "k" }))
    yield* Deferred.await(begun)
    const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
    assert.deepStrictEqual(yield* idle.ended, { code: 1001, reason: Frames.closings[1001] })
    const late = yield* client.ask({ type: "ping", id: "2" })
    assert.strictEqual(late.problem.code, "Draining")
    yield* Deferred.succeed(goOn, undefined)
    assert.strictEqual((yield* Fiber.join(asked)).type, "answer")
    assert.deepStrictEqual(yield* client.ended, { code: 1001, reason: Frames.closings[1001] })
    yield* Fiber.join(closing)
  }).pipe(Effect.scoped)
})

it.live("a peer that does not close is cut, and the door closes all the same", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(Kit.serve(World.make(), limits({ closeMillis: 100 })), scope)
    const client = yield* Effect.provideContext(Sockets.client(), context)
    client.ws.pause()
    yield* Scope.close(scope, Exit.void)
    client.ws.resume()
    assert.strictEqual((yield* client.ended).code, 1001)
  }).pipe(Effect.scoped)
)

it.live(
  "each event is seen once and in order by a client that is cut off at random, over restarts of the service",
  () =>
    Effect.gen(function* () {
      const kept = yield* Layer.build(World.make().layer)
      const life = () =>
        Layer.fresh(Kit.doorOver(World.make().over(kept), { limits: { requestsPerSecondMax: 1_000_000 } }))
      const random = SeededScheduler.chance(7)
      const seen: Array<Sockets.Frame> = []
      const lives = 3
      const touches = 700
      let sessionId = ""
      let cuts = 0
      for (let part = 0; part < lives; part++) {
        yield* Effect.gen(function* () {
          const { port, post } = yield* Kit.Caller
          if (part === 0) sessionId = (yield* post("/v1/sessions", { key: "s" })).json.sessionId
          const touch = (index: number) =>
            Effect.promise(() => Kit.send(port, "POST", `/v1/sessions/${sessionId}/touch`, { key: `${part}-${index}` }))
          const writing = yield* Effect.forkChild(
            Effect.forEach(Array.from({ length: touches }).keys(), touch, { concurrency: 8 })
          )
          const goal = part === lives - 1 ? lives * touches + 1 : (part + 1) * touches - 100
          while (seen.length < goal) {
            const client = yield* Sockets.client()
            const after = seen.at(-1)?.sequence ?? 0
            client.send({ type: "subscribe", id: "s", sessionId, after })
            const enough = Math.min(1 + Math.floor(random() * 60), goal - seen.length)
            const events = () => client.frames.filter(({ type }) => type === "event")
            yield* client.until(() => events().length >= enough)
            client.ws.terminate()
            cuts += 1
            seen.push(...events())
          }
          yield* Fiber.join(writing)
        }).pipe(Effect.scoped, Effect.provide(life()))
      }
      const { readStream } = yield* Effect.provide(EventStore, Layer.succeedContext(kept))
      const { events } = yield* readStream(StreamId.make(`session:${sessionId}`))
      assert.lengthOf(events, lives * touches + 1)
      assert.deepStrictEqual(
        seen.map(({ sequence }) => sequence),
        events.map(({ position }) => position)
      )
      for (const [index, { previous }] of seen.entries()) assert.strictEqual(previous, seen[index - 1]?.sequence ?? 0)
      assert.isAtLeast(cuts, 50)
    }).pipe(Effect.scoped),
  120_000
)
