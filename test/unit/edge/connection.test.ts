/** Connections without a network: what ends them, and what is left of one that ended. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as TestClock from "effect/testing/TestClock"
import type { HaltState } from "#layers/edge/api/HaltApi.ts"
import type { Deeds } from "#layers/edge/Deeds.ts"
import { type Hear, HaltNews } from "#layers/edge/HaltNews.ts"
import { Admission } from "#layers/edge/http/Admission.ts"
import * as Drain from "#layers/edge/http/Drain.ts"
import * as Connection from "#layers/edge/socket/Connection.ts"
import type { Follower } from "#layers/edge/socket/Follower.ts"
import { Held, type Listener } from "#layers/edge/socket/Listener.ts"
import type { Wire } from "#layers/edge/socket/Peer.ts"
import * as Registry from "#layers/edge/socket/Registry.ts"
import * as SocketDoor from "#layers/edge/socket/SocketDoor.ts"
import type { Tail } from "#layers/edge/socket/Tail.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { Identity } from "#src/ports/Identity.ts"
import * as World from "#test/kit/world.ts"

const halted: HaltState = { halted: true, by: null, since: null, cancelRunning: false, reason: null }
const gone = new Socket.SocketError({ reason: new Socket.SocketCloseError({ code: 1006 }) })

/** The door's side of connections whose peers are told by hand. */
const stage = Effect.gen(function* () {
  const lasting = yield* Scope.fork(yield* Effect.scope, "parallel")
  const drain = yield* Drain.make
  const hears: Array<Hear> = []
  const below = Layer.mergeAll(
    Layer.succeed(EventStore, {} as EventStore["Service"]),
    Layer.succeed(Identity, { renew: Effect.succeed } as unknown as Identity["Service"]),
    Layer.succeed(Admission, { take: () => Effect.void } as unknown as Admission["Service"]),
    Layer.succeed(Drain.Drain, drain),
    Layer.succeed(HaltNews, { listen: (hear) => Effect.sync(() => void hears.push(hear)) })
  )
  const serve = yield* Connection.make({
    deeds: { readable: {} } as unknown as Deeds,
    registry: yield* Registry.make<Listener, Follower>({
      socketsMax: 9,
      socketsPerPrincipalMax: 9,
      socketSessionsMax: 9
    }),
    tail: { handedOut: Effect.succeed(0) } as unknown as Tail,
    limits: SocketDoor.defaults,
    lasting
  }).pipe(Effect.provide(below))
  /** A connection: what comes of it goes into `told`, frames as they are and the code that it is closed with. */
  const open = Effect.gen(function* () {
    const frames = yield* Queue.make<string, Socket.SocketError>()
    const told: Array<any> = []
    const write = (chunk: unknown) =>
      Effect.sync(() => void told.push(typeof chunk === "string" ? JSON.parse(chunk) : (chunk as Socket.CloseEvent)))
    const wire = {
      pull: Effect.map(Queue.take(frames), (frame) => [frame] as const),
      writer: { write },
      tcp: { bytesRead: 0, bytesWritten: 0, writableLength: 0, destroyed: false }
    } as unknown as Wire
    const scope = yield* Scope.fork(lasting)
    serve(new Held("c", World.owner), World.owner, scope, wire)
    return {
      told,
      types: () => told.map(({ code, type }) => type ?? code),
      leaves: Queue.fail(frames, gone),
      isOver: () => scope.state._tag === "Closed"
    }
  })
  const news = (state: HaltState) => Effect.forEach(hears, (hear) => hear(state), { discard: true })
  return { open, news, drain, lasting }
})

describe("a connection", () => {
  it.effect("whose peer went has no more heartbeats and hears of no halt; the others have and do", () =>
    Effect.gen(function* () {
      const { news, open } = yield* stage
      const [left, stays] = [yield* open, yield* open]
      yield* TestClock.adjust(SocketDoor.defaults.heartbeatMillis)
      yield* left.leaves
      yield* TestClock.adjust(SocketDoor.defaults.heartbeatMillis)
      yield* news(halted)
      assert.isTrue(left.isOver())
      assert.deepStrictEqual(left.types(), ["heartbeat"])
      assert.deepStrictEqual(stays.types(), ["heartbeat", "heartbeat", "halt"])
    }).pipe(Effect.scoped)
  )

  it.effect("that opens once a halt is known hears of it", () =>
    Effect.gen(function* () {
      const { news, open } = yield* stage
      yield* news(halted)
      assert.deepStrictEqual((yield* open).types(), ["halt"])
    }).pipe(Effect.scoped)
  )

  it.effect("that opens once the door began to close is told to go", () =>
    Effect.gen(function* () {
      const { drain, open } = yield* stage
      yield* drain.begin
      yield* TestClock.adjust(1)
      const late = yield* open
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(late.types(), [1001])
      assert.isTrue(late.isOver())
    }).pipe(Effect.scoped)
  )

  it.effect("is told once that the door closes, and not where its peer went before", () =>
    Effect.gen(function* () {
      const { drain, open } = yield* stage
      const [left, stays] = [yield* open, yield* open]
      yield* left.leaves
      yield* TestClock.adjust(1)
      yield* drain.begin
      yield* TestClock.adjust(1)
      yield* stays.leaves
      yield* TestClock.adjust(1)
      assert.deepStrictEqual([left.types(), stays.types()], [[], [1001]])
    }).pipe(Effect.scoped)
  )

  it.effect("is over with what lasts at the latest", () =>
    Effect.gen(function* () {
      const { lasting, open } = yield* stage
      const one = yield* open
      yield* Scope.close(lasting, Exit.void)
      assert.isTrue(one.isOver())
    }).pipe(Effect.scoped)
  )
})
