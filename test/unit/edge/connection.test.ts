/** Connections without a network: what ends them, and what is left of one that ended. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
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
import * as Bounds from "#src/kernel/Bounds.ts"
import { KeyId } from "#src/kernel/Ids.ts"
import { EventStore, EventStoreError } from "#src/ports/EventStore.ts"
import { Identity, type Principal, Unauthenticated } from "#src/ports/Identity.ts"
import * as World from "#test/kit/world.ts"

const halted: HaltState = { halted: true, by: null, since: null, cancelRunning: false, reason: null }
const gone = new Socket.SocketError({ reason: new Socket.SocketCloseError({ code: 1006 }) })

const unavailable = new EventStoreError({ reason: "Unavailable", operation: "get", detail: "gone", retryable: true })

/** Whose key can be revoked. */
const keyed: Principal = { ...World.owner, keyId: KeyId.make(`key_${"1".repeat(26)}`) }

const touch = { type: "session.touch", key: "k", params: { sessionId: `ses_${"0".repeat(26)}` } }

/** What a test waits for or looks at. */
interface Hooks {
  /** Before a frame is let in. */
  readonly admit?: Effect.Effect<void>
  /** Before a peer hears that its connection is closed. */
  readonly close?: Effect.Effect<void>
  readonly commands?: { readonly [type: string]: () => Effect.Effect<unknown> }
}

/** The door's side of connections whose peers are told by hand. */
const stageWith = Effect.fnUntraced(function* (renew: Identity["Service"]["renew"], hooks: Hooks = {}) {
  const lasting = yield* Scope.fork(yield* Effect.scope, "parallel")
  const drain = yield* Drain.make
  const hears: Array<Hear> = []
  const below = Layer.mergeAll(
    Layer.mock(EventStore, {}),
    Layer.mock(Identity, { renew }),
    Layer.mock(Admission, { take: () => hooks.admit ?? Effect.void }),
    Layer.succeed(Drain.Drain, drain),
    Layer.succeed(HaltNews, { listen: (hear) => Effect.sync(() => void hears.push(hear)) })
  )
  const serve = yield* Connection.make({
    deeds: { readable: {}, commands: hooks.commands ?? {} } as unknown as Deeds,
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
  const openAs = Effect.fnUntraced(function* (listener: Held, by: Principal) {
    const frames = yield* Queue.make<string, Socket.SocketError>()
    const told: Array<any> = []
    const write = (chunk: unknown) =>
      typeof chunk === "string"
        ? Effect.sync(() => void told.push(JSON.parse(chunk)))
        : Effect.andThen(
            Effect.sync(() => void told.push(chunk as Socket.CloseEvent)),
            hooks.close ?? Effect.void
          )
    let bytesRead = 0
    let looks = 0
    const tcp = {
      get bytesRead() {
        looks += 1
        return bytesRead
      },
      bytesWritten: 0,
      writableLength: 0,
      cork: () => {},
      uncork: () => {},
      destroyed: false,
      once: () => {},
      off: () => {}
    }
    const wire = {
      pull: Effect.map(Queue.take(frames), (frame) => [frame] as const),
      writer: { write },
      tcp
    } as unknown as Wire
    const scope = yield* Scope.make()
    return {
      scope,
      peer: serve(listener, by, scope, wire),
      looks: () => looks,
      told,
      types: () => told.map(({ code, type }) => type ?? code),
      /** From now on, with so much before it. */
      takesNothing: (bytes: number) => void (tcp.writableLength = bytes),
      reads: (bytes: number) => void (bytesRead += bytes),
      says: (frame: object) => Queue.offer(frames, JSON.stringify(frame)),
      leaves: Queue.fail(frames, gone),
      isOver: () => scope.state._tag === "Closed"
    }
  })
  const news = (state: HaltState) => Effect.forEach(hears, (hear) => hear(state), { discard: true })
  const open = Effect.suspend(() => openAs(new Held("c", World.owner), World.owner))
  return { open, openAs, news, drain, lasting }
})

const stage = stageWith(Effect.succeed)

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

  it.effect("ends where half a frame came and for a whole round the rest did not, and not where it did", () =>
    Effect.gen(function* () {
      const { open } = yield* stage
      const { frameMillis } = SocketDoor.defaults
      const [half, whole, quiet] = [yield* open, yield* open, yield* open]
      for (const one of [half, whole]) one.reads(Bounds.socketPartialBytes + 1)
      quiet.reads(Bounds.socketPartialBytes)
      yield* TestClock.adjust(frameMillis)
      assert.deepStrictEqual(half.types().filter(Number.isInteger), [])
      yield* whole.says({ type: "ping", id: "1" })
      yield* TestClock.adjust(frameMillis)
      const codes = [half, whole, quiet].map((one) => one.types().filter(Number.isInteger))
      assert.deepStrictEqual(codes, [[4408], [], []])
    }).pipe(Effect.scoped)
  )

  it.effect("is held while the store does not say whether its key stands, and let go once it does", () => {
    let broken = true
    const renew = (by: Principal) => (broken ? Effect.fail(unavailable) : Effect.succeed(by))
    return Effect.gen(function* () {
      const { openAs } = yield* stageWith(renew)
      const listener = new Held("c", keyed)
      yield* openAs(listener, keyed)
      yield* TestClock.adjust("1 minute")
      assert.isFalse(listener.isTrusted())
      broken = false
      yield* TestClock.adjust("1 second")
      assert.isTrue(listener.isTrusted())
    }).pipe(Effect.scoped)
  })

  it.effect("is over with what lasts at the latest, and what works for it is over before its scope closes", () =>
    Effect.gen(function* () {
      const over: Array<string> = []
      const said = (name: string) => Effect.sync(() => void over.push(name))
      const { lasting, openAs } = yield* stageWith(() => Effect.onInterrupt(Effect.never, () => said("look")))
      const open = (name: string) =>
        Effect.gen(function* () {
          const one = yield* openAs(new Held(name, keyed), keyed)
          yield* Scope.addFinalizer(one.scope, said(name))
          return one
        })
      const [left, stays] = [yield* open("left"), yield* open("stays")]
      yield* left.leaves
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(over, ["look", "left"])
      yield* Scope.close(lasting, Exit.void)
      assert.deepStrictEqual(over, ["look", "left", "look", "stays"])
      assert.isTrue(stays.isOver())
    }).pipe(Effect.scoped)
  )

  it.effect("is kept by nobody once it ended, and by nothing that it did before", () =>
    Effect.gen(function* () {
      const commands = { "session.touch": () => Effect.succeed({ body: {}, repeated: false }) }
      const { news, openAs } = yield* stageWith(Effect.succeed, { commands })
      const { frameMillis, heartbeatMillis } = SocketDoor.defaults
      const { leaves, looks, peer, says, types } = yield* openAs(new Held("c", World.owner), World.owner)
      yield* says({ ...touch, id: "1" })
      yield* says({ ...touch, id: "2" })
      yield* TestClock.adjust(heartbeatMillis)
      assert.deepStrictEqual(types(), ["answer", "answer", "heartbeat"])
      assert.strictEqual(peer.working.size, 1, "the one that reads")
      yield* leaves
      yield* TestClock.adjust(1)
      const before = looks()
      yield* TestClock.adjust(2 * Math.max(frameMillis, heartbeatMillis))
      yield* news(halted)
      assert.deepStrictEqual([peer.working.size, looks() - before, peer.beating, peer.untold], [0, 0, false, null])
    }).pipe(Effect.scoped)
  )

  it.effect("is told the first reason only, and the door waits until it has been", () =>
    Effect.gen(function* () {
      const [revoked, heard] = [Latch.makeUnsafe(), Latch.makeUnsafe()]
      const gone = new Unauthenticated({ retryable: false })
      const { lasting, openAs } = yield* stageWith(() => Effect.andThen(revoked.await, gone), { close: heard.await })
      yield* Effect.addFinalizer(() => Effect.sync(() => heard.openUnsafe()))
      const { heartbeatMillis, outboxBytesMax, stallMillis } = SocketDoor.defaults
      const one = yield* openAs(new Held("c", keyed), keyed)
      one.takesNothing(outboxBytesMax)
      yield* TestClock.adjust(heartbeatMillis)
      revoked.openUnsafe()
      yield* TestClock.adjust(stallMillis)
      const closing = yield* Effect.forkChild(Scope.close(lasting, Exit.void), { startImmediately: true })
      yield* TestClock.adjust(1)
      assert.deepStrictEqual([one.types(), one.isOver(), closing.pollUnsafe()], [[4401], false, undefined])
      heard.openUnsafe()
      yield* Fiber.join(closing)
      assert.deepStrictEqual([one.types(), one.isOver()], [[4401], true])
    }).pipe(Effect.scoped)
  )

  it.effect("that opens after all that lasts is over is over at once", () =>
    Effect.gen(function* () {
      const { lasting, open } = yield* stage
      yield* Scope.close(lasting, Exit.void)
      const late = yield* open
      yield* TestClock.adjust(1)
      assert.isTrue(late.isOver())
    }).pipe(Effect.scoped)
  )

  it.effect("does nothing more of what it read before it ended, however long its peer takes to hear so", () =>
    Effect.gen(function* () {
      const [admitted, revoked, heard] = [Latch.makeUnsafe(), Latch.makeUnsafe(), Latch.makeUnsafe()]
      let looks = 0
      const deeds: Array<string> = []
      const { openAs } = yield* stageWith(
        (by) => {
          looks += 1
          return looks > 1
            ? Effect.succeed(by)
            : Effect.andThen(revoked.await, new Unauthenticated({ retryable: false }))
        },
        {
          admit: admitted.await,
          commands: { "session.touch": () => Effect.sync(() => deeds.push("touch")) },
          close: heard.await
        }
      )
      yield* Effect.addFinalizer(() => Effect.sync(() => heard.openUnsafe()))
      const one = yield* openAs(new Held("c", keyed), keyed)
      yield* one.says({ ...touch, id: "1" })
      yield* TestClock.adjust(1)
      revoked.openUnsafe()
      yield* TestClock.adjust(1)
      admitted.openUnsafe()
      yield* TestClock.adjust(1)
      assert.isFalse(one.isOver())
      heard.openUnsafe()
      yield* TestClock.adjust(1)
      assert.deepStrictEqual([deeds, one.types()], [[], [4401]])
      assert.isTrue(one.isOver())
    }).pipe(Effect.scoped)
  )
})
