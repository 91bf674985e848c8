/** What was acknowledged survives a SIGKILL; what was asked again is answered again; SIGTERM loses nothing. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const inFolder = (work: (folder: string) => Promise<void>) =>
  Effect.scoped(Effect.flatMap(TemporaryFolder.make, (folder) => Effect.promise(() => work(folder))))

describe("the service", () => {
  it.live(
    "keeps all of 60 sessions acknowledged in a burst, after a SIGKILL at once",
    () =>
      inFolder(async (folder) => {
        const before = await Service.start({ folder })
        const opened = await Promise.all(
          Array.from({ length: 60 }, (_, index) => before.post("/v1/sessions", `burst-${index}`, {}))
        )
        await before.kill()
        assert.deepStrictEqual(new Set(opened.map(({ status }) => status)), new Set([201]))
        await Service.using({ folder }, async (after) => {
          const found = await Promise.all(opened.map(({ body }) => after.get(`/v1/sessions/${body.sessionId}`)))
          assert.deepStrictEqual(new Set(found.map(({ body }) => body.status)), new Set(["Open"]))
        })
      }),
    120_000
  )

  it.live(
    "answers the same key with the same answer and no second effect, in flight, later and after a restart",
    () =>
      inFolder(async (folder) => {
        const before = await Service.start({ folder })
        const session = await before.post("/v1/sessions", "s", { title: "one" })
        const path = `/v1/sessions/${session.body.sessionId}/actions`
        const proposal = { tool: "file.write", arguments: { path: "a.txt", content: "x\n" } }
        const twins = await Promise.all([before.post(path, "p", proposal), before.post(path, "p", proposal)])
        assert.deepStrictEqual(twins[0].body, twins[1].body)
        assert.deepStrictEqual(twins.filter(({ headers }) => headers["idempotent-replayed"] === "true").length, 1)
        const approve = `/v1/confirmations/${twins[0].body.confirmationId}/approve`
        const approved = await before.post(approve, "a", {})
        await before.get(`/v1/actions/${twins[0].body.actionId}?waitMillis=10000`)
        await before.kill()
        await Service.using({ folder }, async (after) => {
          const events = (await after.get("/v1/events?limit=200")).body.items.length
          const again = await after.post("/v1/sessions", "s", { title: "one" })
          assert.deepStrictEqual(again.body, session.body)
          assert.strictEqual(again.headers["idempotent-replayed"], "true")
          assert.deepStrictEqual((await after.post(approve, "a", {})).body, approved.body)
          for (const other of [
            await after.post("/v1/sessions", "s", { title: "two" }),
            await after.post(path, "p", { ...proposal, arguments: { path: "b.txt", content: "x" } }),
            await after.post(approve, "p", {}),
            await after.post(path, "s", proposal)
          ]) {
            assert.strictEqual(other.status, 422, JSON.stringify(other.body))
          }
          assert.strictEqual((await after.get("/v1/events?limit=200")).body.items.length, events)
        })
      }),
    120_000
  )

  it.live(
    "ends within ten seconds of a SIGTERM under load, with exit code 0 and nothing acknowledged lost",
    () =>
      inFolder(async (folder) => {
        const before = await Service.start({ folder, flags: { "sessions-per-principal-max": 100_000 } })
        const acknowledged: Array<string> = []
        let stopping = false
        const caller = async (name: string) => {
          for (let index = 0; !stopping; index++) {
            const answer = await before.post("/v1/sessions", `${name}-${index}`, {}).catch(() => null)
            if (answer?.status === 201) acknowledged.push(answer.body.sessionId)
            if (answer === null) return
          }
        }
        const callers = Array.from({ length: 20 }, (_, index) => caller(`c${index}`))
        while (acknowledged.length < 100) await new Promise((next) => setImmediate(next))
        const { code, millis } = await before.stop()
        stopping = true
        await Promise.all(callers)
        assert.strictEqual(code, 0, before.log())
        assert.isBelow(millis, 10_000)
        await Service.using({ folder, flags: { "sessions-per-principal-max": 100_000 } }, async (after) => {
          for (const id of acknowledged) assert.strictEqual((await after.get(`/v1/sessions/${id}`)).status, 200)
        })
      }),
    120_000
  )

  it.live(
    "goes on with a turn where a SIGKILL left it, and runs its tool once",
    () =>
      inFolder(async (folder) => {
        const before = await Service.start({ folder })
        const session = await before.post("/v1/sessions", "s", {})
        const turn = await before.post(`/v1/sessions/${session.body.sessionId}/turns`, "t", {
          input: "write log.txt: once\nsay done"
        })
        const waiting = async (service: Service.Service) => {
          for (;;) {
            const { body } = await service.get("/v1/confirmations")
            if (body.items.length > 0) return String(body.items[0].confirmationId)
          }
        }
        const confirmationId = await waiting(before)
        const approved = await before.post(`/v1/confirmations/${confirmationId}/approve`, "a", {})
        assert.strictEqual(approved.status, 200)
        await before.kill()
        await Service.using({ folder, flags: { "claim-lease-millis": 1_000 } }, async (after) => {
          const ended = await after.get(`/v1/turns/${turn.body.turnId}?waitMillis=30000`)
          assert.include(["Completed", "Running"], ended.body.status)
          const events = (await after.get("/v1/events?limit=200")).body.items
          const claims = events.filter((event: { type: string }) => event.type === "action.claimed")
          assert.strictEqual(claims.length, 1)
        })
      }),
    120_000
  )
})
