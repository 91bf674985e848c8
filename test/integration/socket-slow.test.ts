/** WebSockets whose peer does not read for a while. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Frames from "#layers/edge/api/Frames.ts"
import * as SocketDoor from "#layers/edge/socket/SocketDoor.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"
import * as Sockets from "./socket-kit.ts"

const serve = (changed: Partial<SocketDoor.Limits>) =>
  Kit.serve(World.make(), { limits: { sockets: { ...SocketDoor.defaults, outboxBytesMax: 64 * 1024, ...changed } } })

/** Two that follow one session, and more events of it than the buffers of two sockets and an outbox hold; one read nothing. */
const flooded = Effect.gen(function* () {
  const { post } = yield* Kit.Caller
  const [slow, fast] = [yield* Sockets.client(), yield* Sockets.client()]
  const sessionId = yield* Sockets.opened(fast, "slow")
  for (const client of [slow, fast]) yield* client.ask({ type: "subscribe", id: "s", sessionId })
  slow.ws.pause()
  const said = "x".repeat(60_000)
  const told = (type: string) => fast.frames.filter(({ event }) => event?.type === type).length
  for (let round = 0; round < 200; round++) {
    const body = { tool: "look", arguments: { text: said } }
    yield* post(`/v1/sessions/${sessionId}/actions`, { key: `slow-${round}`, body })
  }
  yield* fast.until(() => told("action.executed") === 200)
  return { slow, fast, sessionId }
})

const eventsOf = ({ frames }: Sockets.Client) => frames.filter(({ type }) => type === "event")

it.live(
  "a reader that does not read is told to come back, while others go on",
  () =>
    Effect.gen(function* () {
      const { fast, sessionId, slow } = yield* flooded
      slow.ws.resume()
      assert.deepStrictEqual(yield* slow.ended, { code: 4429, reason: Frames.closings[4429] })
      // It goes on after the last one it saw.
      const seen = eventsOf(slow)
      assert.isBelow(seen.length, eventsOf(fast).length)
      const again = yield* Sockets.client()
      yield* again.ask({ type: "subscribe", id: "s", sessionId, after: seen.at(-1).sequence })
      const last = eventsOf(fast).at(-1).sequence
      yield* again.until(({ sequence }) => sequence === last)
      assert.deepStrictEqual(
        [...seen, ...eventsOf(again)].map(({ sequence }) => sequence),
        eventsOf(fast).map(({ sequence }) => sequence)
      )
    }).pipe(Effect.scoped, Effect.provide(serve({ stallMillis: 300, closeMillis: 20_000 }))),
  60_000
)

it.live(
  "heartbeats do not pile up for a reader that does not read: one waits, whatever time goes by",
  () =>
    Effect.gen(function* () {
      const { fast, slow } = yield* flooded
      const beats = ({ frames }: Sockets.Client) => frames.filter(({ type }) => type === "heartbeat").length
      const missed = 50
      const before = beats(fast)
      yield* fast.until(() => beats(fast) >= before + missed)
      slow.ws.resume()
      const last = eventsOf(fast).at(-1).sequence
      yield* slow.until(({ sequence, type }) => type === "event" && sequence === last)
      assert.isAtMost(beats(slow), beats(fast) - missed + 1)
    }).pipe(Effect.scoped, Effect.provide(serve({ heartbeatMillis: 10, stallMillis: 60_000 }))),
  60_000
)
