/** What a request leaves behind: its trace and correlation in the journal, one line in the log, and no secret anywhere. */
import { assert, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import * as Spans from "#test/kit/spans.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"
import * as Sockets from "./socket-kit.ts"

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
const parent = "00f067aa0ba902b7"

layer(Kit.serve(World.make()), { excludeTestServices: true })("a command's events", (it) => {
  const created = Effect.fnUntraced(function* (key: string, headers: { readonly [name: string]: string }) {
    const { get, post } = yield* Kit.Caller
    const { sessionId } = (yield* post("/v1/sessions", { key, headers })).json
    return (yield* get(`/v1/events?stream=session:${sessionId}`)).json.items[0]
  })

  it.effect("carry the caller's trace, also where nothing is exported", () =>
    Effect.gen(function* () {
      const event = yield* created("t1", { traceparent: `00-${traceId}-${parent}-01` })
      assert.match(event.traceparent, new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`))
      assert.notInclude(event.traceparent, parent, "the span is ours; the caller's is its parent")
      const unsampled = yield* created("t2", { traceparent: `00-${traceId}-${parent}-00` })
      assert.match(unsampled.traceparent, new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`))
    })
  )

  it.effect("carry the trace and the correlation of a frame too", () =>
    Effect.gen(function* () {
      const { get } = yield* Kit.Caller
      const client = yield* Sockets.client()
      const command = { type: "session.create", id: "1", correlationId: "order-8" }
      const traced = yield* client.ask({ ...command, key: "w1", traceparent: `00-${traceId}-${parent}-01` })
      const first = (yield* get(`/v1/events?stream=session:${traced.body.sessionId}`)).json.items[0]
      assert.match(first.traceparent, new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`))
      assert.strictEqual(first.correlationId, "order-8")
      const zeros = yield* client.ask({ ...command, key: "w2", traceparent: `00-${"0".repeat(32)}-${parent}-01` })
      const own = (yield* get(`/v1/events?stream=session:${zeros.body.sessionId}`)).json.items[0]
      assert.match(own.traceparent, /^00-(?!0{32})[0-9a-f]{32}-/)
    }).pipe(Effect.scoped)
  )

  it.effect("begin a trace of their own where the caller's header is none", () =>
    Effect.gen(function* () {
      const traces = yield* Effect.forEach(
        ["", "junk", `00-${"0".repeat(32)}-${parent}-01`, `ff-${traceId}-${parent}-01`, `00-${traceId}-${parent}`],
        (traceparent, index) =>
          Effect.map(created(`j${index}`, { traceparent }), (event) => event.traceparent as string)
      )
      for (const trace of traces) assert.match(trace, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
      assert.strictEqual(new Set(traces).size, traces.length)
    })
  )

  it.effect("carry the correlation id that the caller named, else their command's", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* created("c1", { "x-correlation-id": "order-7" })).correlationId, "order-7")
      const own = yield* created("c2", {})
      assert.strictEqual(own.correlationId, own.commandId)
    })
  )
})

it.live("one line in the log says what happened, and no token, query, header or body", () => {
  const lines: Array<string> = []
  const log = Logger.layer([
    Logger.map(Logger.formatJson, (line) => {
      lines.push(line)
    })
  ])
  const secret = "canary-71c4"
  const { count, layer } = Kit.watched()
  const door = Kit.caller.pipe(
    Layer.provideMerge(Kit.door()),
    Layer.provideMerge(Kit.ready),
    Layer.provideMerge(layer(World.make())),
    Layer.provideMerge(Layer.mergeAll(log, Layer.succeed(References.MinimumLogLevel, "Trace")))
  )
  return Effect.gen(function* () {
    const { get, port, post } = yield* Kit.Caller
    const session = yield* post("/v1/sessions", { key: `key-${secret}`, body: { title: secret } })
    const { sessionId } = session.json
    const turn = yield* post(`/v1/sessions/${sessionId}/turns`, { key: "t", body: { input: `say ${secret}` } })
    yield* get(`${turn.headers["location"]!}?waitMillis=20000`)
    yield* post("/v1/sessions", { key: "x", raw: `{"title":"${secret}` })
    yield* post("/v1/sessions", { key: "y", body: { [secret]: secret } })
    yield* get(`/v1/sessions?${secret}=1`)
    yield* get(`/v1/sessions/${secret}`)
    yield* get("/v1/whoami", { headers: { "x-canary": secret } })
    const refused = yield* get("/v1/whoami", { as: "stranger" })
    const line = (requestId: string | undefined) =>
      lines.map((one) => JSON.parse(one)).find((one) => one.annotations?.requestId === requestId)
    assert.deepInclude(line(session.headers["x-request-id"]).annotations, {
      method: "POST",
      route: "/v1/sessions",
      status: 201,
      principal: "HUMAN:owner"
    })
    const started = line(turn.headers["x-request-id"])
    assert.deepInclude(started.annotations, { route: "/v1/sessions/:sessionId/turns", sessionId, status: 202 })
    assert.isNumber(started.annotations.durationMillis)
    const denied = line(refused.headers["x-request-id"])
    assert.deepInclude(denied.annotations, { status: 401, problem: "Unauthenticated" })
    assert.notProperty(denied.annotations, "principal")
    const probe = line((yield* get("/ready", { as: "nobody" })).headers["x-request-id"])
    assert.deepInclude(probe, { level: "DEBUG" })
    assert.strictEqual(probe.annotations.route, "/ready")
    const aborted = new AbortController()
    const asked = yield* post(`/v1/sessions/${sessionId}/actions`, {
      key: "a",
      body: { tool: "note", arguments: { text: secret } }
    })
    const path = `${asked.headers["location"]!}?waitMillis=20000`
    const left = Kit.send(port, "GET", path, {}, aborted.signal).catch(() => undefined)
    yield* count(`action:${asked.json.actionId}`, 1)
    aborted.abort()
    yield* Effect.promise(() => left)
    const gone = yield* Effect.eventually(
      Effect.suspend(() => {
        const found = lines.map((one) => JSON.parse(one)).find((one) => one.annotations?.status === 499)
        return found === undefined ? Effect.fail("not yet") : Effect.succeed(found)
      })
    )
    assert.strictEqual(gone.level, "INFO", "a caller that leaves is no failure of ours")
    const all = lines.join("\n")
    assert.notInclude(all, secret)
    for (const name of ["owner", "stranger"] as const) assert.notInclude(all, Kit.tokenOf(name))
  }).pipe(Effect.provide(door))
})

it.live("a line names who sent too much", () => {
  const lines: Array<string> = []
  const log = Logger.layer([Logger.map(Logger.formatJson, (line) => void lines.push(line))])
  const door = Kit.caller.pipe(
    Layer.provideMerge(Kit.door({ limits: { requestsPerSecondMax: 1 } })),
    Layer.provideMerge(Kit.ready),
    Layer.provideMerge(World.make().layer),
    Layer.provideMerge(log)
  )
  return Effect.gen(function* () {
    const { get } = yield* Kit.Caller
    const told = yield* Effect.repeat(get("/v1/whoami"), { until: ({ status }) => status === 429 })
    const line = lines
      .map((one) => JSON.parse(one))
      .find((one) => one.annotations?.requestId === told.headers["x-request-id"])
    assert.deepInclude(line.annotations, { problem: "LimitReached", principal: "HUMAN:owner" })
  }).pipe(Effect.provide(door))
})

it.live("a span per request holds no header and no body either", () => {
  const { spans, tracer } = Spans.recording()
  const secret = "canary-9e2a"
  return Effect.gen(function* () {
    const { get, post } = yield* Kit.Caller
    yield* post("/v1/sessions", {
      key: secret,
      body: { title: secret },
      headers: { traceparent: `00-${traceId}-${parent}-01` }
    })
    yield* get("/v1/whoami", { headers: { "x-canary": secret } })
    const server = spans.filter((span) => span.kind === "server")
    assert.isAtLeast(server.length, 2)
    assert.strictEqual(server[0]!.traceId, traceId)
    const told = JSON.stringify(spans.map((span) => [span.name, [...span.attributes]]))
    assert.notInclude(told, secret)
    assert.notInclude(told, Kit.tokenOf("owner"))
  }).pipe(Effect.provide(Kit.serve(World.make()).pipe(Layer.provide(Layer.succeed(Tracer.Tracer, tracer)))))
})
