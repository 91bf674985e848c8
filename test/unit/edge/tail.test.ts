/** New events on their way to followers, told by hand: what a heartbeat may promise, and what waits for a key. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import type { Show } from "#layers/edge/http/Show.ts"
import * as Deliveries from "#layers/edge/socket/Deliveries.ts"
import * as Belonging from "#layers/edge/Belonging.ts"
import * as Followed from "#layers/edge/socket/Followed.ts"
import * as Follower from "#layers/edge/socket/Follower.ts"
import type { Listener } from "#layers/edge/socket/Listener.ts"
import * as Registry from "#layers/edge/socket/Registry.ts"
import * as Tail from "#layers/edge/socket/Tail.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import { PrincipalId, SessionId } from "#src/kernel/Ids.ts"
import { EventStoreError, type EventStore, Rows } from "#src/ports/EventStore.ts"
import { Feed } from "#src/ports/Feed.ts"

const sessionId = SessionId.make(`ses_${"1".repeat(26)}`)
const places = { socketsMax: 9, socketsPerPrincipalMax: 9, socketSessionsMax: 9 }
const limits = { queueEventsMax: 9, queueTextMax: 1_000 }

/** All of an event that is looked at here. */
const event = (stream: string, position: number, payload: object = {}) =>
  ({ position, text: "text", envelope: { stream, payload } }) as unknown as StoredEvent

/** A listener that is trusted as often as is said, then always. */
const listener = (trusted: Array<boolean> = []): Listener & { readonly held: () => number } => {
  let held = 0
  return {
    id: "c",
    principalId: PrincipalId.make("ana"),
    hold: () => void (held += 1),
    trusted: Effect.void,
    isTrusted: () => trusted.shift() ?? true,
    held: () => held
  }
}

/** A feed that is told by hand, over rows that answer when they are told to. */
const stage = Effect.fnUntraced(function* (look: Effect.Effect<never, EventStoreError>, mine = listener()) {
  let position = 10
  let hear: (stored: StoredEvent) => Effect.Effect<void> = () => Effect.void
  const feed = Layer.succeed(Feed, {
    changed: () => Effect.succeed(Effect.never),
    listen: (listener) => Effect.sync(() => void (hear = listener)),
    position: Effect.sync(() => position)
  })
  const unasked = Effect.die("nobody asks")
  const rows = Layer.succeed(Rows, {
    get: () => look,
    list: () => unasked,
    counter: () => unasked,
    counters: () => unasked
  })
  const registry = yield* Registry.make<Listener, Follower.Follower>(places)
  yield* registry.admit(mine)
  const tail = yield* Tail.make(registry).pipe(
    Effect.provide(Layer.mergeAll(feed, Layer.provide(Belonging.layer, rows)))
  )
  const told: Array<any> = []
  const outbox = {
    send: <E, R>(make: Effect.Effect<string | null, E, R>) =>
      Effect.map(make, (frame) => void (frame === null ? told.push(null) : told.push(JSON.parse(frame)))),
    hasRoom: () => true,
    room: Effect.void
  }
  const scope = yield* Scope.fork(yield* Effect.scope)
  const peer: Deliveries.Following = { listener: mine, outbox, scope, running: undefined, readTurns: undefined }
  const deliveries = Deliveries.make({
    store: { head: Effect.sync(() => position), readAll: () => Effect.succeed([]) } as unknown as EventStore["Service"],
    show: { event: ({ position }: StoredEvent) => Effect.succeed({ position, payload: {} }) } as unknown as Show,
    tail,
    registry,
    limits
  })
  const frames = (type: string) => told.filter((frame) => frame?.type === type)
  return {
    follow: (followed: Followed.Followed) => deliveries.follow(peer, followed, { id: "s" }),
    registry,
    told,
    frames,
    tell: (stored: StoredEvent) =>
      Effect.suspend(() => {
        position = stored.position
        return hear(stored)
      }),
    beat: deliveries.heartbeat(peer),
    heartbeat: Effect.map(deliveries.heartbeat(peer), () => frames("heartbeat").at(-1).sessions[0].sequence as number)
  }
})

const until = (holds: () => boolean) =>
  Effect.eventually(Effect.suspend(() => (holds() ? Effect.void : Effect.fail("not yet"))))

describe("the tail of the journal", () => {
  it.live(
    "is said to be complete only up to what was handed out, while the session of the next event is looked up",
    () =>
      Effect.gen(function* () {
        const failed = yield* Deferred.make<never, EventStoreError>()
        const { follow, heartbeat, registry, tell } = yield* stage(Deferred.await(failed))
        yield* follow(Followed.session(sessionId))
        const [follower] = yield* registry.followersOf(Followed.sessionOf(sessionId))
        yield* until(() => !follower!.isBehind())
        const telling = yield* Effect.forkChild(tell(event(`action:act_${"1".repeat(26)}`, 11)))
        yield* Effect.yieldNow
        assert.strictEqual(yield* heartbeat, 10)
        // It can't be found out: the journal is read, so that nothing is missed, and nothing promised before.
        const gone = { reason: "Unavailable", operation: "get", detail: "gone", retryable: true } as const
        yield* Deferred.fail(failed, new EventStoreError(gone))
        yield* Fiber.join(telling)
        assert.strictEqual(follower!.cursor(), 10)
        assert.strictEqual(yield* heartbeat, 10)
      }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))
  )

  it.live("hands each event to whoever follows its session, and to nobody else", () =>
    Effect.gen(function* () {
      const { follow, frames, registry, tell } = yield* stage(Effect.die("nobody asks"))
      yield* follow(Followed.session(sessionId))
      const [follower] = yield* registry.followersOf(Followed.sessionOf(sessionId))
      yield* until(() => !follower!.isBehind())
      yield* tell(event(`session:ses_${"2".repeat(26)}`, 11))
      yield* tell(event(`session:${sessionId}`, 12))
      yield* until(() => frames("event").length > 0)
      assert.deepStrictEqual(
        frames("event").map(({ previous, sequence }) => [previous, sequence]),
        [[10, 12]]
      )
    }).pipe(Effect.scoped)
  )

  it.live("hands an agent its work, and passes over what it may not be told as over what is not for it", () =>
    Effect.gen(function* () {
      const { beat, follow, frames, registry, tell } = yield* stage(Effect.die("nobody asks"))
      const executorId = PrincipalId.make("robot")
      const asked: Array<number> = []
      const work = Followed.work(executorId, ({ position }) =>
        Effect.sync(() => {
          asked.push(position)
          return position !== 12
        })
      )
      yield* follow(work)
      const [follower] = yield* registry.followersOf(work.key)
      yield* until(() => !follower!.isBehind())
      const action = (digit: string) => `action:act_${digit.repeat(26)}`
      const executor = { principalId: executorId }
      yield* tell(event(action("1"), 11, { sessionId, executor }))
      yield* tell(event(action("1"), 12))
      yield* tell(event(action("2"), 13, { sessionId, executor: { principalId: "another" } }))
      yield* tell(event(action("3"), 14, { sessionId }))
      yield* tell(event(`session:${sessionId}`, 15))
      yield* tell(event(action("1"), 16))
      yield* until(() => frames("work").length > 1)
      assert.deepStrictEqual(
        frames("work").map(({ executorId, previous, sequence }) => [executorId, previous, sequence]),
        [
          ["robot", 10, 11],
          ["robot", 11, 16]
        ]
      )
      assert.deepStrictEqual(asked, [11, 12, 16])
      yield* tell(event(`session:${sessionId}`, 17))
      yield* beat
      assert.deepStrictEqual(frames("heartbeat").at(-1), {
        type: "heartbeat",
        sessions: [],
        work: [{ executorId: "robot", sequence: 17 }]
      })
    }).pipe(Effect.scoped)
  )

  it.live("holds a principal's connections at what is committed about it", () =>
    Effect.gen(function* () {
      const mine = listener()
      const { tell } = yield* stage(Effect.die("nobody asks"), mine)
      yield* tell(event("principal:bob", 11))
      assert.strictEqual(mine.held(), 0)
      yield* tell(event("principal:ana", 12))
      assert.strictEqual(mine.held(), 1)
    }).pipe(Effect.scoped)
  )

  it.live("tells an event that was shown while there was a doubt only once there is none, and once", () =>
    Effect.gen(function* () {
      const { follow, frames, registry, tell, told } = yield* stage(Effect.die("nobody asks"), listener([false, false]))
      yield* follow(Followed.session(sessionId))
      const [follower] = yield* registry.followersOf(Followed.sessionOf(sessionId))
      yield* until(() => !follower!.isBehind())
      yield* tell(event(`session:${sessionId}`, 11))
      yield* until(() => frames("event").length > 0)
      assert.lengthOf(
        told.filter((frame) => frame === null),
        2
      )
      assert.lengthOf(frames("event"), 1)
    }).pipe(Effect.scoped)
  )
})
