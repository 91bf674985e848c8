/** An agent that runs tools elsewhere follows its work, by both doors: what it is told, and what it never is. */
import { assert, it, layer } from "@effect/vitest"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as RemoteTool from "#layers/client/RemoteTool.ts"
import * as WorkSeen from "#layers/edge/WorkSeen.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"
import * as Remote from "./remote-kit.ts"
import * as Sockets from "./socket-kit.ts"
import * as Streams from "./stream-kit.ts"

const post = Effect.fnUntraced(function* (path: string, call: Kit.Call) {
  const { post } = yield* Kit.Caller
  const answer = yield* post(path, call)
  assert.isBelow(answer.status, 300, `${path}: ${answer.text}`)
  return answer.json
})

const declare = (name: string, key: string, call: Kit.Call = { as: "robot" }) =>
  post("/v1/tools", { ...call, key, body: { name, description: "", inputSchema: Kit.remoteSchema } })

/** The session's agent wishes something; what is asked about it is not answered yet. */
const proposed = Effect.fnUntraced(function* (sessionId: string, tool: string, key: string) {
  const body = { tool, arguments: { text: `words for ${tool}` } }
  const headers = { "x-correlation-id": "whispered-correlation" }
  const json = yield* post(`/v1/sessions/${sessionId}/actions`, { as: "agent", key, body, headers })
  return json as { readonly actionId: string; readonly confirmationId: string }
})

const approve = (confirmationId: string) => post(`/v1/confirmations/${confirmationId}/approve`, { key: confirmationId })

const approved = Effect.fnUntraced(function* (sessionId: string, tool: string, key: string) {
  const { actionId, confirmationId } = yield* proposed(sessionId, tool, key)
  yield* approve(confirmationId)
  return actionId
})

/** The same of both doors: what came, in order, and the next thing that holds. */
interface Reader {
  readonly events: () => ReadonlyArray<any>
  readonly until: (actionId: string, type: string) => Effect.Effect<any>
}

const bySse = (query: string, options: Parameters<typeof Streams.following>[1]) =>
  Effect.map(Streams.following(`?${query}`, options), (stream): Reader & { readonly stream: Streams.Followed } => ({
    stream,
    events: () => stream.messages.filter(({ event }) => event === "message").map(({ data }) => data),
    until: (actionId, type) =>
      Effect.map(
        Streams.wait(stream, ({ data }) => data?.stream === `action:${actionId}` && data.type === type),
        ({ data }) => data
      )
  }))

const bySocket = Effect.fnUntraced(function* (executorId: string, after: number, options: Sockets.Options) {
  const client = yield* Sockets.client(options)
  const answer = yield* client.ask({ type: "work.subscribe", id: "w", executorId, after })
  assert.deepStrictEqual(answer.body, { executorId, after }, JSON.stringify(answer))
  const told = () => client.frames.filter(({ type }) => type === "work")
  const reader: Reader = {
    events: () => told().map(({ event }) => event),
    until: (actionId, type) =>
      Effect.map(
        client.until((frame) => frame.event?.stream === `action:${actionId}` && frame.event.type === type),
        ({ event }) => event
      )
  }
  return { ...reader, client, told }
})

const streamsOf = (reader: Reader) => new Set(reader.events().map(({ stream }) => String(stream)))

/** The whole journal, as an operator lists it. */
const journal = Effect.gen(function* () {
  const { get } = yield* Kit.Caller
  const events: Array<any> = []
  for (let after = 0; ;) {
    const { json } = yield* get(`/v1/events?limit=200&after=${after}`)
    events.push(...json.items)
    if (json.atEnd) return events
    after = json.next
  }
})

layer(Kit.serve(World.make()), { excludeTestServices: true })("an agent that follows its work", (it) => {
  it.effect(
    "is told, by both doors, of each action with its tools in any session what that shows, and nothing else",
    () =>
      Effect.gen(function* () {
        const { get } = yield* Kit.Caller
        yield* declare("far", "d-far")
        yield* declare("near", "d-near", { as: "agent" })
        const [sse, socket] = [
          yield* bySse("executorId=robot", { as: "robot", headers: { "last-event-id": "0" } }),
          yield* bySocket("robot", 0, { as: "robot" })
        ]
        const mine: Array<string> = []
        let last = ""
        for (const number of [1, 2]) {
          const { sessionId } = yield* post("/v1/sessions", { key: `s-${number}`, body: { title: "whispered title" } })
          last = sessionId
          const turn = yield* post(`/v1/sessions/${sessionId}/turns`, {
            key: `t-${number}`,
            body: { input: "whispered" }
          })
          yield* get(`/v1/turns/${turn.turnId}?waitMillis=20000`)
          yield* post(`/v1/sessions/${sessionId}/actions`, {
            key: `l-${number}`,
            body: { tool: "look", arguments: { text: "whispered" } }
          })
          yield* approved(sessionId, "near", `n-${number}`)
          mine.push(yield* approved(sessionId, "far", `f-${number}`))
        }
        const { actionId, confirmationId } = yield* proposed(last, "far", "f-denied")
        yield* post(`/v1/confirmations/${confirmationId}/deny`, { key: "f-deny", body: { reason: "whispered words" } })
        mine.push(actionId)
        const claim = yield* post(`/v1/actions/${mine[0]}/claim`, { as: "robot", key: "claim" })
        const body = { claimId: claim.claimId, outcome: "Executed", output: { done: true } }
        yield* post(`/v1/actions/${mine[0]}/outcome`, { as: "robot", key: "outcome", body })
        const whole = (yield* journal).filter(({ stream }) => mine.includes(String(stream).slice("action:".length)))
        const expected = whole.map((event) => WorkSeen.cut(event))
        assert.include(JSON.stringify(whole), "whispered words")
        assert.isAbove(expected.length, 10)
        for (const reader of [sse, socket]) {
          yield* reader.until(mine[0]!, "action.executed")
          assert.deepStrictEqual(reader.events(), expected)
          // What the action's own page does not show: words of whoever denied one, roles, correlations of others.
          const { json } = yield* get(`/v1/actions/${actionId}`, { as: "robot" })
          for (const text of [JSON.stringify(reader.events()), JSON.stringify(json)]) {
            for (const kept of ["whispered", '"roles"']) assert.notInclude(text, kept)
          }
        }
        for (const [index, { previous, sequence, event }] of socket.told().entries()) {
          assert.strictEqual(sequence, event.position)
          assert.strictEqual(previous, index === 0 ? 0 : socket.told()[index - 1].sequence)
        }
        // Where it broke off, it goes on.
        const third = expected[2]!.position
        const again = yield* bySocket("robot", third, { as: "robot" })
        const later = yield* bySse(`executorId=robot&after=${third}`, { as: "robot" })
        for (const reader of [again, later]) {
          yield* reader.until(mine[0]!, "action.executed")
          assert.deepStrictEqual(reader.events(), expected.slice(3))
        }
        for (const actionId of mine)
          assert.strictEqual((yield* get(`/v1/actions/${actionId}`, { as: "robot" })).status, 200)
      }).pipe(Effect.scoped)
  )

  it.effect("narrows it to a session, a stream or a type, and never widens it by them", () =>
    Effect.gen(function* () {
      yield* declare("narrow", "d-narrow")
      const one = (yield* post("/v1/sessions", { key: "n-1" })).sessionId
      const two = (yield* post("/v1/sessions", { key: "n-2" })).sessionId
      const [first, second] = [yield* approved(one, "narrow", "a-1"), yield* approved(two, "narrow", "a-2")]
      const last = yield* approved(one, "narrow", "a-3")
      const inOne = yield* bySse(`executorId=robot&after=0&sessionId=${one}`, { as: "robot" })
      yield* inOne.until(last, "action.permitted")
      assert.deepStrictEqual(streamsOf(inOne), new Set([`action:${first}`, `action:${last}`]))
      const ofType = yield* bySse(`executorId=robot&after=0&type=action.permitted`, { as: "robot" })
      yield* ofType.until(last, "action.permitted")
      assert.deepStrictEqual(new Set(ofType.events().map(({ type }) => type)), new Set(["action.permitted"]))
      const mine = yield* bySse(`executorId=robot&after=0&stream=action:${second}`, { as: "robot" })
      yield* mine.until(second, "action.permitted")
      assert.deepStrictEqual(streamsOf(mine), new Set([`action:${second}`]))
    }).pipe(Effect.scoped)
  )

  it.effect("is one that runs tools and no other, and none but itself", () =>
    Effect.gen(function* () {
      const { get } = yield* Kit.Caller
      for (const [as, executorId, status] of [
        ["nobody", "robot", 401],
        ["agent", "robot", 403],
        ["owner", "robot", 403],
        ["bob", "bob", 403],
        ["owner", "owner", 403],
        ["robot", "assistant", 403],
        ["robot", "no%20name", 400]
      ] as const) {
        const found = yield* get(`/v1/events/stream?executorId=${executorId}`, { as })
        assert.strictEqual(found.status, status, `${as} ${executorId}`)
        if (status !== 403) continue
        const client = yield* Sockets.client({ as })
        const told = yield* client.ask({ type: "work.subscribe", id: "w", executorId })
        assert.strictEqual(told.problem.code, "Forbidden", `${as} ${executorId}`)
      }
      const robot = yield* Sockets.client({ as: "robot" })
      const frame = { id: "w", executorId: "robot" }
      assert.strictEqual((yield* robot.ask({ type: "work.unsubscribe", ...frame })).problem.code, "NotFound")
      assert.strictEqual((yield* robot.ask({ type: "work.subscribe", ...frame })).type, "answer")
      const twice = yield* robot.ask({ type: "work.subscribe", ...frame })
      assert.deepInclude(twice.problem, { code: "Conflict", kind: "work", state: "followed" })
      assert.strictEqual((yield* robot.ask({ type: "work.unsubscribe", ...frame })).type, "answer")
      assert.strictEqual((yield* robot.ask({ type: "work.subscribe", ...frame })).type, "answer")
    }).pipe(Effect.scoped)
  )

  it.effect("is told nothing more of a tool once that is withdrawn, and goes on where it is declared again", () =>
    Effect.gen(function* () {
      yield* declare("brief", "d-brief")
      yield* declare("steady", "d-steady")
      const { sessionId } = yield* post("/v1/sessions", { key: "w" })
      const readers: Array<Reader> = [
        yield* bySse("executorId=robot&after=0", { as: "robot" }),
        yield* bySocket("robot", 0, { as: "robot" })
      ]
      const waiting = yield* proposed(sessionId, "brief", "b-1")
      for (const reader of readers) yield* reader.until(waiting.actionId, "confirmation.requested")
      yield* post("/v1/tools/brief/withdraw", { as: "robot", key: "withdraw" })
      yield* approve(waiting.confirmationId)
      const barrier = yield* approved(sessionId, "steady", "b-2")
      // Whoever begins anew is not told of what came before either.
      const anew = yield* bySocket("robot", 0, { as: "robot" })
      for (const reader of [...readers, anew]) yield* reader.until(barrier, "action.permitted")
      for (const reader of readers) {
        const types = reader.events().filter(({ stream }) => stream === `action:${waiting.actionId}`)
        assert.strictEqual(types.at(-1).type, "confirmation.requested")
      }
      assert.isFalse(streamsOf(anew).has(`action:${waiting.actionId}`))
      yield* declare("brief", "d-brief-again")
      yield* post(`/v1/actions/${waiting.actionId}/claim`, { as: "robot", key: "claim-brief" })
      for (const reader of [...readers, anew]) yield* reader.until(waiting.actionId, "action.claimed")
    }).pipe(Effect.scoped)
  )
})

it.live(
  "an agent whose key is revoked is told nothing more of its work by either door, however late that is noticed",
  () => {
    const { delay, release, who } = Kit.lateLook("helper")
    return Effect.gen(function* () {
      const { keyId, token } = yield* post("/v1/principals", {
        key: "p",
        body: { principalId: "helper", kind: "AGENT" }
      })
      yield* declare("far", "d", { token })
      const { sessionId } = yield* post("/v1/sessions", { key: "s" })
      const [sse, socket, operator] = [
        yield* bySse("executorId=helper&after=0", { token }),
        yield* bySocket("helper", 0, { token }),
        yield* bySse("after=0", {})
      ]
      const seen = yield* approved(sessionId, "far", "seen")
      for (const reader of [sse, socket, operator]) yield* reader.until(seen, "action.permitted")
      delay()
      yield* post(`/v1/principals/helper/keys/${keyId}/revoke`, { key: "r" })
      const unseen = yield* approved(sessionId, "far", "unseen")
      yield* operator.until(unseen, "action.permitted")
      yield* release
      const end = yield* Streams.wait(sse.stream, ({ event }) => event === "end")
      assert.deepInclude(end.data, { code: "Unauthenticated", retryable: false })
      assert.strictEqual((yield* socket.client.ended).code, 4401)
      for (const reader of [sse, socket]) assert.isFalse(streamsOf(reader).has(`action:${unseen}`))
    }).pipe(Effect.scoped, Effect.provide(Kit.doorOver(World.make().layer, {}, who)))
  }
)

layer(Layer.merge(Kit.serve(World.make()), NodeHttpClient.layerUndici), { excludeTestServices: true })(
  "a tool served by the client",
  (it) => {
    it.effect("is run as soon as it is approved, and not at the next look", () =>
      Effect.gen(function* () {
        const robot = yield* Remote.clientOf("robot")
        const tool = RemoteTool.make(Remote.Far("far.prompt"), ({ text }) => Effect.succeed({ kept: text }))
        const serving = yield* Effect.forkChild(RemoteTool.serve(robot, [tool], { pauseMillis: 600_000 }))
        for (const _ of [1, 2]) {
          const { actionId, owner } = yield* Remote.approved("far.prompt")
          assert.strictEqual((yield* Remote.ended(owner, actionId, 10_000)).status, "Executed")
        }
        yield* Fiber.interrupt(serving)
      })
    )
  }
)
