/** The client over a WebSocket whose other side says what the test tells it: what is tried again, and what is not. */
import { assert, describe, it } from "@effect/vitest"
import * as NodeWS from "@effect/platform-node/NodeWS"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import type { AddressInfo } from "node:net"
import * as Live from "#layers/client/Live.ts"
import * as Problems from "#layers/edge/Problems.ts"
import * as Replies from "#layers/edge/socket/Replies.ts"
import { PrincipalId, SessionId } from "#src/kernel/Ids.ts"

/** A frame of the client; the tests' own business what is in it. */
type Heard = any

/** Another side, by what it says to each frame; and all frames that it heard, in order. */
const peer = Effect.fnUntraced(function* (answer: (frame: Heard, times: number) => ReadonlyArray<object>) {
  const heard: Array<Heard> = []
  const server = yield* Effect.acquireRelease(
    Effect.callback<NodeWS.WebSocketServer>((resume) => {
      const server: NodeWS.WebSocketServer = new NodeWS.WebSocketServer({ host: "127.0.0.1", port: 0 }, () =>
        resume(Effect.succeed(server))
      )
      server.on("connection", (socket) =>
        socket.on("message", (data) => {
          const frame = JSON.parse((data as Buffer).toString("utf8"))
          heard.push(frame)
          const times = heard.filter(({ type }) => type === frame.type).length
          for (const told of answer(frame, times)) socket.send(JSON.stringify(told))
        })
      )
    }),
    (server) => Effect.sync(() => server.close())
  )
  const cut = Effect.sync(() => {
    for (const client of server.clients) client.terminate()
  })
  yield* Effect.addFinalizer(() => cut)
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const live = (options: Partial<Live.Options> = {}) =>
    Effect.provide(Live.make({ url, token: Redacted.make("token"), ...options }), Live.layerWebSocket)
  return { cut, live, of: (type: string) => heard.filter((frame) => frame.type === type) }
})

const refused = (id: string, code: Problems.Code) => ({
  ...Replies.problemFrame("0", id, Problems.make(code)),
  retryAfterSeconds: 0
})

const sessionId = SessionId.make(`ses_${"1".repeat(26)}`)
const executorId = PrincipalId.make("robot")

const session = {
  sessionId,
  ownerId: "ana",
  agentId: "assistant",
  status: "Open",
  createdAt: "2026-01-01T00:00:00.000Z",
  expiresAt: "2026-01-02T00:00:00.000Z",
  idleAt: "2026-01-01T01:00:00.000Z"
}

const event = (position: number) => ({
  position,
  eventId: `evt_${"1".repeat(26)}`,
  stream: `session:${sessionId}`,
  version: 1,
  type: "session.touched",
  schemaVersion: 1,
  occurredAt: "2026-01-01T00:00:00.000Z",
  actor: { kind: "HUMAN", id: "ana" },
  commandId: `cmd_${"1".repeat(26)}`,
  correlationId: `cor_${"1".repeat(26)}`,
  causationId: null,
  traceparent: null,
  refs: [],
  supersedes: null,
  payload: {},
  prevHash: "0".repeat(64),
  hash: "1".repeat(64)
})

describe("a wish over a WebSocket", () => {
  it.live("is said again, under the same key, where the service refuses it for now", () =>
    Effect.gen(function* () {
      const { live, of } = yield* peer(({ id, type }, times) => [
        times < 3 ? refused(id, "Overloaded") : Replies.answerFrame(type, id, { body: session, repeated: false })
      ])
      const { ask } = yield* live()
      assert.strictEqual((yield* ask("session.create", {})).body.sessionId, sessionId)
      const said = of("session.create")
      assert.strictEqual(said.length, 3)
      assert.strictEqual(new Set(said.map(({ key }) => key)).size, 1)
      assert.strictEqual(new Set(said.map(({ id }) => id)).size, 3)
    }).pipe(Effect.scoped)
  )

  it.live("is given up after as many times as it was told", () =>
    Effect.gen(function* () {
      const { live, of } = yield* peer(({ id }) => [refused(id, "Overloaded")])
      const { ask } = yield* live({ retriesMax: 2 })
      const error = yield* Effect.flip(ask("session.create", {}))
      assert.deepInclude(error, { _tag: "LiveRefused", code: "Overloaded", retryable: true })
      assert.strictEqual(of("session.create").length, 3)
    }).pipe(Effect.scoped)
  )

  it.live("is said once where the service refuses it for good", () =>
    Effect.gen(function* () {
      const { live, of } = yield* peer(({ id, type }) => [
        type === "session.create"
          ? refused(id, "Forbidden")
          : Replies.answerFrame(type, id, { body: {}, repeated: false })
      ])
      const { ask } = yield* live()
      assert.deepInclude(yield* Effect.flip(ask("session.create", {})), { code: "Forbidden", retryable: false })
      assert.strictEqual(of("session.create").length, 1)
    }).pipe(Effect.scoped)
  )
})

/** What is followed: how the client says it, and how it is told. */
const kinds = [
  {
    what: "a session's events",
    name: { sessionId },
    types: { subscribe: "subscribe", event: "event", end: "end" },
    follow: (live: Live.Live): Stream.Stream<Live.Event | Live.Work, Live.Refused | Live.Ended> =>
      live.events(sessionId, 4)
  },
  {
    what: "an agent's work",
    name: { executorId },
    types: { subscribe: "work.subscribe", event: "work", end: "work.end" },
    follow: (live: Live.Live): Stream.Stream<Live.Event | Live.Work, Live.Refused | Live.Ended> =>
      live.work(executorId, 4)
  }
] as const

for (const { follow, name, types, what } of kinds) {
  const took = ({ after, id }: Heard) => ({
    type: "answer",
    to: types.subscribe,
    id,
    repeated: false,
    body: { ...name, after }
  })
  const told = (sequence: number) => ({
    type: types.event,
    ...name,
    sequence,
    previous: sequence - 1,
    event: event(sequence)
  })
  const end = (sequence: number, code: Problems.Code) => {
    const { retryable, title } = Problems.definitionOf(code)
    return { type: types.end, ...name, sequence, code, detail: title, retryable }
  }

  describe(`a stream of ${what}`, () => {
    it.live("keeps the names of what it is told, whatever an object of the same shape was called before", () =>
      Effect.gen(function* () {
        const called = (sequence: number, member: string) => ({
          ...told(sequence),
          event: { ...event(sequence), payload: { [types.event]: 1, [member]: 2 } }
        })
        const { live } = yield* peer((frame) =>
          frame.type === types.subscribe ? [took(frame), called(5, "\\"), called(6, "\n")] : []
        )
        const seen = yield* follow(yield* live()).pipe(Stream.take(2), Stream.runCollect)
        assert.deepStrictEqual(
          seen.map(({ event }) => Object.keys(event.payload)[1]),
          ["\\", "\n"]
        )
      }).pipe(Effect.scoped)
    )

    it.live("goes on after the last one where the service ends it for now, and gives each once", () =>
      Effect.gen(function* () {
        const { live, of } = yield* peer((frame, times) => {
          if (frame.type !== types.subscribe) return []
          // Told again, as it is where the end overtook what was taken.
          return times === 1 ? [took(frame), told(5), told(6), end(6, "Unavailable")] : [took(frame), told(6), told(7)]
        })
        const seen = yield* follow(yield* live()).pipe(Stream.take(3), Stream.runCollect)
        assert.deepStrictEqual(
          seen.map(({ sequence }) => sequence),
          [5, 6, 7]
        )
        assert.deepStrictEqual(
          of(types.subscribe).map(({ after }) => after),
          [4, 6]
        )
      }).pipe(Effect.scoped)
    )

    it.live("goes on after the last one where the connection breaks", () =>
      Effect.gen(function* () {
        const { cut, live, of } = yield* peer((frame, times) =>
          frame.type === types.subscribe ? [took(frame), told(times === 1 ? 5 : 6)] : []
        )
        const seen = yield* follow(yield* live()).pipe(
          Stream.tap(({ sequence }) => (sequence === 5 ? cut : Effect.void)),
          Stream.take(2),
          Stream.runCollect
        )
        assert.deepStrictEqual(
          seen.map(({ sequence }) => sequence),
          [5, 6]
        )
        assert.deepStrictEqual(
          of(types.subscribe).map(({ after }) => after),
          [4, 5]
        )
      }).pipe(Effect.scoped)
    )

    it.live("is asked for again where the service does not take it for now", () =>
      Effect.gen(function* () {
        const { live, of } = yield* peer((frame, times) => {
          if (frame.type !== types.subscribe) return []
          return times === 1 ? [refused(frame.id, "Overloaded")] : [took(frame), told(5)]
        })
        const seen = yield* follow(yield* live()).pipe(Stream.take(1), Stream.runCollect)
        assert.strictEqual(seen[0]?.sequence, 5)
        assert.strictEqual(of(types.subscribe).length, 2)
      }).pipe(Effect.scoped)
    )

    it.live("gives what came before and fails, where the service ends it for good", () =>
      Effect.gen(function* () {
        const { live, of } = yield* peer((frame) =>
          frame.type === types.subscribe ? [took(frame), told(5), end(5, "Forbidden")] : []
        )
        const seen: Array<number> = []
        const error = yield* follow(yield* live()).pipe(
          Stream.runForEach(({ sequence }) => Effect.sync(() => void seen.push(sequence))),
          Effect.flip
        )
        assert.deepInclude(error, { _tag: "LiveRefused", code: "Forbidden", retryable: false })
        assert.deepStrictEqual(seen, [5])
        assert.strictEqual(of(types.subscribe).length, 1)
      }).pipe(Effect.scoped)
    )
  })
}
