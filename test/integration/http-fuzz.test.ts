/** Whatever comes in, the door answers with what its description promises, and never with a bug. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"

/** A seeded stream of choices: a failure names its seed and runs again. */
const dice = (seed: string) => {
  let counter = 0
  let pool: Buffer = Buffer.alloc(0)
  const byte = (): number => {
    if (pool.length === 0) pool = createHash("sha512").update(`${seed}/${counter++}`).digest()
    const [first = 0] = pool
    pool = pool.subarray(1)
    return first
  }
  const below = (limit: number) => ((byte() << 16) | (byte() << 8) | byte()) % limit
  const pick = <A>(choices: ReadonlyArray<A>): A => choices[below(choices.length)]!
  return { byte, below, pick }
}
type Dice = ReturnType<typeof dice>

const words = [
  "title",
  "agentId",
  "ttlMillis",
  "idleMillis",
  "input",
  "tool",
  "arguments",
  "reason",
  "text",
  "sessionId",
  "__proto__",
  "constructor",
  "toString",
  "",
  "a/b",
  "look",
  "note",
  "pair",
  "owner",
  "\u0000",
  "\u{1f600}",
  "é",
  "null"
]

const value = (d: Dice, depth: number): unknown => {
  switch (d.below(depth > 4 ? 7 : 9)) {
    case 0:
      return null
    case 1:
      return d.below(2) === 0
    case 2:
      return d.pick([0, -0, 1, -1, 1.5, 1e21, 2 ** 53, -(2 ** 53) - 2, 60_000, 86_400_001, 5e-324])
    case 3:
    case 4:
      return d.pick(words)
    case 5:
      return "x".repeat(d.below(3_000))
    case 6:
      return String.fromCharCode(...Array.from({ length: d.below(20) }, () => d.below(0xd800)))
    case 7:
      return Array.from({ length: d.below(5) }, () => value(d, depth + 1))
    default:
      return Object.fromEntries(Array.from({ length: d.below(5) }, () => [d.pick(words), value(d, depth + 1)]))
  }
}

/** JSON, then perhaps damaged. */
const body = (d: Dice): Uint8Array => {
  const bytes = Buffer.from(JSON.stringify(value(d, d.below(3) === 0 ? 0 : 1)) ?? "")
  const object =
    d.below(2) === 0 ? bytes : Buffer.from(JSON.stringify(Object.fromEntries([[d.pick(words), value(d, 1)]])))
  for (let hits = d.below(4) === 0 ? d.below(4) : 0; hits > 0 && object.length > 0; hits--) {
    object[d.below(object.length)] = d.byte()
  }
  return d.below(10) === 0 ? object.subarray(0, d.below(object.length + 1)) : object
}

const headers = (d: Dice): { [name: string]: string } => {
  const some: { [name: string]: string } = {}
  if (d.below(4) > 0)
    some["idempotency-key"] = d.pick(["k1", "k2", '"k1"', "a b", '"', "x".repeat(201), `f${d.below(1e6)}`])
  if (d.below(6) === 0) some["x-correlation-id"] = d.pick(["c1", "a b", "x".repeat(201)])
  if (d.below(6) === 0)
    some["content-type"] = d.pick(["text/plain", "application/json; charset=utf-8", "multipart/form-data"])
  if (d.below(6) === 0) some["traceparent"] = d.pick(["00-0-0-0", `00-${"a".repeat(32)}-${"b".repeat(16)}-01`, "junk"])
  if (d.below(9) === 0) some["accept"] = d.pick(["text/html", "*/*;q=0", "application/xml"])
  return some
}

const queries = [
  "",
  "?",
  "?limit=1",
  "?limit=x",
  "?after=%F0%9F",
  "?after=aaaa",
  "?status=Open",
  "?a[b]=1",
  "?%",
  "?limit=1&limit=1",
  "?waitMillis=1"
]

layer(Kit.serve(World.make()), { excludeTestServices: true })("a thousand requests made up at random", (it) => {
  const run = (seed: string, count: number) =>
    Effect.gen(function* () {
      const { call, get, post } = yield* Kit.Caller
      const { sessionId } = (yield* post("/v1/sessions", { key: `${seed}-s` })).json
      const asked = (yield* post(`/v1/sessions/${sessionId}/actions`, {
        key: `${seed}-a`,
        body: { tool: "note", arguments: { text: "x" } }
      })).json
      const turn = (yield* post(`/v1/sessions/${sessionId}/turns`, { key: `${seed}-t`, body: { input: "x" } })).json
      const ids = { sessionId, actionId: asked.actionId, confirmationId: asked.confirmationId, turnId: turn.turnId }
      const d = dice(seed)
      const templates = Object.keys(Kit.description.paths)
      const seen = new Map<number, number>()
      for (let round = 0; round < count; round++) {
        const path = d
          .pick(templates)
          .replace(/\{(\w+)\}/g, (_, name: keyof typeof ids) =>
            d.below(5) === 0 ? encodeURIComponent(d.pick([...words, "ses_x", ids.turnId])) : ids[name]
          )
        const method = d.pick(["POST", "POST", "POST", "GET", "GET", "PUT", "DELETE", "PATCH", "HEAD"])
        const as = d.pick(["owner", "owner", "owner", "ana", "bob", "agent", "nobody"] as const)
        // Forgetting the session ends the game.
        if (path.endsWith("/erase") || path.endsWith("/close")) continue
        const answer = yield* call(method, path + d.pick(queries), {
          as,
          headers: headers(d),
          endless: path.endsWith("/stream"),
          ...(method === "POST" || d.below(3) === 0 ? { raw: body(d) } : {})
        })
        assert.isBelow(answer.status, 500, `${seed} round ${round}: ${method} ${path} ${answer.text}`)
        seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1)
      }
      assert.strictEqual((yield* get("/ready")).json.ready, true)
      assert.strictEqual((yield* get("/ready")).json.isolatedStreams, 0)
      for (const status of [200, 400, 401, 404, 405]) assert.isAbove(seen.get(status) ?? 0, 0, `no ${status} at all`)
    })

  for (const seed of ["door-1", "door-2"]) {
    it.effect(`are answered as described, none by a bug (${seed})`, () => run(seed, 500), 60_000)
  }
})
