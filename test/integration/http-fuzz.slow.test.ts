/** Thousands of requests made up from the description of the API, over every route: no bug, and every answer as described. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FromSchema from "#test/kit/fromSchema.ts"
import * as SeededScheduler from "#test/kit/seededScheduler.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"

const requests = Number(process.env["KEELSON_FUZZ_REQUESTS"] ?? 6_000)
const seed = Number(process.env["KEELSON_FUZZ_SEED"] ?? 1)

const document = JSON.parse(JSON.stringify(Kit.description))

const operations = Object.entries<any>(document.paths).flatMap(([path, methods]) =>
  Object.entries<any>(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation }))
)

const callers = ["owner", "owner", "owner", "ana", "bob", "agent", "robot", "nobody"] as const

/** Things to talk about, fresh ones every while: some are closed, some forgotten, some decided by then. */
const things = Effect.fnUntraced(function* (key: string) {
  const { post } = yield* Kit.Caller
  const { sessionId } = (yield* post("/v1/sessions", { key: `${key}-s` })).json
  const asked = (yield* post(`/v1/sessions/${sessionId}/actions`, {
    key: `${key}-a`,
    body: { tool: "note", arguments: { text: "x" } }
  })).json
  const turn = (yield* post(`/v1/sessions/${sessionId}/turns`, { key: `${key}-t`, body: { input: "x" } })).json
  const stranger = { principalId: `p-${key}`, kind: "HUMAN" }
  const { keyId, principalId } = (yield* post("/v1/principals", { key: `${key}-p`, body: stranger })).json
  return [sessionId, asked.actionId, asked.confirmationId, turn.turnId, principalId, keyId].filter(
    (id) => typeof id === "string"
  )
})

layer(Kit.serve(World.make(), { limits: { requestsPerSecondMax: 1_000_000 } }), { excludeTestServices: true })(
  `${requests} requests made up from the description (KEELSON_FUZZ_REQUESTS, KEELSON_FUZZ_SEED)`,
  (it) => {
    it.effect(
      "are answered as it says, over every route, none by a bug",
      () =>
        Effect.gen(function* () {
          const { call, get, post } = yield* Kit.Caller
          const chance = SeededScheduler.chance(seed)
          const vocabulary = [
            "note",
            "look",
            "far",
            "owner",
            "bob",
            "robot",
            "hello",
            "k1",
            "a".repeat(64),
            `clm_${"0".repeat(26)}`
          ]
          let words: ReadonlyArray<string> = vocabulary
          const seen = new Map<string, Map<number, number>>()
          for (let round = 0; round < requests; round++) {
            if (round % 200 === 0) {
              // Nobody has stopped everything for good.
              yield* post("/v1/resume", { key: `resume-${round}`, body: {} })
              words = [...vocabulary, ...(yield* things(`things-${round}`))]
            }
            const { method, operation, path } = operations[round % operations.length]!
            const options = { root: document, words, chance }
            const parameters = (place: string) =>
              (operation.parameters ?? []).filter((parameter: any) => parameter.in === place)
            const made = (parameter: any) => encodeURIComponent(String(FromSchema.value(parameter.schema, options)))
            const filled = parameters("path").reduce(
              (text: string, parameter: any) => text.replace(`{${parameter.name}}`, made(parameter)),
              path
            )
            const query = parameters("query")
              .filter(() => chance() < 0.4)
              .map((parameter: any) => `${parameter.name}=${chance() < 0.9 ? made(parameter) : "%00"}`)
              // A long poll is long.
              .filter((part: string) => !part.startsWith("waitMillis"))
            const schema = operation.requestBody?.content["application/json"]?.schema
            const whole = schema === undefined ? undefined : FromSchema.value(schema, options)
            const body = schema !== undefined && chance() < 0.3 ? FromSchema.damaged(whole, chance) : whole
            const answer = yield* call(method, query.length === 0 ? filled : `${filled}?${query.join("&")}`, {
              as: FromSchema.pick(chance, callers),
              // Where it is let in, it does not end; what it tells is in `http-stream.test.ts`.
              endless: path === "/v1/events/stream",
              ...(method === "POST" && chance() < 0.95 ? { key: `${chance() < 0.1 ? "again" : round}` } : {}),
              ...(body === undefined ? {} : { body })
            })
            const where = `seed ${seed} round ${round}: ${method} ${filled} ${JSON.stringify(body)} ${answer.text}`
            assert.isBelow(answer.status, 500, where.slice(0, 2_000))
            const statuses = seen.get(`${method} ${path}`) ?? new Map<number, number>()
            seen.set(`${method} ${path}`, statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1))
          }
          assert.strictEqual(seen.size, operations.length)
          // A route whose requests never get past their reading was not tried.
          const read = new Set([403, 409, 422, 423])
          const unread = [...seen].filter(
            ([, statuses]) => ![...statuses.keys()].some((status) => status < 300 || read.has(status))
          )
          assert.deepStrictEqual(
            unread.map(([route]) => route),
            ["GET /v1/socket"]
          )
          const done = [...seen].filter(([, statuses]) => [...statuses.keys()].some((status) => status < 300)).length
          console.log(`${requests} requests, ${seen.size} routes, ${done} of them let through at least once`)
          assert.strictEqual((yield* get("/ready")).json.isolatedStreams, 0)
        }),
      240_000
    )
  }
)
