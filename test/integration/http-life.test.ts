/** Waiting, closing, starting again: the door in time. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import { createServer } from "node:http"
import { connect, type Socket } from "node:net"
import * as HttpDoor from "#layers/edge/HttpDoor.ts"
import * as Readiness from "#layers/edge/Readiness.ts"
import { Gateway } from "#src/gateway/Protocol.ts"
import { Actors } from "#src/ports/Actors.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"

/** How long an effect took, with what it gave. */
const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const before = yield* Clock.currentTimeMillis
    const value = yield* effect
    return [value, (yield* Clock.currentTimeMillis) - before] as const
  })

/** A write as bytes, for a connection that already carries one. */
const raw = (path: string, key: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${Kit.tokenOf("owner")}\r\n` +
  `Idempotency-Key: ${key}\r\nContent-Length: 0\r\n\r\n`

const written = (socket: Socket, text: string) =>
  Effect.promise(() => new Promise<void>((sent) => socket.write(text, () => sent())))

/** A door that is as ready as it is told. */
const judgedBy = (readiness: Layer.Layer<Readiness.Readiness>, limits: Partial<HttpDoor.Limits> = {}) =>
  Kit.caller.pipe(
    Layer.provideMerge(Kit.door({ limits })),
    Layer.provideMerge(Layer.mergeAll(Kit.identity, readiness)),
    Layer.provideMerge(World.make().layer),
    Layer.provideMerge(Logger.layer([]))
  )

const asked = Effect.fnUntraced(function* (key: string) {
  const { post } = yield* Kit.Caller
  const { sessionId } = (yield* post("/v1/sessions", { key })).json
  const body = { tool: "note", arguments: { text: key } }
  const { actionId, confirmationId } = (yield* post(`/v1/sessions/${sessionId}/actions`, { key: `${key}-a`, body }))
    .json
  return { sessionId, actionId, confirmationId } as {
    readonly [name in "sessionId" | "actionId" | "confirmationId"]: string
  }
})

describe("a long poll", () => {
  it.live("answers as soon as it is decided, and not before", () => {
    const { count, layer } = Kit.watched()
    return Effect.gen(function* () {
      const { get, post } = yield* Kit.Caller
      const { actionId, confirmationId } = yield* asked("lp")
      const poll = yield* Effect.forkChild(get(`/v1/confirmations/${confirmationId}?waitMillis=20000`))
      yield* count(`action:${actionId}`, 1)
      assert.isUndefined(poll.pollUnsafe())
      yield* post(`/v1/confirmations/${confirmationId}/deny`, { key: "lp-d" })
      const [answer, millis] = yield* timed(Fiber.join(poll))
      assert.strictEqual(answer.json.status, "Denied")
      assert.isBelow(millis, 10_000, "woken, not timed out")
      yield* count(`action:${actionId}`, 0)
    }).pipe(Effect.provide(Kit.doorOver(layer(World.make()))))
  })

  it.live("answers what stands when its time is over", () =>
    Effect.gen(function* () {
      const { get } = yield* Kit.Caller
      const { actionId } = yield* asked("lp")
      const [answer, millis] = yield* timed(get(`/v1/actions/${actionId}?waitMillis=120`))
      assert.strictEqual(answer.json.status, "Pending")
      assert.isAtLeast(millis, 115)
      assert.isBelow(millis, 5_000)
      const [, atOnce] = yield* timed(get(`/v1/actions/${actionId}?waitMillis=0`))
      assert.isBelow(atOnce, 1_000)
    }).pipe(Effect.provide(Kit.serve(World.make())))
  )

  it.live("ends with its caller's connection", () => {
    const { count, layer } = Kit.watched()
    return Effect.gen(function* () {
      const { port } = yield* Kit.Caller
      const { actionId } = yield* asked("lp")
      const aborted = new AbortController()
      const gone = Kit.send(port, "GET", `/v1/actions/${actionId}?waitMillis=20000`, {}, aborted.signal).then(
        () => "answered",
        () => "gone"
      )
      yield* count(`action:${actionId}`, 1)
      aborted.abort()
      assert.strictEqual(yield* Effect.promise(() => gone), "gone")
      yield* count(`action:${actionId}`, 0)
    }).pipe(Effect.provide(Kit.doorOver(layer(World.make()))))
  })
})

it.live("a connection on which nothing moves for too long is closed", () => {
  const { count, layer } = Kit.watched()
  return Effect.gen(function* () {
    const { port } = yield* Kit.Caller
    const { actionId } = yield* asked("st")
    const stuck = Kit.send(port, "GET", `/v1/actions/${actionId}?waitMillis=30000`, {}).then(
      () => "answered",
      () => "closed"
    )
    assert.strictEqual(yield* Effect.promise(() => stuck), "closed")
    yield* count(`action:${actionId}`, 0)
  }).pipe(Effect.provide(Kit.doorOver(layer(World.make()), { limits: { stallMillis: 150 } })))
})

describe("a closing door", () => {
  /** The door over ports that outlive it, so that only the door closes. */
  const opened = <A, E>(ports: Layer.Layer<A, E>, limits: Partial<HttpDoor.Limits> = {}) =>
    open(Kit.doorOver(ports, { limits }))
  const open = <A, E, R>(door: Layer.Layer<A, E, R>) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(door, scope)
      return { close: Scope.close(scope, Exit.void), context }
    })

  it.live("ends long polls with what they know, finishes what is in hand, and takes no more", () => {
    const { count, layer } = Kit.watched()
    const latch = Deferred.makeUnsafe<void>()
    const begun = [Deferred.makeUnsafe<void>(), Deferred.makeUnsafe<void>()] as const
    const created: Array<string> = []
    let touches = 0
    const held = Layer.effect(
      Gateway,
      Effect.map(Gateway, (gateway) => ({
        ...gateway,
        touchSession: (...args: Parameters<typeof gateway.touchSession>) =>
          Deferred.succeed(begun[touches++]!, undefined).pipe(
            Effect.andThen(Deferred.await(latch)),
            Effect.andThen(gateway.touchSession(...args))
          ),
        createSession: (...args: Parameters<typeof gateway.createSession>) => {
          created.push(args[1])
          return gateway.createSession(...args)
        }
      }))
    ).pipe(Layer.provideMerge(layer(World.make())))
    return Effect.gen(function* () {
      const { close, context } = yield* opened(held, { drainMillis: 20_000 })
      const { get, port, post } = Context.get(context, Kit.Caller)
      const { actionId, sessionId } = yield* asked("sd").pipe(Effect.provideContext(context))
      const poll = yield* Effect.forkChild(get(`/v1/actions/${actionId}?waitMillis=30000`))
      yield* count(`action:${actionId}`, 1)
      const inHand = yield* Effect.forkChild(post(`/v1/sessions/${sessionId}/touch`, { key: "sd-t" }))
      yield* Deferred.await(begun[0])
      const busy = connect(port, "127.0.0.1")
      const heard = new Promise<string>((resolve) => {
        let text = ""
        busy.on("data", (chunk: Buffer) => (text += chunk.toString()))
        busy.on("close", () => resolve(text))
      })
      yield* written(busy, raw(`/v1/sessions/${sessionId}/touch`, "sd-b"))
      yield* Deferred.await(begun[1])
      const idle = connect(port, "127.0.0.1")
      idle.on("error", () => undefined)
      const idleClosed = new Promise<void>((resolve) => idle.on("close", () => resolve()))
      yield* Effect.promise(() => new Promise<void>((resolve) => idle.on("connect", resolve)))

      const closing = yield* Effect.forkChild(timed(close))
      const polled = yield* Fiber.join(poll)
      assert.strictEqual(polled.json.status, "Pending")
      assert.strictEqual(polled.headers["connection"], "close")
      // A connection with a request in hand stays open; what comes over it now has no effect.
      yield* written(busy, raw("/v1/sessions", "late"))
      const refused = yield* Effect.flip(
        Effect.tryPromise({ try: () => Kit.send(port, "GET", "/health", {}), catch: (error) => error as Error })
      )
      assert.include(refused.message, "ECONNREFUSED")
      yield* Deferred.succeed(latch, undefined)
      assert.strictEqual((yield* Fiber.join(inHand)).status, 200)
      const [, millis] = yield* Fiber.join(closing)
      assert.isBelow(millis, 10_000)
      yield* Effect.promise(() => idleClosed)
      assert.match(yield* Effect.promise(() => heard), /^HTTP\/1\.1 200 /)
      assert.deepStrictEqual(created, ["sd"])
    })
  })

  it.live("is not ready, though every check passes, to whoever asked before it began to close", () => {
    const asked = Deferred.makeUnsafe<void>()
    const latch = Deferred.makeUnsafe<void>()
    const checks = [{ name: "store", ready: true, reason: null }]
    const slow = Layer.succeed(Readiness.Readiness, {
      report: Effect.as(Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(latch)), checks)
    })
    return Effect.gen(function* () {
      const { close, context } = yield* open(judgedBy(slow, { drainMillis: 20_000 }))
      const { get, port } = Context.get(context, Kit.Caller)
      const ready = yield* Effect.forkChild(get("/ready", { as: "nobody" }))
      yield* Deferred.await(asked)
      const closing = yield* Effect.forkChild(close)
      yield* Effect.eventually(Effect.flip(Effect.tryPromise(() => Kit.send(port, "GET", "/health", { as: "nobody" }))))
      yield* Deferred.succeed(latch, undefined)
      const answer = yield* Fiber.join(ready)
      assert.strictEqual(answer.status, 503)
      assert.deepInclude(answer.json, { ready: false, draining: true, checks })
      yield* Fiber.join(closing)
    })
  })

  it.live("gives up on what does not finish, within its time, and leaves no connection", () => {
    const begun = Deferred.makeUnsafe<void>()
    const never = Layer.effect(
      Gateway,
      Effect.map(Gateway, (gateway) => ({
        ...gateway,
        createSession: () => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)
      }))
    ).pipe(Layer.provideMerge(World.make().layer))
    return Effect.gen(function* () {
      const { close, context } = yield* opened(never, { drainMillis: 200 })
      const { get, port, post } = Context.get(context, Kit.Caller)
      const stuck = yield* Effect.forkChild(post("/v1/sessions", { key: "x" }))
      yield* Deferred.await(begun)
      const half = connect(port, "127.0.0.1")
      half.on("error", () => undefined)
      const halfClosed = new Promise<void>((resolve) => half.on("close", () => resolve()))
      yield* Effect.promise(
        () => new Promise<void>((sent) => half.write("POST /v1/sessions HTTP/1.1\r\nHost: local", () => sent()))
      )
      // Two more answers later the door has read what lay in the socket before them.
      for (const path of ["/health", "/ready"]) yield* get(path)
      const [, millis] = yield* timed(close)
      assert.isBelow(millis, 8_000)
      yield* Effect.promise(() => halfClosed)
      const answer = yield* Fiber.join(stuck)
      assert.deepInclude(answer.json, { status: 503, code: "Draining", retryable: true })
    })
  })
})

describe("an opening door", () => {
  it.live("says so where somebody else listens, and where it may not listen", () =>
    Effect.gen(function* () {
      const { port } = yield* Kit.Caller
      const taken = yield* Effect.flip(Effect.scoped(HttpDoor.make({ host: "127.0.0.1", port })))
      assert.strictEqual(taken._tag, "PortTaken")
      assert.strictEqual(
        taken.message,
        `port ${port} on 127.0.0.1 is in use; start with --port N or stop the other process`
      )
      const foreign = yield* Effect.flip(Effect.scoped(HttpDoor.make({ host: "203.0.113.1", port })))
      assert.strictEqual(foreign._tag, "AddressUnusable")
      assert.include(foreign.message, "can't listen on 203.0.113.1")
      // Whoever asks before anything is made hears the same.
      assert.deepStrictEqual(yield* Effect.flip(HttpDoor.probe({ host: "127.0.0.1", port })), taken)
      assert.deepStrictEqual(yield* Effect.flip(HttpDoor.probe({ host: "203.0.113.1", port })), foreign)
      yield* HttpDoor.probe({ host: "127.0.0.1", port: 0 })
    }).pipe(Effect.provide(Kit.serve(World.make())))
  )

  it.live("knows its address, and lets go of it when it closes", () =>
    Effect.gen(function* () {
      const port = yield* Effect.scoped(
        Effect.gen(function* () {
          const context = yield* Layer.build(Kit.serve(World.make()))
          const address = Context.get(context, HttpDoor.HttpAddress)
          assert.strictEqual(address.url, `http://127.0.0.1:${address.port}`)
          return address.port
        })
      )
      yield* Effect.promise(
        () =>
          new Promise<void>((resolve, reject) => {
            const server = createServer()
            server.on("error", reject)
            server.listen(port, "127.0.0.1", () => server.close(() => resolve()))
          })
      )
    })
  )
})

it.live("readiness names what is wrong, without saying how it is built", () => {
  let broken = true
  const checks = Readiness.layerChecks([
    { name: "store", check: Effect.suspend(() => (broken ? Effect.fail("Unavailable") : Effect.void)) },
    { name: "broken", check: Effect.void }
  ])
  return Effect.gen(function* () {
    const { get } = yield* Kit.Caller
    const unready = yield* get("/ready", { as: "nobody" })
    assert.strictEqual(unready.status, 503)
    assert.deepInclude(unready.json, { ready: false, draining: false })
    assert.deepStrictEqual(unready.json.checks[0], { name: "store", ready: false, reason: "Unavailable" })
    broken = false
    const ready = yield* Effect.eventually(
      Effect.flatMap(get("/ready", { as: "nobody" }), (answer) =>
        answer.status === 200 ? Effect.succeed(answer) : Effect.fail("not yet")
      )
    )
    assert.strictEqual(ready.json.ready, true)
    assert.strictEqual((yield* get("/health", { as: "nobody" })).status, 200)
  }).pipe(Effect.provide(judgedBy(checks)))
})

it.live("readiness says no while the actors stop, though every check passes", () => {
  const stopping = Layer.effect(
    Actors,
    Effect.map(Actors, (actors) => ({
      ...actors,
      status: Effect.map(actors.status, (status) => ({ ...status, draining: true }))
    }))
  )
  return Effect.gen(function* () {
    const { get } = yield* Kit.Caller
    const answer = yield* get("/ready", { as: "nobody" })
    assert.strictEqual(answer.status, 503)
    assert.deepInclude(answer.json, { ready: false, draining: true })
    assert.isTrue(answer.json.checks.every(({ ready }: { ready: boolean }) => ready))
  }).pipe(Effect.provide(Kit.doorOver(Layer.provideMerge(stopping, World.make().layer))))
})
