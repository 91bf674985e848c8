/** Every door x every kind of caller x owner, agent or stranger of the thing, row by row as an auditor would write it down. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Frames from "#layers/edge/api/Frames.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"
import * as Sockets from "./socket-kit.ts"
import * as Streams from "./stream-kit.ts"

/** One session of the owner with a turn and a waiting action, to knock at. */
interface Things {
  readonly sessionId: string
  readonly turnId: string
  readonly actionId: string
  readonly confirmationId: string
  readonly keyId: string
  readonly farId: string
}

type Statuses = { readonly [N in Kit.Name]: number }

interface Row {
  readonly door: string
  readonly path: (things: Things) => string
  readonly body?: unknown
  readonly expected: Statuses
}

/** No token and an unknown token are refused at every door of `/v1`, before anything else is looked at. */
const shut = { nobody: 401, stranger: 401 }

const row = (door: string, path: Row["path"], expected: Omit<Statuses, keyof typeof shut>, body?: unknown): Row => ({
  door,
  path,
  expected: { ...shut, ...expected },
  ...(body === undefined ? {} : { body })
})

const everyone = (status: number) => ({ owner: status, ana: status, bob: status, agent: status, robot: status })

const rows: ReadonlyArray<Row> = [
  row("POST /v1/sessions", () => "/v1/sessions", { ...everyone(201), agent: 403, robot: 403 }),
  row("GET /v1/sessions", () => "/v1/sessions", { ...everyone(200), agent: 403, robot: 403 }),
  row("GET /v1/sessions/{id}", (t) => `/v1/sessions/${t.sessionId}`, { ...everyone(404), owner: 200, agent: 200 }),
  row("POST /v1/sessions/{id}/touch", (t) => `/v1/sessions/${t.sessionId}/touch`, {
    ...everyone(404),
    owner: 200,
    agent: 200
  }),
  row("GET /v1/sessions/{id}/turns", (t) => `/v1/sessions/${t.sessionId}/turns`, {
    ...everyone(404),
    owner: 200,
    agent: 200
  }),
  row("GET /v1/turns/{id}", (t) => `/v1/turns/${t.turnId}`, { ...everyone(404), owner: 200, agent: 200 }),
  row("POST /v1/turns/{id}/cancel", (t) => `/v1/turns/${t.turnId}/cancel`, {
    ...everyone(404),
    owner: 409,
    agent: 403
  }),
  row(
    "POST /v1/sessions/{id}/actions",
    (t) => `/v1/sessions/${t.sessionId}/actions`,
    { ...everyone(404), owner: 201, agent: 201 },
    { tool: "look", arguments: { text: "x" } }
  ),
  row("GET /v1/actions", () => "/v1/actions", { ...everyone(200), agent: 403, robot: 403 }),
  row("GET /v1/actions?sessionId", (t) => `/v1/actions?sessionId=${t.sessionId}`, {
    ...everyone(404),
    owner: 200,
    agent: 200
  }),
  row("GET /v1/actions/{id}", (t) => `/v1/actions/${t.actionId}`, {
    ...everyone(404),
    owner: 200,
    ana: 200,
    agent: 200
  }),
  row("GET /v1/confirmations", () => "/v1/confirmations", { ...everyone(200), agent: 403, robot: 403 }),
  row("GET /v1/confirmations/{id}", (t) => `/v1/confirmations/${t.confirmationId}`, {
    ...everyone(404),
    owner: 200,
    ana: 200,
    agent: 200
  }),
  row("POST /v1/confirmations/{id}/withdraw", (t) => `/v1/confirmations/${t.confirmationId}/withdraw`, {
    ...everyone(404),
    ana: 403,
    agent: 403,
    owner: 200
  }),
  row("POST /v1/confirmations/{id}/deny", (t) => `/v1/confirmations/${t.confirmationId}/deny`, {
    ...everyone(404),
    owner: 409,
    ana: 409,
    agent: 403
  }),
  row("POST /v1/confirmations/{id}/approve", (t) => `/v1/confirmations/${t.confirmationId}/approve`, {
    ...everyone(404),
    owner: 409,
    ana: 409,
    agent: 403
  }),
  row("GET /v1/events", () => "/v1/events", { ...everyone(403), owner: 200 }),
  // No handshake: who would be let in is asked for one. What WebSockets take from whom: the second table.
  row("GET /v1/socket", () => "/v1/socket", everyone(426)),
  row("GET /v1/counters", () => "/v1/counters", { ...everyone(403), owner: 200 }),
  row("GET /v1/metrics", () => "/v1/metrics", { ...everyone(403), owner: 200 }),
  row("GET /metrics", () => "/metrics", { ...everyone(403), owner: 200 }),
  row(
    "POST /v1/principals",
    () => "/v1/principals",
    { ...everyone(403), owner: 201 },
    { principalId: "newcomer", kind: "HUMAN" }
  ),
  row("GET /v1/principals", () => "/v1/principals", everyone(200)),
  // Bob is a principal of the journal too: of itself, a principal may look and replace its keys.
  row("GET /v1/principals/{id}", () => "/v1/principals/bob", { ...everyone(404), bob: 200, owner: 200 }),
  row("POST /v1/principals/{id}/keys", () => "/v1/principals/bob/keys", { ...everyone(404), bob: 201, owner: 201 }),
  row(
    "POST /v1/principals/{id}/roles",
    () => "/v1/principals/bob/roles",
    { ...everyone(404), bob: 403, owner: 200 },
    { roles: [] }
  ),
  row("POST /v1/principals/{id}/keys/{id}/revoke", (t) => `/v1/principals/bob/keys/${t.keyId}/revoke`, {
    ...everyone(404),
    bob: 200,
    owner: 404
  }),
  row("POST /v1/principals/{id}/disable", () => "/v1/principals/bob/disable", {
    ...everyone(404),
    bob: 403,
    owner: 200
  }),
  row("POST /v1/principals/{id}/enable", () => "/v1/principals/bob/enable", { ...everyone(404), bob: 403, owner: 200 }),
  row(
    "POST /v1/tools",
    () => "/v1/tools",
    { ...everyone(403), owner: 201, robot: 201 },
    { name: "remote", description: "", inputSchema: Kit.remoteSchema, executorId: "robot" }
  ),
  // The robot runs the tool `far`; the session's agent proposed with it, a person approved.
  row("POST /v1/actions/{id}/claim", (t) => `/v1/actions/${t.farId}/claim`, {
    ...everyone(404),
    robot: 200,
    agent: 403,
    ana: 403,
    owner: 403
  }),
  row(
    "POST /v1/actions/{id}/heartbeat",
    (t) => `/v1/actions/${t.farId}/heartbeat`,
    { ...everyone(404), robot: 409, agent: 403, ana: 403, owner: 403 },
    { claimId: `clm_${"0".repeat(26)}` }
  ),
  row(
    "POST /v1/actions/{id}/outcome",
    (t) => `/v1/actions/${t.farId}/outcome`,
    { ...everyone(404), robot: 409, agent: 403, ana: 403, owner: 403 },
    { claimId: `clm_${"0".repeat(26)}`, outcome: "Executed" }
  ),
  row(
    "POST /v1/actions/{id}/reconcile",
    (t) => `/v1/actions/${t.farId}/reconcile`,
    { ...everyone(404), robot: 403, agent: 403, ana: 409, owner: 409 },
    { outcome: "Failed", note: "looked" }
  ),
  row("GET /v1/actions?executorId", () => "/v1/actions?executorId=robot", { ...everyone(403), robot: 200 }),
  row("POST /v1/tools/{id}/withdraw", () => "/v1/tools/far/withdraw", { ...everyone(404), robot: 200, owner: 409 }),
  row("GET /v1/halt", () => "/v1/halt", everyone(200)),
  row("POST /v1/halt", () => "/v1/halt", { ...everyone(403), owner: 200 }, { reason: "drill" }),
  row("POST /v1/resume", () => "/v1/resume", { ...everyone(403), owner: 200 }, { reason: "over" }),
  row("GET /v1/policy", () => "/v1/policy", { ...everyone(200), agent: 403, robot: 403 }),
  row("GET /v1/whoami", () => "/v1/whoami", everyone(200)),
  row("GET /v1/tools", () => "/v1/tools", everyone(200)),
  row(
    "POST /v1/sessions/{id}/turns",
    (t) => `/v1/sessions/${t.sessionId}/turns`,
    { ...everyone(404), owner: 202, agent: 403 },
    { input: "hello" }
  ),
  row("POST /v1/sessions/{id}/close", (t) => `/v1/sessions/${t.sessionId}/close`, {
    ...everyone(404),
    owner: 200,
    agent: 403
  }),
  row("POST /v1/sessions/{id}/erase", (t) => `/v1/sessions/${t.sessionId}/erase`, {
    ...everyone(404),
    owner: 200,
    agent: 403
  })
]

/** Those that do not end where they are let in: knocked at, and left. */
const streams: ReadonlyArray<Row> = [
  row("GET /v1/events/stream", () => "", { ...everyone(403), owner: 200 }),
  row("GET /v1/events/stream?sessionId", (t) => `?sessionId=${t.sessionId}`, {
    ...everyone(404),
    owner: 200,
    agent: 200
  }),
  row("GET /v1/events/stream?executorId", () => "?executorId=robot", { ...everyone(403), robot: 200 })
]

/** The frame of a WebSocket that does what a door does. */
const frames: {
  readonly [Type in Frames.CommandType | Frames.QuestionType | "subscribe" | "work.subscribe"]: string
} = {
  "session.create": "POST /v1/sessions",
  "session.touch": "POST /v1/sessions/{id}/touch",
  "session.close": "POST /v1/sessions/{id}/close",
  "session.erase": "POST /v1/sessions/{id}/erase",
  "session.get": "GET /v1/sessions/{id}",
  subscribe: "GET /v1/sessions/{id}",
  "work.subscribe": "GET /v1/actions?executorId",
  "turn.start": "POST /v1/sessions/{id}/turns",
  "turn.cancel": "POST /v1/turns/{id}/cancel",
  "turn.get": "GET /v1/turns/{id}",
  "action.propose": "POST /v1/sessions/{id}/actions",
  "action.claim": "POST /v1/actions/{id}/claim",
  "action.heartbeat": "POST /v1/actions/{id}/heartbeat",
  "action.outcome": "POST /v1/actions/{id}/outcome",
  "action.reconcile": "POST /v1/actions/{id}/reconcile",
  "action.get": "GET /v1/actions/{id}",
  "confirmation.approve": "POST /v1/confirmations/{id}/approve",
  "confirmation.deny": "POST /v1/confirmations/{id}/deny",
  "confirmation.withdraw": "POST /v1/confirmations/{id}/withdraw",
  "confirmation.get": "GET /v1/confirmations/{id}",
  "tool.declare": "POST /v1/tools",
  "tool.withdraw": "POST /v1/tools/{id}/withdraw",
  "halt.get": "GET /v1/halt"
}

/** What a frame of that type is about: what its door has in the path. */
const about = (type: keyof typeof frames, path: string): object => {
  const [, , kind = "", id = ""] = path.split("/")
  if (type === "subscribe") return { sessionId: id }
  if (type === "work.subscribe") return { executorId: path.split("=")[1] }
  const name = kind === "tools" ? "name" : `${kind.slice(0, -1)}Id`
  return id === "" ? {} : { params: { [name]: id } }
}

/** The owner last, since it may change what the others knock at. */
const callers: ReadonlyArray<Kit.Name> = ["nobody", "stranger", "robot", "bob", "agent", "ana", "owner"]

/** What is knocked at. */
const prepare = Effect.gen(function* () {
  const { get, post } = yield* Kit.Caller
  const { sessionId } = (yield* post("/v1/sessions", { key: "s", body: { title: "the owner's" } })).json
  const { turnId } = (yield* post(`/v1/sessions/${sessionId}/turns`, { key: "t", body: { input: "hello" } })).json
  yield* get(`/v1/turns/${turnId}?waitMillis=20000`)
  const { actionId, confirmationId } = (yield* post(`/v1/sessions/${sessionId}/actions`, {
    key: "a",
    body: { tool: "note", arguments: { text: "x" } }
  })).json
  const { keyId } = (yield* post("/v1/principals", { key: "p", body: { principalId: "bob", kind: "HUMAN" } })).json
  const far = { name: "far", description: "", inputSchema: Kit.remoteSchema }
  yield* post("/v1/tools", { as: "robot", key: "far", body: far })
  const asked = yield* post(`/v1/sessions/${sessionId}/actions`, {
    as: "agent",
    key: "far",
    body: { tool: "far", arguments: { text: "x" } }
  })
  const farId = asked.json.actionId
  yield* post(`/v1/confirmations/${asked.json.confirmationId}/approve`, { key: "far" })
  return { sessionId, turnId, actionId, confirmationId, keyId, farId } as Things
})

/** What was seen, a line for each door: an auditor reads it beside what was expected. */
const printed = (title: string, seen: ReadonlyArray<readonly [door: string, statuses: ReadonlyArray<number>]>) => {
  const line = (door: string, cells: ReadonlyArray<string | number>) =>
    `${door.padEnd(44)}${cells.map((cell) => String(cell).padStart(9)).join("")}`
  console.log([title, line("", callers), ...seen.map(([door, statuses]) => line(door, statuses))].join("\n"))
}

layer(Layer.fresh(Kit.serve(World.make())), { excludeTestServices: true })("the doors of /v1", (it) => {
  it.effect("open to exactly whom the law lets in", () =>
    Effect.gen(function* () {
      const { call } = yield* Kit.Caller
      const things = yield* prepare
      const seen: Array<readonly [string, ReadonlyArray<number>]> = []
      for (const { body, door, expected, path } of rows) {
        const [method = ""] = door.split(" ")
        const statuses = yield* Effect.forEach(callers, (as) =>
          Effect.map(
            call(method, path(things), {
              as,
              ...(method === "GET" ? {} : { key: `${door.replaceAll(" ", "")}-${as}` }),
              ...(body === undefined ? {} : { body })
            }),
            ({ status, text }) => {
              assert.strictEqual(status, expected[as], `${door} as ${as}: ${text}`)
              return status
            }
          )
        )
        seen.push([door, statuses])
      }
      printed("door x caller: the status that was expected and seen", seen)
    })
  )

  it.effect("are all in that table", () =>
    Effect.sync(() => {
      const known = new Set([...rows, ...streams].map(({ door }) => door.split("?")[0]))
      const served = Object.entries(Kit.description.paths).flatMap(([path, methods]) =>
        Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace(/\{[^}]+\}/g, "{id}")}`)
      )
      const open = ["GET /health", "GET /ready"]
      assert.deepStrictEqual(
        served.filter((door) => !known.has(door)),
        open
      )
    })
  )

  it.effect("say the same about what is not there and what is not the caller's", () =>
    Effect.gen(function* () {
      const { get, post } = yield* Kit.Caller
      const { sessionId } = (yield* post("/v1/sessions", { key: "hidden" })).json
      const foreign = yield* get(`/v1/sessions/${sessionId}`, { as: "bob" })
      const missing = yield* get(`/v1/sessions/ses_${"0".repeat(26)}`, { as: "bob" })
      const blank = ({ json }: Kit.Answer) => ({ ...json, id: "", detail: "", instance: "" })
      assert.deepStrictEqual(blank(foreign), blank(missing))
    })
  )
})

layer(Layer.fresh(Kit.serve(World.make())), { excludeTestServices: true })("the stream of events", (it) => {
  it.effect("opens to exactly whom the law lets in", () =>
    Effect.gen(function* () {
      const things = yield* prepare
      const seen: Array<readonly [string, ReadonlyArray<number>]> = []
      for (const { door, expected, path } of streams) {
        const statuses: Array<number> = []
        for (const as of callers) {
          const { status } = yield* Effect.scoped(Streams.following(path(things), { as }))
          assert.strictEqual(status, expected[as], `${door} as ${as}`)
          statuses.push(status)
        }
        seen.push([door, statuses])
      }
      printed("stream x caller: the status that was expected and seen", seen)
    })
  )
})

layer(Layer.fresh(Kit.serve(World.make())), { excludeTestServices: true })("the frames of a WebSocket", (it) => {
  it.effect("are taken from exactly whom their doors let in", () =>
    Effect.gen(function* () {
      const things = yield* prepare
      const seen: Array<readonly [string, ReadonlyArray<number>]> = []
      const inside = callers.filter((as) => as !== "nobody" && as !== "stranger")
      const clients = new Map<Kit.Name, Sockets.Client>()
      for (const as of inside) clients.set(as, yield* Sockets.client({ as }))
      for (const as of ["nobody", "stranger"] as const) {
        assert.strictEqual((yield* Sockets.refused({ as })).status, 401)
      }
      for (const { body, door, expected, path } of rows) {
        for (const [type, same] of Object.entries(frames)) {
          if (same !== door) continue
          const statuses: Array<number> = [401, 401]
          for (const as of inside) {
            const key = type.endsWith(".get") || type.endsWith("subscribe") ? {} : { key: `${type}-${as}` }
            const frame = { type, id: type, ...key, ...about(type as keyof typeof frames, path(things)) }
            const told = yield* clients.get(as)!.ask({ ...frame, ...(body === undefined ? {} : { body }) })
            const status = told.type === "answer" ? expected[as] : told.problem.status
            assert.strictEqual(status, expected[as], `${type} as ${as}: ${JSON.stringify(told)}`)
            assert.strictEqual(told.type === "answer", expected[as] < 300, `${type} as ${as}: ${JSON.stringify(told)}`)
            statuses.push(status)
          }
          seen.push([type, statuses])
        }
      }
      printed("frame x caller: as its door by HTTP, expected and seen", seen)
      assert.sameMembers(
        seen.map(([type]) => type),
        Object.keys(Frames.asked).filter((type) => type !== "ping" && !type.endsWith("unsubscribe"))
      )
    }).pipe(Effect.scoped)
  )
})
