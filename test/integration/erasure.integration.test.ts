/**
 * A planted text walked through every door, the data folder, and the log: visible before the erasure, nowhere after.
 */
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as PgliteEventStore from "#layers/event-store/PgliteEventStore.ts"
import * as Layer from "effect/Layer"
import * as Canary from "#test/kit/canary.ts"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const word = "Quetzalcoatlus-4711-ébène"

/** Says the word in every way that the gateway takes words. */
const speak = async (service: Service.Service) => {
  mkdirSync(service.workspace, { recursive: true })
  const session = await service.post("/v1/sessions", "s", { title: `about ${word}` })
  const sessionId: string = session.body.sessionId
  const propose = (key: string, path: string) =>
    service.post(`/v1/sessions/${sessionId}/actions`, key, {
      tool: "file.write",
      arguments: { path, content: word, mode: "replace" }
    })
  const approved = await propose("p1", "one.txt")
  await service.post(`/v1/confirmations/${approved.body.confirmationId}/approve`, "a1", {
    arguments: { path: "one.txt", content: `edited ${word}`, mode: "replace" }
  })
  await service.get(`/v1/actions/${approved.body.actionId}?waitMillis=10000`)
  const denied = await propose("p2", "two.txt")
  await service.post(`/v1/confirmations/${denied.body.confirmationId}/deny`, "d1", { reason: `not ${word}` })
  const withdrawn = await propose("p3", "three.txt")
  await service.post(`/v1/confirmations/${withdrawn.body.confirmationId}/withdraw`, "w1", { reason: `no ${word}` })
  writeFileSync(join(service.workspace, "input.txt"), `from a file: ${word}`)
  const turn = await service.post(`/v1/sessions/${sessionId}/turns`, "t1", {
    input: `read input.txt\nsay I read {{1}} and ${word}`
  })
  await service.get(`/v1/turns/${turn.body.turnId}?waitMillis=20000`)
  const invalid = await propose("p4", `../${word}`)
  return { sessionId, turnId: String(turn.body.turnId), actions: [approved, denied, withdrawn, invalid] }
}

/** Everything that every reading door says, and every recorded answer again. */
const listen = async (service: Service.Service, spoken: Awaited<ReturnType<typeof speak>>) => {
  const { sessionId, turnId, actions } = spoken
  const paths = [
    "/v1/sessions",
    `/v1/sessions/${sessionId}`,
    `/v1/sessions/${sessionId}/turns`,
    `/v1/turns/${turnId}`,
    "/v1/actions",
    ...actions.map(({ body }) => `/v1/actions/${body.actionId}`),
    ...["Pending", "Approved", "Denied", "Withdrawn"].map((status) => `/v1/confirmations?status=${status}`),
    "/v1/events?limit=200",
    "/v1/counters",
    "/ready",
    "/health"
  ]
  const read = await Promise.all(paths.map((path) => service.get(path)))
  const repeated = [
    await service.post("/v1/sessions", "s", { title: `about ${word}` }),
    await service.post(`/v1/sessions/${sessionId}/close`, "c1", { reason: "over" })
  ]
  return [...read, ...repeated].map(({ status, body }) => `${status} ${JSON.stringify(body)}`)
}

const vacuum = (folder: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient
    for (const statement of ["VACUUM FULL", "CHECKPOINT"]) yield* sql.unsafe(statement).unprepared
  }).pipe(
    Effect.provide(
      PgliteEventStore.layer({ folder: join(folder, "data/journal") }).pipe(Layer.provide(NodeDigest.layer))
    )
  )

describe("an erased session", () => {
  it.live(
    "leaves its words at no door, in no file of the data folder, and in no log",
    () =>
      Effect.gen(function* () {
        const folder = yield* TemporaryFolder.make
        const log = yield* Effect.promise(() =>
          Service.using({ folder }, async (service) => {
            const spoken = await speak(service)
            const before = await listen(service, spoken)
            assert.isAbove(
              before.filter((text) => text.includes(word)).length,
              8,
              "the doors show words before the erasure"
            )
            const erased = await service.post(`/v1/sessions/${spoken.sessionId}/erase`, "e1", {})
            assert.strictEqual(erased.status, 200, JSON.stringify(erased.body))
            const again = await service.post(`/v1/sessions/${spoken.sessionId}/erase`, "e1", {})
            assert.strictEqual(again.body.status, "Erased")
            const after = await listen(service, spoken)
            for (const text of after) assert.notInclude(text, word)
            assert.isAbove(after.filter((text) => text.includes('"redacted":true')).length, 4)
            await service.stop()
            return service.log()
          })
        )
        yield* vacuum(folder)
        const data = join(folder, "data")
        writeFileSync(join(data, "service.log"), log)
        assert.deepStrictEqual(yield* Effect.promise(async () => Canary.find(word, data)), [])
        appendFileSync(join(data, "service.log"), JSON.stringify({ said: word }))
        assert.lengthOf(yield* Effect.promise(async () => Canary.find(word, data)), 1, "the search can find it")
        yield* Effect.promise(() =>
          Service.using({ folder }, async (service) => {
            const events = await service.get("/v1/events?limit=200")
            assert.notInclude(JSON.stringify(events.body), word)
            assert.include(JSON.stringify(events.body), '"redacted":true')
          })
        )
      }),
    180_000
  )
})
