/** The client over one WebSocket: typed, patient, and exact over breaks. */
import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as Stream from "effect/Stream"
import * as SocketDoor from "#layers/edge/socket/SocketDoor.ts"
import * as Live from "#layers/client/Live.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { PrincipalId, SessionId, StreamId } from "#src/kernel/Ids.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"

const live = (token = Kit.tokenOf("owner")) =>
  Effect.flatMap(Kit.Caller, ({ url }) => Live.make({ url, token: Redacted.make(token) })).pipe(
    Effect.provide(Live.layerWebSocket)
  )

it.live("does, asks and follows in types", () =>
  Effect.gen(function* () {
    const { ask, events } = yield* live()
    const { body, repeated } = yield* ask("session.create", { key: "k", body: { title: "live" } })
    assert.isFalse(repeated)
    assert.isTrue((yield* ask("session.create", { key: "k", body: { title: "live" } })).repeated)
    const { sessionId } = body
    const followed = yield* Effect.forkChild(
      events(sessionId, 0).pipe(
        Stream.takeUntil(({ event }) => event.type === "action.executed"),
        Stream.runCollect
      )
    )
    const proposed = yield* ask("action.propose", {
      params: { sessionId },
      body: { tool: "note", arguments: { text: "hello" } }
    })
    const confirmationId = proposed.body.confirmationId!
    assert.strictEqual(
      (yield* ask("confirmation.get", { params: { confirmationId } })).body.argumentsText,
      '{"text":"hello"}'
    )
    yield* ask("confirmation.approve", { params: { confirmationId } })
    const seen = yield* Fiber.join(followed)
    assert.deepStrictEqual([seen[0]?.event.type, seen.at(-1)?.event.type], ["session.created", "action.executed"])
    const refused = yield* Effect.flip(ask("session.get", { params: { sessionId: `ses_${"0".repeat(26)}` as never } }))
    assert.deepInclude(refused, { _tag: "LiveRefused", code: "NotFound", retryable: false })
    const foreign = yield* Effect.flip(Stream.runDrain(events(`ses_${"0".repeat(26)}` as never)))
    assert.deepInclude(foreign, { _tag: "LiveRefused", code: "NotFound" })
  }).pipe(Effect.scoped, Effect.provide(Kit.serve(World.make())))
)

it.live("is not opened with a token that is none", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(live(Kit.tokenOf("stranger")))
    assert.deepInclude(error, { _tag: "LiveEnded", reason: "Unauthenticated", retryable: false })
  }).pipe(Effect.scoped, Effect.provide(Kit.serve(World.make())))
)

it.live("is not opened where nobody is, which may be another time", () =>
  Effect.gen(function* () {
    const nobody = Live.make({ url: "http://127.0.0.1:9", token: Redacted.make(Kit.tokenOf("owner")) })
    const error = yield* Effect.flip(Effect.provide(nobody, Live.layerWebSocket))
    assert.deepInclude(error, { _tag: "LiveEnded", reason: "NotOpened", retryable: true })
  }).pipe(Effect.scoped)
)

it.live("ends for good where its key was revoked while the connection was broken", () =>
  Effect.gen(function* () {
    const { post, url } = yield* Kit.Caller
    const body = { principalId: "away", kind: "HUMAN" }
    const { keyId, token } = (yield* post("/v1/principals", { key: "p", body })).json
    const opened: Array<WebSocket> = []
    let broken = false
    const breaking = Layer.succeed(Socket.WebSocketConstructor, (address: string, options) => {
      const protocols = (options ?? []) as Array<string>
      const socket = new WebSocket(broken ? "ws://127.0.0.1:9" : address, protocols)
      opened.push(socket)
      return socket
    })
    const { ask, events } = yield* Effect.provide(Live.make({ url, token: Redacted.make(token) }), breaking)
    const { sessionId } = (yield* ask("session.create", {})).body
    const followed = yield* Effect.forkChild(Effect.flip(Stream.runDrain(events(sessionId))))
    yield* ask("session.get", { params: { sessionId } })
    broken = true
    opened[0]!.close()
    // More than once in vain, as long as the key stands.
    yield* Effect.eventually(Effect.suspend(() => (opened.length >= 3 ? Effect.void : Effect.fail("not yet"))))
    assert.isUndefined(followed.pollUnsafe())
    yield* post(`/v1/principals/away/keys/${keyId}/revoke`, { key: "r" })
    broken = false
    assert.deepInclude(yield* Fiber.join(followed), { _tag: "LiveEnded", reason: "Unauthenticated", retryable: false })
    assert.deepInclude(yield* Effect.flip(ask("session.create", {})), { reason: "Unauthenticated" })
  }).pipe(Effect.scoped, Effect.provide(Kit.serve(World.make())))
)

it.live("ends for good with its key: what is asked and what is followed say so", () =>
  Effect.gen(function* () {
    const { post } = yield* Kit.Caller
    const body = { principalId: "helper", kind: "HUMAN" }
    const { keyId, token } = (yield* post("/v1/principals", { key: "p", body })).json
    const { ask, events } = yield* live(token)
    const { sessionId } = (yield* ask("session.create", {})).body
    const followed = yield* Effect.forkChild(Effect.flip(Stream.runDrain(events(sessionId))))
    yield* ask("session.get", { params: { sessionId } })
    yield* post(`/v1/principals/helper/keys/${keyId}/revoke`, { key: "r" })
    assert.deepInclude(yield* Fiber.join(followed), { _tag: "LiveEnded", reason: "Unauthenticated", retryable: false })
    assert.deepInclude(yield* Effect.flip(ask("session.create", {})), { reason: "Unauthenticated" })
  }).pipe(Effect.scoped, Effect.provide(Kit.serve(World.make())))
)

/** Lives of a service, one after the other, over one journal. */
const lives = Effect.gen(function* () {
  const kept = yield* Layer.build(World.make().layer)
  const begin = Effect.fnUntraced(function* (port?: number) {
    const scope = yield* Scope.make()
    const options = { limits: { requestsPerSecondMax: 1_000_000 }, ...(port === undefined ? {} : { port }) }
    const door = Layer.fresh(Kit.doorOver(World.make().over(kept), options))
    const context = yield* Layer.buildWithScope(door, scope)
    return { context, close: Scope.close(scope, Exit.void) }
  })
  return { begin, kept }
})

it.live(
  "does each wish once and sees each event once, while the service is restarted under it",
  () =>
    Effect.gen(function* () {
      const { begin, kept } = yield* lives
      const first = yield* begin()
      const { port } = yield* Effect.provideContext(Kit.Caller, first.context)
      const { ask, events } = yield* Effect.provideContext(live(), first.context)
      const { sessionId } = (yield* ask("session.create", {})).body
      const wishes = 300
      const followed = yield* Effect.forkChild(events(sessionId, 0).pipe(Stream.take(wishes + 1), Stream.runCollect))
      const asking = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: wishes }).keys(),
          (index) => ask("session.touch", { key: `touch-${index}`, params: { sessionId } }),
          { concurrency: 4 }
        )
      )
      let life = first
      for (let restart = 0; restart < 3; restart++) {
        yield* life.close
        life = yield* begin(port)
      }
      yield* Fiber.join(asking)
      const seen = yield* Fiber.join(followed)
      yield* life.close
      const { readStream } = yield* Effect.provide(EventStore, Layer.succeedContext(kept))
      const stored = (yield* readStream(StreamId.make(`session:${sessionId}`))).events
      assert.lengthOf(stored, wishes + 1)
      assert.deepStrictEqual(
        seen.map(({ sequence }) => sequence),
        stored.map(({ position }) => position)
      )
    }).pipe(Effect.scoped),
  60_000
)

it.live(
  "an agent sees each event of its work once and in order, while the service is restarted under it",
  () =>
    Effect.gen(function* () {
      const { begin, kept } = yield* lives
      let life = yield* begin()
      const { port } = yield* Effect.provideContext(Kit.Caller, life.context)
      const owner = yield* Effect.provideContext(live(), life.context)
      const robot = yield* Effect.provideContext(live(Kit.tokenOf("robot")), life.context)
      yield* robot.ask("tool.declare", { body: { name: "far", description: "", inputSchema: Kit.remoteSchema } })
      const { sessionId } = (yield* owner.ask("session.create", {})).body
      const wishes = 8
      // Proposed, judged, asked about, approved, permitted.
      const followed = yield* Effect.forkChild(
        robot.work(PrincipalId.make("robot"), 0).pipe(Stream.take(5 * wishes), Stream.runCollect)
      )
      for (let wish = 0; wish < wishes; wish++) {
        if (wish % 3 === 1) {
          yield* life.close
          life = yield* begin(port)
        }
        const body = { tool: "far", arguments: { text: String(wish) } }
        const { confirmationId } = (yield* owner.ask("action.propose", { params: { sessionId }, body })).body
        yield* owner.ask("confirmation.approve", { params: { confirmationId: confirmationId! } })
        yield* owner.ask("session.touch", { params: { sessionId } })
      }
      const seen = yield* Fiber.join(followed)
      yield* life.close
      const { readAll } = yield* Effect.provide(EventStore, Layer.succeedContext(kept))
      const stored = (yield* readAll(0, 1_000)).filter(({ envelope }) => envelope.stream.startsWith("action:"))
      assert.deepStrictEqual(
        seen.map(({ sequence }) => sequence),
        stored.map(({ position }) => position)
      )
    }).pipe(Effect.scoped),
  60_000
)

/** A session with so many events. */
const busy = Effect.fnUntraced(function* (events: number) {
  const { port, post } = yield* Kit.Caller
  const sessionId = SessionId.make((yield* post("/v1/sessions", { key: "busy" })).json.sessionId)
  yield* Effect.forEach(
    Array.from({ length: events - 1 }).keys(),
    (index) =>
      Effect.promise(() => Kit.send(port, "POST", `/v1/sessions/${sessionId}/touch`, { key: `busy-${index}` })),
    { concurrency: 8 }
  )
  return sessionId
})

it.live("a stream that asks about each of a long past goes on, however much waits behind it", () =>
  Effect.gen(function* () {
    const sessionId = yield* busy(700)
    const { ask, events } = yield* live()
    const seen: Array<number> = []
    yield* events(sessionId, 0).pipe(
      Stream.take(700),
      Stream.runForEach(({ event, sequence }) =>
        Effect.andThen(
          event.version % 100 === 1 ? ask("session.get", { params: { sessionId } }) : Effect.void,
          Effect.sync(() => seen.push(sequence))
        )
      )
    )
    assert.deepStrictEqual(
      seen,
      Array.from({ length: 700 }, (_, index) => seen[0]! + index)
    )
  }).pipe(Effect.scoped, Effect.provide(Kit.serve(World.make())))
)

it.live("a session is followed by one stream at a time, and by one after the other from where each asks", () =>
  Effect.gen(function* () {
    const sessionId = yield* busy(300)
    const { events } = yield* live()
    const begun = yield* Deferred.make<void>()
    const goOn = yield* Deferred.make<void>()
    const first = yield* Effect.forkChild(
      events(sessionId, 0).pipe(
        Stream.tap(() => Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(goOn))),
        Stream.take(300),
        Stream.runCount
      )
    )
    yield* Deferred.await(begun)
    const second = yield* Effect.flip(Stream.runDrain(events(sessionId, 0)))
    assert.deepInclude(second, { _tag: "LiveRefused", code: "Conflict" })
    yield* Deferred.succeed(goOn, undefined)
    assert.strictEqual(yield* Fiber.join(first), 300)
    // Left in the middle, begun again at the beginning: what was on its way to the first is not taken for the second's.
    for (let round = 0; round < 5; round++) {
      yield* events(sessionId, 0).pipe(Stream.take(10), Stream.runDrain)
      const all = yield* events(sessionId, 0).pipe(Stream.take(300), Stream.runCollect)
      assert.deepStrictEqual(
        all.map(({ event }) => event.version),
        Array.from({ length: 300 }, (_, index) => index + 1)
      )
    }
  }).pipe(Effect.scoped, Effect.provide(Kit.serve(World.make())))
)

it.live("a wish too large for the service is refused, and holds up no other", () =>
  Effect.gen(function* () {
    const { ask } = yield* live()
    const { sessionId } = (yield* ask("session.create", {})).body
    const large = yield* Effect.flip(ask("turn.start", { params: { sessionId }, body: { input: "x".repeat(20_000) } }))
    assert.deepInclude(large, { _tag: "LiveRefused", code: "BodyTooLarge", retryable: false })
    assert.strictEqual((yield* ask("session.get", { params: { sessionId } })).body.status, "Open")
  }).pipe(
    Effect.scoped,
    Effect.provide(Kit.serve(World.make(), { limits: { sockets: { ...SocketDoor.defaults, frameBytesMax: 10_000 } } }))
  )
)

it.live("a wish that no schema takes is refused, and a closed connection says so", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const { ask, events } = yield* Scope.provide(live(), scope)
    const { sessionId } = (yield* ask("session.create", {})).body
    const deep = Array.from({ length: 200 }).reduce<unknown>((inside) => [inside], 1)
    const refused = yield* Effect.flip(
      ask("action.propose", { params: { sessionId }, body: { tool: "look", arguments: deep as never } })
    )
    assert.deepInclude(refused, { _tag: "LiveRefused", code: "InvalidBody" })
    const followed = yield* Effect.forkChild(Effect.flip(Stream.runDrain(events(sessionId))))
    yield* ask("session.get", { params: { sessionId } })
    yield* Scope.close(scope, Exit.void)
    assert.deepInclude(yield* Fiber.join(followed), { _tag: "LiveEnded", reason: "Closed" })
    assert.deepInclude(yield* Effect.flip(ask("session.create", {})), { reason: "Closed" })
  }).pipe(Effect.scoped, Effect.provide(Kit.serve(World.make())))
)
