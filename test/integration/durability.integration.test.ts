/** What was acknowledged survives a SIGKILL; what was asked again is answered again; SIGTERM loses nothing. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const inFolder = (work: (folder: string) => Promise<void>) =>
  Effect.scoped(Effect.flatMap(TemporaryFolder.make, (folder) => Effect.promise(() => work(folder))))

describe("the service", () => {
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
        // Other limits do not make the same wish another one.
        const flags = { "session-ttl-millis": 60_000, "session-idle-millis": 50_000, "sessions-per-principal-max": 7 }
        await Service.using({ folder, flags }, async (after) => {
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
        await Service.using({ folder, flags: { "claim-lease-millis": 2_000 } }, async (after) => {
          const ended = await after.get(`/v1/turns/${turn.body.turnId}?waitMillis=30000`)
          assert.strictEqual(ended.body.status, "Completed")
          const events = (await after.get("/v1/events?limit=200")).body.items
          const claims = events.filter((event: { type: string }) => event.type === "action.claimed")
          assert.strictEqual(claims.length, 1)
          // Claimed before the kill, its outcome may be unknown; what was not claimed was claimed and done after it.
          const done = events.some((event: { type: string }) => event.type === "action.executed")
          const path = join(after.workspace, "log.txt")
          const written = existsSync(path) ? readFileSync(path, "utf8") : ""
          assert.include(done ? ["once"] : ["", "once"], written.trim())
        })
      }),
    120_000
  )

  it.live(
    "says Unknown of a tool that a SIGKILL interrupted, once its lease is over, and never runs it again",
    () =>
      inFolder(async (folder) => {
        const flags = { "claim-lease-millis": 3_000 }
        const before = await Service.start({ folder, flags })
        const session = await before.post("/v1/sessions", "s", {})
        const asked = await before.post(`/v1/sessions/${session.body.sessionId}/actions`, "p", {
          tool: "shell.run",
          arguments: { command: "sleep", arguments: ["47.11"] }
        })
        const action = `/v1/actions/${asked.body.actionId}`
        await before.post(`/v1/confirmations/${asked.body.confirmationId}/approve`, "a", {})
        while (running("47.11").length === 0) await nextTurn()
        await before.kill()
        await Service.using({ folder, flags }, async (after) => {
          while (running("47.11").length > 0) await nextTurn()
          const ended = await after.get(`${action}?waitMillis=20000`)
          assert.strictEqual(ended.body.status, "Unknown")
          const events = (await after.get(`/v1/events?limit=200&stream=action:${asked.body.actionId}`)).body.items
          const types = events.map((event: { type: string }) => event.type)
          assert.deepStrictEqual(types.slice(-2), ["action.claimed", "action.unknown"])
          assert.deepStrictEqual(running("47.11"), [])
        })
      }),
    120_000
  )

  it.live(
    "releases on SIGTERM whatever it had acquired: the port, the lock, a tool at work, its children",
    () =>
      inFolder(async (folder) => {
        const service = await Service.start({ folder })
        const session = await service.post("/v1/sessions", "s", {})
        const asked = await service.post(`/v1/sessions/${session.body.sessionId}/actions`, "p", {
          tool: "shell.run",
          arguments: { command: "sleep", arguments: ["48.12"] }
        })
        const wait = service.get(`/v1/actions/${asked.body.actionId}?waitMillis=30000`).catch(() => null)
        await service.post(`/v1/confirmations/${asked.body.confirmationId}/approve`, "a", {})
        while (running("48.12").length === 0) await nextTurn()
        const during = locks(folder)
        assert.isAbove(during.length, 0, "a lock is held while it runs")
        const { code, millis } = await service.stop()
        await wait
        assert.strictEqual(code, 0, service.log())
        assert.isBelow(millis, 10_000)
        assert.deepStrictEqual(running("48.12"), [])
        assert.deepStrictEqual(locks(folder), [])
        assert.isNull(await service.get("/health").catch(() => null), "the port is free")
      }),
    120_000
  )
})

const nextTurn = () => new Promise((next) => setImmediate(next))

/** Processes with this word on their command line, by pid. */
const running = (word: string): ReadonlyArray<string> =>
  readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(word)
    } catch {
      return false
    }
  })

/** Lock files below the data folder. */
const locks = (folder: string): ReadonlyArray<string> =>
  readdirSync(join(folder, "data"), { recursive: true, encoding: "utf8" }).filter((name) => /\block\b/.test(name))
