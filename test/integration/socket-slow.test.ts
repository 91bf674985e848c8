/** WebSockets whose peer does not read for a while, or whose work takes its time to end. */
import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Frames from "#layers/edge/api/Frames.ts"
import * as SocketDoor from "#layers/edge/socket/SocketDoor.ts"
import { Gateway } from "#src/gateway/Protocol.ts"
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

/** Sessions are created once `wait` let them, by their key. */
const creating = (wait: (key: string) => Effect.Effect<void>) =>
  Layer.effect(
    Gateway,
    Effect.map(Gateway, (gateway) => ({
      ...gateway,
      createSession: (...args: Parameters<typeof gateway.createSession>) =>
        Effect.andThen(wait(args[1]), gateway.createSession(...args))
    }))
  ).pipe(Layer.provideMerge(World.make().layer))

it.live("nothing that comes after its end is done, while what was in hand is still being undone", () => {
  const begun = Deferred.makeUnsafe<void>()
  const goOn = Deferred.makeUnsafe<void>()
  const asked: Array<string> = []
  const slow = Effect.uninterruptible(Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(goOn)))
  const held = creating((key) => {
    asked.push(key)
    return key === "slow" ? slow : Effect.void
  })
  return Effect.gen(function* () {
    const [client, other] = [yield* Sockets.client(), yield* Sockets.client()]
    client.send({ type: "session.create", id: "0", key: "slow" })
    yield* Deferred.await(begun)
    for (let one = 0; one <= 10; one++) client.send("nonsense")
    client.send({ type: "session.create", id: "1", key: "late" })
    yield* client.until(() => client.frames.filter(({ type }) => type === "problem").length > 10)
    // The service had its time to do what came later.
    for (const key of ["a", "b", "c"]) yield* other.ask({ type: "session.create", id: key, key })
    yield* Deferred.succeed(goOn, undefined)
    assert.strictEqual((yield* client.ended).code, 4400)
    assert.deepStrictEqual(asked, ["slow", "a", "b", "c"])
  }).pipe(Effect.scoped, Effect.provide(Kit.doorOver(held)))
})

it.live("what is in hand ends together: each has begun to before the first is done with it", () => {
  const all = 10
  const [begun, ending] = [Latch.makeUnsafe(), Latch.makeUnsafe()]
  let [running, stopping] = [0, 0]
  const held = creating(() =>
    Effect.andThen(
      Effect.sync(() => void (++running === all && begun.openUnsafe())),
      Effect.never
    ).pipe(
      Effect.onInterrupt(() =>
        Effect.suspend(() => {
          if (++stopping === all) ending.openUnsafe()
          return ending.await
        })
      )
    )
  )
  return Effect.gen(function* () {
    const client = yield* Sockets.client()
    for (let id = 0; id < all; id++) client.send({ type: "session.create", id: `${id}`, key: `k${id}` })
    yield* begun.await
    client.ws.terminate()
    yield* ending.await
  }).pipe(Effect.scoped, Effect.timeout("10 seconds"), Effect.provide(Kit.doorOver(held)))
})
