/** Executors and services that are killed or frozen in the middle of a run: each a real process, each kill a SIGKILL. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import * as Child from "#test/kit/Child.ts"
import * as Committer from "#test/kit/committer.ts"
import type { Line, Moment, Order } from "#test/kit/executorProcess.ts"
import * as Service from "#test/kit/service.ts"
import { folder, keelson } from "./cli-kit.ts"

const program = resolve(import.meta.dirname, "../kit/executorProcess.ts")

/** The shortest that there is. */
const leaseMillis = 5_000

type Killed = Omit<Order, "url" | "token" | "tool" | "file" | "leaseMillis"> & { readonly leaseMillis?: number }

/** An agent with a tool of its own: lives of its executor, and what is wished of it. */
const agent = Effect.fnUntraced(function* (service: Service.Service, path: string, name: string) {
  const { post } = service
  const made = yield* Effect.promise(() => post("/v1/principals", name, { principalId: name, kind: "AGENT" }))
  const token = String(made.body.token)
  const [tool, file] = [`far.${name}`, join(path, `${name}.txt`)]
  return {
    token,
    /** A process that serves the tool, which is declared once this is answered. */
    life: Effect.fnUntraced(function* (order: Killed) {
      const child = yield* Child.start<Line>(program, [])
      yield* child.tell(JSON.stringify({ leaseMillis, ...order, url: service.url, token, tool, file }))
      const at = (moment: Line["at"]) => child.said((line) => line.at === moment)
      yield* at("declared")
      return { ...child, at }
    }),
    /** An approved action with the tool. */
    wish: Effect.fnUntraced(function* (key: string, { post }: Service.Service = service) {
      const call = (path: string, body: object) => Effect.promise(() => post(path, `${name}${path}${key}`, body))
      const session = yield* call("/v1/sessions", {})
      const proposal = { tool, arguments: { text: key } }
      const { body } = yield* call(`/v1/sessions/${session.body.sessionId}/actions`, proposal)
      assert.strictEqual(body.status, "Pending", JSON.stringify(body))
      yield* call(`/v1/confirmations/${body.confirmationId}/approve`, {})
      return String(body.actionId)
    }),
    /** How often the tool ran for that action. */
    runs: (actionId: string) =>
      existsSync(file)
        ? readFileSync(file, "utf8")
            .split("\n")
            .filter((line) => line === actionId).length
        : 0
  }
})

const actionOf = ({ get }: Service.Service, actionId: string, waitMillis = 0) =>
  Effect.promise(async () => (await get(`/v1/actions/${actionId}?waitMillis=${waitMillis}`)).body)

const settled = (service: Service.Service, actionId: string) =>
  Effect.eventually(
    Effect.filterOrFail(actionOf(service, actionId), ({ status }) => status === "Executed" || status === "Failed")
  )

/** What the journal says of the action, signs of life left out, of which there may be some. */
const storyOf = ({ get }: Service.Service, actionId: string) =>
  Effect.promise(async () => {
    const { body } = await get(`/v1/events?limit=200&stream=action:${actionId}`)
    const all = body.items as ReadonlyArray<any>
    const story = all.filter(({ type }) => type !== "action.lease-renewed")
    return { all, story, types: story.map(({ type }) => String(type)) }
  })

const approved = [
  "action.proposed",
  "action.judged",
  "confirmation.requested",
  "confirmation.approved",
  "action.permitted",
  "action.claimed"
]

/** SYSTEM alone said that nobody knows, and not before the end of the lease that stood last. */
const doubted = Effect.fnUntraced(function* (service: Service.Service, actionId: string) {
  const { all, story } = yield* storyOf(service, actionId)
  const { actor, occurredAt, payload } = story.find(({ type }) => type === "action.unknown")
  const leases = all.flatMap((event) =>
    event.type.startsWith("action.") ? (event.payload.leaseUntilMillis ?? []) : []
  )
  assert.strictEqual(actor.kind, "SYSTEM")
  assert.strictEqual(payload.leaseUntilMillis, Math.max(...leases))
  assert.isAtLeast(Date.parse(occurredAt), payload.leaseUntilMillis)
})

const refusedClaim = (service: Service.Service, token: string, actionId: string, key: string) =>
  Effect.promise(() => service.post(`/v1/actions/${actionId}/claim`, `${actionId}-${key}`, {}, token)).pipe(
    Effect.map(({ body, headers, status }) => {
      assert.deepStrictEqual([status, body.code], [409, "Conflict"], JSON.stringify(body))
      assert.strictEqual(headers["content-type"], "application/problem+json")
      return String(body.state)
    })
  )

/** Four reports of one outcome at once, and more after them: one is taken, and that one answered again. */
const takenOnce = (service: Service.Service, token: string, actionId: string) =>
  Effect.promise(async () => {
    const report = (key: string, body: object) =>
      service.post(`/v1/actions/${actionId}/outcome`, `${actionId}-${key}`, body, token)
    const { claimId } = (await service.get(`/v1/actions/${actionId}`)).body
    const done = { claimId, outcome: "Executed", output: { kept: "told late" } }
    const another = await report("another", { ...done, claimId: `clm_${"0".repeat(26)}` })
    assert.deepStrictEqual([another.status, another.body.state], [409, "Unknown"], JSON.stringify(another.body))
    const keys = ["a", "b", "c", "d"]
    const answers = await Promise.all(keys.map((key) => report(key, done)))
    assert.sameMembers(
      answers.map(({ status }) => status),
      [200, 409, 409, 409]
    )
    for (const { body, status } of answers) if (status === 409) assert.strictEqual(body.state, "Executed")
    const taken = answers.findIndex(({ status }) => status === 200)
    const again = await report(keys[taken]!, done)
    assert.deepStrictEqual([again.status, again.body], [200, answers[taken]!.body])
    assert.strictEqual(again.headers["idempotent-replayed"], "true")
    const failed = { claimId, outcome: "Failed", code: "Other" }
    assert.strictEqual((await report(keys[taken]!, failed)).body.code, "KeyReused")
    assert.deepInclude((await report("e", failed)).body, { status: 409, code: "Conflict", state: "Executed" })
    const { body } = await service.get(`/v1/actions/${actionId}`)
    assert.deepInclude(body, { status: "Executed", output: { kept: "told late" } })
  })

const home = folder()
let service: Service.Service
const start = (port = "0") => Service.start({ folder: home.path, policies: Committer.policies, flags: { port } })
beforeAll(async () => {
  service = await start()
}, 180_000)
afterAll(async () => {
  await service.kill()
  home.remove()
})

/** How often the tool ran when its executor died there; and what a check of its own finds, where a person did not. */
const deaths: ReadonlyArray<{
  readonly name: string
  readonly at: Moment
  readonly when: string
  readonly ran: number
  readonly found: "Executed" | "Failed" | null
}> = [
  { name: "claimed", at: "claimed", when: "after its claim, of which it read no answer", ran: 0, found: null },
  { name: "called", at: "called", when: "after its claim, before the tool began", ran: 0, found: "Failed" },
  { name: "done", at: "done", when: "in the middle of the run", ran: 1, found: null },
  { name: "checked", at: "done", when: "in the middle of the run", ran: 1, found: "Executed" },
  { name: "over", at: "over", when: "after the run, before its report", ran: 1, found: "Executed" }
]

describe.concurrent("an executor that is killed", () => {
  for (const { at, found, name, ran, when } of deaths) {
    const how = found === null ? "a late report is taken once" : `its own check says ${found}`
    it.live(
      `${when}: Unknown after the lease, never claimed or run again, and ${how}`,
      () =>
        Effect.gen(function* () {
          const { life, runs, token, wish } = yield* agent(service, home.path, name)
          const first = yield* life({ holdAt: at, checks: false })
          const actionId = yield* wish("first")
          yield* first.at(at)
          yield* first.kill("SIGKILL")
          assert.strictEqual(yield* refusedClaim(service, token, actionId, "early"), "Claimed")

          yield* life({ holdAt: null, checks: found !== null })
          const ended = yield* actionOf(service, actionId, 20_000)
          assert.include(found === null ? ["Unknown"] : ["Unknown", found], ended.status)
          yield* doubted(service, actionId)
          // The second life looks for work, and finds what is its own to run.
          const next = yield* wish("second")
          assert.strictEqual((yield* settled(service, next)).status, "Executed")
          assert.strictEqual(runs(next), 1)

          if (found === null) {
            assert.strictEqual(yield* refusedClaim(service, token, actionId, "late"), "Unknown")
            yield* takenOnce(service, token, actionId)
          } else assert.strictEqual((yield* settled(service, actionId)).status, found)
          assert.strictEqual(yield* refusedClaim(service, token, actionId, "settled"), found ?? "Executed")
          assert.strictEqual(runs(actionId), ran)
          const { story, types } = yield* storyOf(service, actionId)
          const outcome = found === "Failed" ? "action.failed" : "action.executed"
          assert.deepStrictEqual(types, [...approved, "action.unknown", outcome])
          assert.isTrue(story.at(-1).payload.late)
        }).pipe(Effect.scoped),
      180_000
    )
  }

  it.live(
    "after its report, of which it read no answer: Executed, nothing is unknown, and nothing runs again",
    () =>
      Effect.gen(function* () {
        const { life, runs, token, wish } = yield* agent(service, home.path, "told")
        const first = yield* life({ holdAt: "told", checks: false })
        const actionId = yield* wish("first")
        yield* first.at("told")
        yield* first.kill("SIGKILL")
        yield* life({ holdAt: null, checks: true })
        assert.strictEqual((yield* settled(service, yield* wish("second"))).status, "Executed")
        assert.strictEqual(yield* refusedClaim(service, token, actionId, "late"), "Executed")
        assert.strictEqual(runs(actionId), 1)
        const { story, types } = yield* storyOf(service, actionId)
        assert.deepStrictEqual(types, [...approved, "action.executed"])
        assert.isFalse(story.at(-1).payload.late)
      }).pipe(Effect.scoped),
    180_000
  )
})

describe("an executor that is frozen in the middle of a run", () => {
  it.live(
    "stops the tool when it wakes after the lease, claims no outcome, and does not run it again",
    () =>
      Effect.gen(function* () {
        const { life, runs, token, wish } = yield* agent(service, home.path, "frozen")
        const frozen = yield* life({ holdAt: "done", checks: false })
        const actionId = yield* wish("first")
        yield* frozen.at("done")
        yield* Effect.sync(() => process.kill(frozen.pid, "SIGSTOP"))
        assert.strictEqual((yield* actionOf(service, actionId, 20_000)).status, "Unknown")
        yield* Effect.sync(() => process.kill(frozen.pid, "SIGCONT"))
        yield* frozen.at("stopped")
        yield* frozen.tell("go")
        assert.strictEqual((yield* settled(service, yield* wish("second"))).status, "Executed")
        assert.strictEqual((yield* actionOf(service, actionId)).status, "Unknown")
        yield* doubted(service, actionId)
        yield* takenOnce(service, token, actionId)
        assert.strictEqual(runs(actionId), 1)
      }).pipe(Effect.scoped),
    180_000
  )
})

describe("a service that is killed in the middle of two runs, until the lease of one is over,", () => {
  it.live(
    "takes the report of the executor that outlived it, and knows nothing of the other's run: neither runs again",
    () =>
      Effect.gen(function* () {
        const outlives = yield* agent(service, home.path, "outlives")
        const stops = yield* agent(service, home.path, "stops")
        const one = yield* outlives.life({ holdAt: "done", checks: false, leaseMillis: 120_000 })
        const two = yield* stops.life({ holdAt: "done", checks: false })
        const [outlived, lost] = [yield* outlives.wish("first"), yield* stops.wish("first")]
        yield* one.at("done")
        yield* two.at("done")
        yield* Effect.promise(service.kill)
        yield* one.tell("go")
        yield* one.at("unheard")
        // By its own clock, for nobody else tells it.
        yield* two.at("stopped")
        yield* two.tell("go")
        service = yield* Effect.promise(() => start(new URL(service.url).port))

        assert.strictEqual((yield* settled(service, outlived)).status, "Executed")
        const told = yield* storyOf(service, outlived)
        assert.deepStrictEqual(told.types, [...approved, "action.executed"])
        assert.isFalse(told.story.at(-1).payload.late)
        assert.strictEqual((yield* actionOf(service, lost, 20_000)).status, "Unknown")
        yield* doubted(service, lost)
        for (const { runs, wish } of [outlives, stops]) {
          const next = yield* wish("second", service)
          assert.strictEqual((yield* settled(service, next)).status, "Executed")
          assert.strictEqual(runs(next), 1)
        }
        assert.strictEqual(yield* refusedClaim(service, outlives.token, outlived, "late"), "Executed")
        assert.strictEqual(yield* refusedClaim(service, stops.token, lost, "late"), "Unknown")
        yield* takenOnce(service, stops.token, lost)
        assert.deepStrictEqual([outlives.runs(outlived), stops.runs(lost)], [1, 1])
      }).pipe(Effect.scoped),
    180_000
  )
})

describe("the journal of all that", () => {
  it.live(
    "verifies clean, and knows of no action that was claimed or reported twice",
    () =>
      Effect.gen(function* () {
        for (const type of ["action.claimed", "action.executed", "action.failed"]) {
          const { body } = yield* Effect.promise(() => service.get(`/v1/events?limit=200&type=${type}`))
          const streams = body.items.map(({ stream }: { stream: string }) => stream)
          assert.isNotEmpty(streams)
          assert.sameMembers(streams, [...new Set(streams)])
        }
        yield* Effect.promise(() => service.stop())
        const verify = ["verify", "--json", "--data-folder", join(home.path, "data")]
        const { code, err, out } = yield* Effect.promise(() => keelson(verify).ended)
        assert.strictEqual(code, 0, `${out}${err}`)
      }),
    180_000
  )
})
