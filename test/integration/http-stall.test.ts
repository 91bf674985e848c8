/** Readers that do not read are cut, and nothing grows meanwhile; readers that are only slow are served. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { connect } from "node:net"
import { EventStore } from "#src/ports/EventStore.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"

const stallMillis = 400

/** Far above what the two ends of a connection hold in the kernel, far below what a journal without end would fill. */
const heldUnitsMax = 64 * 1024 * 1024

/** A journal in which one event comes again and again, without end; counts what is taken of it. */
const endless = () => {
  const taken = { events: 0, units: 0 }
  const layer = Layer.effect(
    EventStore,
    Effect.map(EventStore, (store) =>
      EventStore.of({
        ...store,
        follow: (after) =>
          Stream.unwrap(
            Effect.map(store.readAll(0, 1_000), (events) => {
              const [longest] = events.toSorted((one, other) => other.text.length - one.text.length)
              return Stream.map(
                Stream.iterate(after + 1, (position) => position + 1),
                (position) => {
                  taken.events += 1
                  taken.units += longest!.text.length
                  return { ...longest!, position }
                }
              )
            })
          )
      })
    )
  ).pipe(Layer.provideMerge(World.make().layer))
  const limits = { stallMillis, eventStreamsMax: 1, requestsPerSecondMax: 1_000_000 }
  return { taken, door: Layer.fresh(Kit.doorOver(layer, { limits })) }
}

/** Asks to follow over a connection that is not read; returns once events are taken for it. */
const following = Effect.fnUntraced(function* (taken: { readonly events: number }) {
  const before = taken.events
  const { port, post } = yield* Kit.Caller
  const { sessionId } = (yield* post("/v1/sessions", { key: "s" })).json
  const body = { tool: "look", arguments: { text: "x".repeat(50_000) } }
  yield* post(`/v1/sessions/${sessionId}/actions`, { key: "a", body })
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() => connect(port, "127.0.0.1").on("error", () => undefined)),
    (socket) => Effect.sync(() => socket.destroy())
  )
  socket.pause()
  const token = Kit.tokenOf("owner")
  socket.write(`GET /v1/events/stream?after=0 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`)
  yield* Effect.eventually(Effect.suspend(() => (taken.events > before ? Effect.void : Effect.fail("not yet"))))
  return socket
})

/** Whether the one place is free: a HEAD keeps none. */
const free = Effect.flatMap(Kit.Caller, ({ port }) =>
  Effect.map(
    Effect.promise(() => Kit.send(port, "HEAD", "/v1/events/stream", {})),
    ({ status }) => status === 200
  )
)

/** Does something again and again until the place is free; how long that took after the last event was taken. */
const cut = Effect.fnUntraced(function* (taken: { readonly events: number }, meanwhile: () => void) {
  let events = 0
  let lastMillis = yield* Clock.currentTimeMillis
  const round = Effect.gen(function* () {
    meanwhile()
    if (taken.events !== events) lastMillis = yield* Clock.currentTimeMillis
    events = taken.events
    return yield* free
  })
  yield* Effect.repeat(round, { until: (room) => room, schedule: Schedule.spaced("10 millis") })
  return (yield* Clock.currentTimeMillis) - lastMillis
})

describe("a reader", () => {
  for (const [what, said] of [
    ["says nothing", ""],
    ["begins another request", `GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: ${"a".repeat(4_000)}`],
    ["asks for more and more", "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100)]
  ] as const) {
    it.live(`that does not read and ${what} is cut in time, gives its place back and held little`, () => {
      const { door, taken } = endless()
      return Effect.gen(function* () {
        const socket = yield* following(taken)
        let next = 0
        const millis = yield* cut(taken, () => socket.write(said.charAt(next++)))
        assert.isAtLeast(millis, stallMillis / 2)
        assert.isBelow(millis, 10 * stallMillis)
        assert.isBelow(taken.units, heldUnitsMax)
        yield* following(taken)
      }).pipe(Effect.scoped, Effect.provide(door))
    })
  }

  it.live("that is slow is served for as long as it reads", () => {
    const { door, taken } = endless()
    return Effect.gen(function* () {
      const socket = yield* following(taken)
      let bytes = 0
      const some = Effect.sync(() => {
        const chunk: Buffer | null = socket.read()
        bytes += chunk?.byteLength ?? 0
      })
      const slowly = Schedule.spaced("20 millis").pipe(Schedule.upTo({ duration: "2 seconds" }))
      yield* Effect.repeat(some, slowly)
      assert.isFalse(yield* free)
      assert.isFalse(socket.destroyed)
      assert.isAbove(bytes, 1_000_000)
      assert.isBelow(taken.units - bytes, heldUnitsMax, "and held back its own cursor")
    }).pipe(Effect.scoped, Effect.provide(door))
  })
})
