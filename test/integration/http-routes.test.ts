import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as World from "#test/kit/world.ts"
import { CONTRACT_VERSION } from "#src/kernel/Contract.ts"
import * as Kit from "./http-kit.ts"

const world = World.make()

layer(Kit.serve(world), { excludeTestServices: true })("the HTTP door", (it) => {
  it.effect("opens a session, shows it, lists it, keeps it alive, closes it", () =>
    Effect.gen(function* () {
      const { get, post } = yield* Kit.Caller
      const made = yield* post("/v1/sessions", { key: "r1", body: { title: "Fix the build", ttlMillis: 60_000 } })
      assert.strictEqual(made.status, 201)
      const { sessionId } = made.json
      assert.strictEqual(made.headers["location"], `/v1/sessions/${sessionId}`)
      const seen = yield* get(made.headers["location"]!)
      assert.deepInclude(seen.json, { sessionId, title: "Fix the build", status: "Open", agentId: "assistant" })
      const listed = yield* get("/v1/sessions?status=Open")
      assert.deepStrictEqual(listed.json.items[0], seen.json)
      const touched = yield* post(`/v1/sessions/${sessionId}/touch`, { key: "r2" })
      assert.isAtLeast(Date.parse(touched.json.idleAt), Date.parse(seen.json.idleAt))
      const closed = yield* post(`/v1/sessions/${sessionId}/close`, { key: "r3", body: { reason: "done" } })
      assert.strictEqual(closed.json.status, "Closed")
      const again = yield* post(`/v1/sessions/${sessionId}/close`, { key: "r4" })
      assert.strictEqual(again.status, 409)
      assert.deepInclude(again.json, { code: "Conflict", kind: "session", id: sessionId, state: "Closed" })
    })
  )

  it.effect("starts a turn with 202, answers a long poll when it ended, lists it", () =>
    Effect.gen(function* () {
      const { get, post } = yield* Kit.Caller
      const sessionId = (yield* post("/v1/sessions", { key: "t1" })).json.sessionId
      const started = yield* post(`/v1/sessions/${sessionId}/turns`, { key: "t2", body: { input: "hello" } })
      assert.strictEqual(started.status, 202)
      assert.deepInclude(started.json, { sessionId, status: "Running", step: 0 })
      const ended = yield* get(`${started.headers["location"]!}?waitMillis=20000`)
      assert.deepInclude(ended.json, { status: "Completed", input: "hello", failure: null })
      const listed = yield* get(`/v1/sessions/${sessionId}/turns?status=Completed`)
      assert.deepStrictEqual(listed.json, { items: [ended.json], next: null })
      const late = yield* post(`/v1/turns/${started.json.turnId}/cancel`, { key: "t3" })
      assert.deepInclude(late.json, { code: "Conflict", kind: "turn", state: "Completed" })
    })
  )

  it.effect("runs what the policy lets run, and shows its outcome", () =>
    Effect.gen(function* () {
      const { get, post } = yield* Kit.Caller
      const sessionId = (yield* post("/v1/sessions", { key: "a1" })).json.sessionId
      const proposed = yield* post(`/v1/sessions/${sessionId}/actions`, {
        key: "a2",
        body: { tool: "look", arguments: { text: "r" } }
      })
      assert.strictEqual(proposed.status, 201)
      assert.deepInclude(proposed.json, { status: "Approved", confirmationId: null, policies: ["look"] })
      const done = yield* get(`${proposed.headers["location"]!}?waitMillis=20000`)
      assert.deepInclude(done.json, { status: "Executed", argumentsText: '{"text":"r"}', gate: "none", edited: false })
      assert.deepStrictEqual(done.json.arguments, { text: "r" })
      assert.deepStrictEqual(done.json.output, { kept: 1 })
      assert.deepStrictEqual(world.done, ["look r"])
      const listed = yield* get(`/v1/actions?sessionId=${sessionId}&status=Executed`)
      assert.deepStrictEqual(listed.json.items, [done.json])
      const forbidden = yield* post(`/v1/sessions/${sessionId}/actions`, {
        key: "a3",
        body: { tool: "hidden", arguments: { text: "r" } }
      })
      assert.deepInclude(forbidden.json, { status: "Denied", policies: [] })
      const seen = yield* get(`/v1/actions/${forbidden.json.actionId}`)
      assert.strictEqual(seen.json.why, "No policy permits it.")
    })
  )

  it.effect("asks people, and runs what one approves, edits, denies or withdraws accordingly", () =>
    Effect.gen(function* () {
      const { get, post } = yield* Kit.Caller
      const sessionId = (yield* post("/v1/sessions", { key: "c1" })).json.sessionId
      const ask = (key: string) =>
        Effect.map(
          post(`/v1/sessions/${sessionId}/actions`, { key, body: { tool: "note", arguments: { text: key } } }),
          ({ json }) => json.confirmationId as string
        )
      const [first, second, third, fourth] = [yield* ask("c2"), yield* ask("c3"), yield* ask("c4"), yield* ask("c5")]
      const waiting = yield* get(`/v1/confirmations?sessionId=${sessionId}`)
      assert.deepStrictEqual(
        waiting.json.items.map((item: any) => item.confirmationId),
        [fourth, third, second, first]
      )
      assert.deepInclude(waiting.json.items[3], {
        status: "Pending",
        approvalsMissing: 1,
        why: 'Policy "note" permits it once a person agrees.',
        argumentsText: '{"text":"c2"}'
      })

      const approved = yield* post(`/v1/confirmations/${first}/approve`, { key: "c6", as: "ana" })
      assert.deepInclude(approved.json, { status: "Approved", approvalsMissing: 0 })
      yield* post(`/v1/confirmations/${second}/approve`, { key: "c7", body: { arguments: { text: "edited" } } })
      const denied = yield* post(`/v1/confirmations/${third}/deny`, { key: "c8", body: { reason: "no" } })
      assert.strictEqual(denied.json.status, "Denied")
      yield* post(`/v1/confirmations/${fourth}/withdraw`, { key: "c9" })

      const decided = yield* get(`/v1/confirmations/${second}?waitMillis=20000`)
      assert.deepInclude(decided.json, { status: "Approved", edited: true, expiresAt: null })
      for (const [id, text] of [
        [first, "note c2"],
        [second, "note edited"]
      ] as const) {
        const action = yield* get(`/v1/actions/act_${id.slice(4)}?waitMillis=20000`)
        assert.strictEqual(action.json.status, "Executed")
        assert.include(world.done, text)
      }
      for (const [status, ids] of Object.entries({ Approved: [second, first], Denied: [third], Withdrawn: [fourth] })) {
        const found = yield* get(`/v1/confirmations?sessionId=${sessionId}&status=${status}`)
        assert.deepStrictEqual(
          found.json.items.map((item: any) => item.confirmationId),
          ids,
          status
        )
      }
      const rival = yield* post(`/v1/confirmations/${third}/approve`, { key: "c10" })
      assert.strictEqual(rival.status, 409)
      assert.deepInclude(rival.json, { code: "Conflict", state: "Denied", retryable: false })
    })
  )

  it.effect("shows to an approver what waits for a decision in other people's sessions", () =>
    Effect.gen(function* () {
      const { get, post } = yield* Kit.Caller
      const sessionId = (yield* post("/v1/sessions", { key: "v1" })).json.sessionId
      const { confirmationId } = (yield* post(`/v1/sessions/${sessionId}/actions`, {
        key: "v2",
        body: { tool: "note", arguments: { text: "v" } }
      })).json
      const ids = (answer: Kit.Answer) => answer.json.items.map((item: any) => item.confirmationId)
      assert.include(ids(yield* get("/v1/confirmations", { as: "ana" })), confirmationId)
      assert.deepStrictEqual(ids(yield* get("/v1/confirmations", { as: "bob" })), [])
    })
  )

  it.effect("pages newest first by an opaque cursor, each thing once", () =>
    Effect.gen(function* () {
      const { get, post } = yield* Kit.Caller
      for (let index = 0; index < 5; index++) {
        yield* post("/v1/sessions", { as: "bob", key: `p${index}`, body: { title: `t${index}` } })
      }
      const titles: Array<string> = []
      let path = "/v1/sessions?limit=2"
      let pages = 0
      for (;;) {
        const { json } = yield* get(path, { as: "bob" })
        titles.push(...json.items.map((item: any) => item.title))
        pages += 1
        if (json.next === null) break
        path = `/v1/sessions?limit=2&after=${json.next}`
      }
      assert.strictEqual(pages, 3)
      assert.deepStrictEqual([...titles].sort(), ["t0", "t1", "t2", "t3", "t4"])
      const wrongList = yield* get(`/v1/actions?after=${path.split("after=")[1]}`, { as: "bob" })
      assert.strictEqual(wrongList.json.code, "InvalidCursor")
    })
  )

  it.effect("reads the journal in commit order, opened, filtered by stream and type", () =>
    Effect.gen(function* () {
      const { get, post } = yield* Kit.Caller
      const sessionId = (yield* post("/v1/sessions", { key: "e1", body: { title: "opened" } })).json.sessionId
      yield* post(`/v1/sessions/${sessionId}/touch`, { key: "e2" })
      const stream = yield* get(`/v1/events?stream=session:${sessionId}`)
      assert.deepStrictEqual(
        stream.json.items.map((event: any) => [event.type, event.version]),
        [
          ["session.created", 1],
          ["session.touched", 2]
        ]
      )
      assert.strictEqual(stream.json.items[0].payload.title, "opened")
      assert.isTrue(stream.json.atEnd)
      const typed = yield* get("/v1/events?type=session.created&limit=1")
      assert.isFalse(typed.json.atEnd)
      let after = 0
      const positions: Array<number> = []
      for (;;) {
        const { json } = yield* get(`/v1/events?after=${after}&limit=7`)
        positions.push(...json.items.map((event: any) => event.position))
        after = json.next
        if (json.atEnd) break
      }
      assert.deepStrictEqual(
        positions,
        Array.from(positions, (_, index) => index + 1)
      )
      const none = yield* get(`/v1/events?after=${after}`)
      assert.deepStrictEqual(none.json, { items: [], next: after, atEnd: true })
    })
  )

  it.effect("shows the redaction mark for everything said in an erased session, in every list and event", () =>
    Effect.gen(function* () {
      const { get, post } = yield* Kit.Caller
      const canary = "canary-5b1f"
      const sessionId = (yield* post("/v1/sessions", { key: "x1", body: { title: canary } })).json.sessionId
      const turn = yield* post(`/v1/sessions/${sessionId}/turns`, { key: "x2", body: { input: `say ${canary}` } })
      yield* get(`${turn.headers["location"]!}?waitMillis=20000`)
      const action = yield* post(`/v1/sessions/${sessionId}/actions`, {
        key: "x3",
        body: { tool: "look", arguments: { text: canary } }
      })
      yield* get(`${action.headers["location"]!}?waitMillis=20000`)
      const doors = [
        `/v1/sessions/${sessionId}`,
        "/v1/sessions?limit=200",
        `/v1/sessions/${sessionId}/turns`,
        turn.headers["location"]!,
        `/v1/actions?sessionId=${sessionId}`,
        action.headers["location"]!,
        `/v1/events?stream=session:${sessionId}`,
        `/v1/events?stream=turn:${turn.json.turnId}`,
        `/v1/events?stream=action:${action.json.actionId}`
      ]
      for (const path of doors) assert.include((yield* get(path)).text, canary, path)
      const erased = yield* post(`/v1/sessions/${sessionId}/erase`, { key: "x4" })
      assert.strictEqual(erased.json.status, "Erased")
      for (const path of doors) {
        const answer = yield* get(path)
        assert.strictEqual(answer.status, 200, path)
        assert.notInclude(answer.text, canary, path)
        assert.include(answer.text, '{"redacted":true}', path)
      }
      const gone = yield* post(`/v1/sessions/${sessionId}/turns`, { key: "x5", body: { input: "again" } })
      assert.strictEqual(gone.status, 410)
      const again = yield* post(`/v1/sessions/${sessionId}/erase`, { key: "x4" })
      assert.deepStrictEqual(again.json, erased.json)
    })
  )

  it.effect("says who the caller is, which tools there are, and counts what is conserved", () =>
    Effect.gen(function* () {
      const { get } = yield* Kit.Caller
      assert.deepStrictEqual((yield* get("/v1/whoami", { as: "ana" })).json, {
        kind: "HUMAN",
        id: "ana",
        roles: ["approver"]
      })
      const tools = (yield* get("/v1/tools", { as: "robot" })).json.items.map((tool: any) => tool.name)
      assert.deepStrictEqual(tools, ["hidden", "look", "note", "pair"])
      const { confirmations } = (yield* get("/v1/counters")).json
      const { approved, created, denied, expired, pending, withdrawn } = confirmations
      assert.isAbove(created, 0)
      assert.strictEqual(created, approved + denied + expired + withdrawn + pending)
    })
  )
})

describe("the probes", () => {
  layer(Kit.serve(World.make()), { excludeTestServices: true })((it) => {
    it.effect("answer without a token, and say nothing of what is inside", () =>
      Effect.gen(function* () {
        const { get } = yield* Kit.Caller
        assert.deepStrictEqual((yield* get("/health", { as: "nobody" })).json, {
          status: "ok",
          contract: CONTRACT_VERSION
        })
        const ready = yield* get("/ready", { as: "nobody" })
        assert.deepStrictEqual(ready.json, {
          ready: true,
          draining: false,
          halted: false,
          isolatedStreams: 0,
          checks: [
            { name: "store", ready: true, reason: null },
            { name: "processes", ready: true, reason: null }
          ]
        })
      })
    )
  })
})
