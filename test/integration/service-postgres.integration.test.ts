/** The same service on PostgreSQL, and two processes of it on one journal. */
import * as Redacted from "effect/Redacted"
import pg from "pg"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Postgres from "#test/kit/postgres.ts"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const server = await Postgres.server()

const options = (folder: string, schema: string): Service.Options => ({
  folder,
  flags: {
    "database-schema": schema,
    "confirmations-pending-max": 1_000,
    "confirmations-pending-per-session-max": 1_000,
    ...Service.manyWaits
  },
  environment: { KEELSON_DATABASE_URL: server === null ? "" : Redacted.value(server.url) }
})

const onPostgres = (work: (options: Service.Options) => Promise<void>) =>
  Effect.scoped(
    Effect.flatMap(TemporaryFolder.make, (folder) =>
      Effect.promise(() => work(options(folder, Postgres.freshSchema())))
    )
  )

describe.skipIf(server === null)("the service on PostgreSQL", () => {
  it.live(
    "writes again at once after the server ended its session, as it does when it shuts down",
    () =>
      onPostgres(async (given) => {
        const schema = String(given.flags!["database-schema"])
        await Service.using(given, async (service) => {
          assert.strictEqual((await service.post("/v1/sessions", "before", {})).status, 201)
          const admin = new pg.Client({ connectionString: Redacted.value(server!.url) })
          await admin.connect()
          const ended = await admin.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE $1",
            [`%${schema}.%`]
          )
          await admin.end()
          assert.isAbove(ended.rows.length, 0)
          const until = Date.now() + 10_000
          let status = 0
          // The first may be told that nobody knows; the same key tells.
          while (status !== 201 && Date.now() < until) status = (await service.post("/v1/sessions", "after", {})).status
          assert.strictEqual(status, 201, service.log().slice(-2_000))
        })
      }),
    120_000
  )

  it.live(
    "takes no more waiting actions in all than one limit allows, whichever of two processes is asked",
    () =>
      onPostgres(async (given) => {
        const limited = { ...given, flags: { ...given.flags, "confirmations-pending-max": 10 } }
        await Service.using(limited, (one) =>
          Service.using(limited, async (two) => {
            const session = await one.post("/v1/sessions", "s", {})
            const path = `/v1/sessions/${session.body.sessionId}/actions`
            const asked = await Promise.all(
              Array.from({ length: 40 }, (_, index) =>
                (index % 2 === 0 ? one : two).post(path, `p${index}`, {
                  tool: "file.write",
                  arguments: { path: `${index}.txt`, content: "x" }
                })
              )
            )
            const told = asked.filter(({ status }) => status !== 201)
            assert.strictEqual(asked.length - told.length, 10)
            for (const { body, headers, status } of told) {
              assert.deepInclude(body, { code: "LimitReached", limit: "confirmationsPending", maximum: 10 })
              assert.deepStrictEqual([status, headers["retry-after"]], [429, "1"])
            }
            assert.strictEqual((await two.get("/v1/counters")).body.confirmations.pending, 10)
          })
        )
      }),
    120_000
  )

  it.live(
    "has one winner of rivals that two processes decide at once, and runs each tool once",
    () =>
      onPostgres(async (given) => {
        await Service.using(given, (one) =>
          Service.using(given, async (two) => {
            const session = await one.post("/v1/sessions", "s", {})
            const path = `/v1/sessions/${session.body.sessionId}/actions`
            const asked = await Promise.all(
              Array.from({ length: 50 }, (_, index) =>
                one.post(path, `p${index}`, { tool: "file.write", arguments: { path: `${index}.txt`, content: "x" } })
              )
            )
            const decided = await Promise.all(
              asked.flatMap(({ body }, index) => [
                one.post(`/v1/confirmations/${body.confirmationId}/approve`, `a${index}`, {}),
                two.post(`/v1/confirmations/${body.confirmationId}/deny`, `d${index}`, {})
              ])
            )
            for (let index = 0; index < asked.length; index++) {
              const statuses = [decided[2 * index]!.status, decided[2 * index + 1]!.status]
              assert.deepStrictEqual(
                statuses.sort((a, b) => a - b),
                [200, 409],
                JSON.stringify(decided[2 * index]!.body)
              )
            }
            // Asked of the process that did not decide: it wakes by the database's notification.
            const ended = await Promise.all(
              asked.map(({ body }) => two.get(`/v1/actions/${body.actionId}?waitMillis=20000`))
            )
            ended.forEach(({ body }, index) => {
              const denied = decided[2 * index + 1]!.status === 200
              assert.strictEqual(body.status, denied ? "Denied" : "Executed", JSON.stringify(body))
            })
            const events = (await two.get("/v1/events?limit=200&type=action.claimed")).body.items
            const claimed = events.map((event: { stream: string }) => event.stream)
            assert.strictEqual(new Set(claimed).size, claimed.length)
          })
        )
      }),
    120_000
  )
})
