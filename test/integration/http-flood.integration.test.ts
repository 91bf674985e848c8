/**
 * What one caller's flood over HTTP costs the others: the real service and the flood in a process of their own each.
 * Needs no backend but PGlite.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { quantile } from "../../bench/kit/statistics.ts"
import * as Child from "#test/kit/Child.ts"
import type * as Flood from "#test/kit/floodProcess.ts"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const program = new URL("../kit/floodProcess.ts", import.meta.url).pathname
const connections = 16
const halts = 20
/**
 * Of the median halt, or so often what it takes when it is quiet, on a machine that is busy with other things too. Where
 * all that is sent on is begun at once, it takes half a minute (seen).
 */
const haltMillisMax = 250
const timesQuiet = 10
const haltMillisWorst = 10 * haltMillisMax

const requests = (token: string): { readonly [what: string]: string } => {
  const head = `HTTP/1.1\r\nHost: localhost\r\n`
  const own = `Authorization: Bearer ${token}\r\n`
  return {
    answered: `GET /v1/whoami ${head}${own}\r\n`,
    // Without `Connection: Upgrade` it is a request like any other.
    pretended: `GET /v1/whoami ${head}${own}Upgrade: x\r\n\r\n`,
    refused: `GET /v1/whoami ${head}\r\n`,
    written: `POST /v1/sessions ${head}${own}Idempotency-Key: one\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`
  }
}

it.live(
  `a halt is answered in time while one caller asks on ${connections} connections without waiting for answers`,
  () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      const service = yield* Effect.acquireRelease(
        Effect.promise(() => Service.start({ folder })),
        (service) => Effect.promise(() => service.kill())
      )
      const flood = yield* Child.start<Flood.Line>(program, [])
      const admitted = yield* Effect.promise(() =>
        service.post("/v1/principals", "flood", { principalId: "flood", kind: "AGENT" })
      )
      const port = Number(new URL(service.url).port)
      const halt = (key: string) =>
        Effect.promise(async () => {
          const before = performance.now()
          const { status } = await service.post("/v1/halt", key, { reason: "flood" })
          assert.strictEqual(status, 200)
          return performance.now() - before
        })
      const several = (name: string) =>
        Effect.map(
          Effect.forEach(Array.from({ length: halts }).keys(), (index) => halt(`${name}-${index}`)),
          (millis) => millis.toSorted((one, other) => one - other)
        )
      const maximum = Math.max(haltMillisMax, timesQuiet * quantile(yield* several("quiet"), 0.5))
      let came = 0
      for (const [what, request] of Object.entries(requests(String(admitted.body.token)))) {
        const visit: Flood.Visit = { port, connections, request }
        yield* flood.tell(JSON.stringify({ come: visit }))
        yield* flood.count(2 * came + 1)
        const millis = yield* several(what)
        yield* flood.tell(JSON.stringify({ leave: true }))
        yield* flood.count(2 * ++came)
        const { left } = flood.lines.at(-1) as { readonly left: Flood.Done }
        const seen = `${what}: halts of ${millis.map(Math.round).join(", ")} ms; ${JSON.stringify(left)}`
        assert.isBelow(quantile(millis, 0.5), maximum, seen)
        assert.isBelow(millis.at(-1)!, haltMillisWorst, seen)
      }
    }).pipe(Effect.scoped),
  120_000
)
