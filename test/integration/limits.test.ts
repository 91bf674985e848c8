/** Every limit of the gateway at its edge: the last wish that fits, the first that does not, and what makes room. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"

const refused = ({ headers, json, status }: Kit.Answer, limit: string, maximum: number) => {
  assert.strictEqual(status, 429)
  assert.deepInclude(json, { code: "LimitReached", limit, maximum, retryable: true })
  assert.strictEqual(headers["retry-after"], "1")
}

const open = Effect.fnUntraced(function* (key: string) {
  const { post } = yield* Kit.Caller
  return yield* post("/v1/sessions", { key })
})

const note = (sessionId: string, key: string) =>
  Effect.flatMap(Kit.Caller, ({ post }) =>
    post(`/v1/sessions/${sessionId}/actions`, { key, body: { tool: "note", arguments: { text: key } } })
  )

const over = (settings: NonNullable<Parameters<typeof World.make>[0]>["settings"]) =>
  Layer.fresh(Kit.serve(World.make(settings === undefined ? {} : { settings })))

describe("a limit", () => {
  it.live("of open sessions per principal is met, and one that closes makes room", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const first = yield* open("one")
      assert.strictEqual((yield* open("two")).status, 201)
      refused(yield* open("three"), "sessionsPerPrincipal", 2)
      yield* post(`/v1/sessions/${first.json.sessionId}/close`, { key: "close" })
      assert.strictEqual((yield* open("three")).status, 201, "the very same wish")
    }).pipe(Effect.provide(over({ sessionsPerPrincipalMax: 2 })))
  )

  it.live("of waiting actions, per session and in all, is met, and a decision makes room", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const { sessionId } = (yield* open("one")).json
      const other = (yield* open("two")).json.sessionId
      const first = yield* note(sessionId, "a")
      assert.strictEqual((yield* note(sessionId, "b")).status, 201)
      refused(yield* note(sessionId, "c"), "confirmationsPendingPerSession", 2)
      assert.strictEqual((yield* note(other, "d")).status, 201)
      refused(yield* note(other, "e"), "confirmationsPending", 3)
      yield* post(`/v1/confirmations/${first.json.confirmationId}/deny`, { key: "no" })
      assert.strictEqual((yield* note(other, "e")).status, 201)
    }).pipe(Effect.provide(over({ confirmationsPendingMax: 3, confirmationsPendingPerSessionMax: 2 })))
  )

  it.live("of turns that run in a session is met, and one that ends makes room", () =>
    Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const { sessionId } = (yield* open("one")).json
      // Each waits for a person.
      const start = (key: string) =>
        post(`/v1/sessions/${sessionId}/turns`, { key, body: { input: 'call note {"text":"x"}' } })
      const first = yield* start("a")
      assert.strictEqual((yield* start("b")).status, 202)
      refused(yield* start("c"), "turnsPerSession", 2)
      yield* post(`/v1/turns/${first.json.turnId}/cancel`, { key: "cancel" })
      assert.strictEqual((yield* start("c")).status, 202)
    }).pipe(Effect.provide(over({ turnsPerSessionMax: 2 })))
  )

  it.live("of requests per second is one principal's own: others are served, and so is it once it slows down", () =>
    Effect.gen(function* () {
      const { get } = yield* Kit.Caller
      const many = yield* Effect.forEach(Array.from({ length: 30 }).keys(), () => get("/v1/whoami"), {
        concurrency: "unbounded"
      })
      const served = many.filter(({ status }) => status === 200)
      const told = many.filter(({ status }) => status !== 200)
      assert.isAtLeast(served.length, 10)
      assert.isAtLeast(told.length, 1)
      for (const answer of told) refused(answer, "requestsPerSecond", 10)
      assert.strictEqual((yield* get("/v1/whoami", { as: "bob" })).status, 200)
      const again = yield* Effect.forkChild(Effect.repeat(get("/v1/whoami"), { until: ({ status }) => status === 200 }))
      assert.strictEqual((yield* Fiber.join(again)).status, 200)
    }).pipe(Effect.provide(Layer.fresh(Kit.serve(World.make(), { limits: { requestsPerSecondMax: 10 } }))))
  )
})
