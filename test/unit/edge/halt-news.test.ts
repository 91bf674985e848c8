/** A halt on its way to those who are connected: looked at once for all of them, and told to each when that may be. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import type { HaltState } from "#layers/edge/api/HaltApi.ts"
import * as HaltNews from "#layers/edge/HaltNews.ts"
import { LongPoll } from "#layers/edge/http/LongPoll.ts"
import * as Listener from "#layers/edge/socket/Listener.ts"
import * as Notices from "#layers/edge/socket/Notices.ts"
import type { Outbox } from "#layers/edge/socket/Outbox.ts"
import { KeyId } from "#src/kernel/Ids.ts"
import * as Sealed from "#src/kernel/Sealed.ts"
import { EventStoreError, Rows } from "#src/ports/EventStore.ts"
import { Feed } from "#src/ports/Feed.ts"
import { Vault } from "#src/ports/Vault.ts"
import { actor } from "#test/kit/decider.ts"
import * as World from "#test/kit/world.ts"

const running: HaltState = { halted: false, by: null, since: null, cancelRunning: false, reason: null }
const halted = (reason: string): HaltState => ({
  halted: true,
  by: actor("HUMAN", "owner"),
  since: "1970-01-01T00:00:00.005Z",
  cancelRunning: false,
  reason
})

const unasked = () => Effect.die("nobody asks")
const gone = new EventStoreError({ reason: "Unavailable", operation: "get", detail: "gone", retryable: true })

/** News over a row and a feed that are told by hand. */
const stage = () => {
  let row: string | null = null
  let broken = false
  let looks = 0
  let changed = Deferred.makeUnsafe<void>()
  const get = () =>
    Effect.suspend(() => {
      looks += 1
      if (broken) return Effect.fail(gone)
      if (row === null) return Effect.succeed(null)
      const body = {
        by: { kind: "HUMAN", id: "owner" },
        sinceMillis: 5,
        reason: Sealed.plain(row),
        cancelRunning: false
      }
      return Effect.succeed({ key: "all", body })
    })
  const below = Layer.mergeAll(
    Layer.succeed(Rows, { get, list: unasked, counter: unasked, counters: unasked } as unknown as Rows["Service"]),
    Layer.succeed(Feed, {
      changed: (stream) => Effect.sync(() => (stream === "halt:all" ? Deferred.await(changed) : Effect.never)),
      listen: unasked,
      position: Effect.succeed(0)
    }),
    Layer.succeed(Vault, {
      open: (value: unknown) => Effect.succeed(Sealed.isPlain(value) ? value.value : null)
    } as unknown as Vault["Service"]),
    Layer.succeed(LongPoll, { until: unasked } as unknown as LongPoll["Service"])
  )
  return {
    make: HaltNews.make.pipe(Effect.provide(below)),
    looks: () => looks,
    breaks: (now: boolean) => void (broken = now),
    commit: (reason: string | null) =>
      Effect.suspend(() => {
        row = reason
        const woken = changed
        changed = Deferred.makeUnsafe<void>()
        return Deferred.succeed(woken, undefined)
      })
  }
}

const until = (holds: () => boolean) =>
  Effect.eventually(Effect.suspend(() => (holds() ? Effect.void : Effect.fail("not yet"))))

describe("news of a halt", () => {
  it.effect("are what stands, then each change: one look for all who listen, and none while nothing changes", () =>
    Effect.gen(function* () {
      const { commit, looks, make } = stage()
      const { listen } = yield* make
      const heard: Array<Array<HaltState>> = [[], [], []]
      for (const mine of heard) yield* listen((state) => Effect.sync(() => void mine.push(state)))
      yield* until(() => heard.every((mine) => mine.length === 1))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(looks(), 1)
      yield* commit("a drill")
      yield* until(() => heard.every((mine) => mine.length === 2))
      assert.strictEqual(looks(), 2)
      const late: Array<HaltState> = []
      yield* Effect.scoped(listen((state) => Effect.sync(() => void late.push(state))))
      assert.strictEqual(looks(), 2)
      yield* commit(null)
      yield* until(() => heard.every((mine) => mine.length === 3))
      for (const mine of heard) assert.deepStrictEqual(mine, [running, halted("a drill"), running])
      assert.deepStrictEqual(late, [halted("a drill")], "who left hears no more")
    }).pipe(Effect.scoped)
  )

  it.effect("claim nothing before the first look that succeeds, and look again after one that does not", () =>
    Effect.gen(function* () {
      const { breaks, commit, looks, make } = stage()
      breaks(true)
      const heard: Array<HaltState> = []
      const { listen } = yield* make
      yield* listen((state) => Effect.sync(() => void heard.push(state)))
      yield* until(() => looks() === 1)
      yield* commit("a drill")
      assert.deepStrictEqual(heard, [])
      breaks(false)
      yield* TestClock.adjust("1 second")
      yield* until(() => heard.length > 0)
      assert.deepStrictEqual(heard, [halted("a drill")])
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))
  )
})

/** A peer whose reading is told by hand. */
const peer = Effect.fnUntraced(function* (keyId?: KeyId) {
  const listener = new Listener.Held("c", keyId === undefined ? World.owner : { ...World.owner, keyId })
  const told: Array<unknown> = []
  let sends = 0
  let room = Deferred.makeUnsafe<void>()
  const outbox: Outbox = {
    send: (make) =>
      Effect.andThen(
        Effect.suspend(() => {
          sends += 1
          return Deferred.await(room)
        }),
        Effect.map(make, (frame) => void (frame === null || told.push(JSON.parse(frame))))
      ),
    hasRoom: () => true,
    room: Effect.void
  }
  const fibers = yield* FiberSet.make<void, never>()
  const notice: Notices.Notice = { listener, outbox, untold: null }
  return {
    listener,
    told,
    sends: () => sends,
    tell: (state: HaltState) =>
      Effect.suspend(() => {
        const telling = Notices.take(notice, state)
        return telling === null ? Effect.void : FiberSet.run(fibers, telling)
      }),
    reads: Effect.suspend(() => Deferred.succeed(room, undefined)),
    stops: () => void (room = Deferred.makeUnsafe<void>()),
    fibers: FiberSet.size(fibers)
  }
})

describe("a notice of a halt", () => {
  it.effect("waits for a peer that does not read, one at most, and is then the newest", () =>
    Effect.gen(function* () {
      const { fibers, reads, stops, tell, told } = yield* peer()
      for (const index of Array.from({ length: 100 }).keys()) yield* tell(halted(`drill ${index}`))
      assert.strictEqual(yield* fibers, 1)
      assert.deepStrictEqual(told, [])
      yield* reads
      yield* until(() => told.length > 0)
      assert.deepStrictEqual(told, [{ type: "halt", halt: halted("drill 99") }])
      stops()
      yield* tell(running)
      yield* reads
      yield* until(() => told.length === 2)
      assert.deepStrictEqual(told.at(-1), { type: "halt", halt: running })
    }).pipe(Effect.scoped)
  )

  it.effect("costs no fiber once it is told", () =>
    Effect.gen(function* () {
      const { fibers, reads, tell, told } = yield* peer()
      yield* reads
      yield* tell(running)
      yield* until(() => told.length === 1)
      yield* Effect.eventually(Effect.filterOrFail(fibers, (size) => size === 0))
    }).pipe(Effect.scoped)
  )

  it.effect("is told only while nothing speaks against the peer's key", () =>
    Effect.gen(function* () {
      const { listener, reads, sends, stops, tell, told } = yield* peer(KeyId.make(`key_${"1".repeat(26)}`))
      yield* reads
      yield* tell(running)
      assert.deepStrictEqual(told, [])
      listener.trust(listener.doubts)
      yield* until(() => told.length === 1)
      // A doubt that comes while it waits for room counts too.
      stops()
      yield* tell(halted("a drill"))
      listener.hold()
      yield* reads
      yield* Effect.yieldNow.pipe(Effect.repeat({ times: 100 }))
      assert.lengthOf(told, 1)
      // Once more than what was told, and then it waits for trust.
      assert.strictEqual(sends(), 2)
      listener.trust(listener.doubts)
      yield* until(() => told.length === 2)
      assert.deepStrictEqual(told.at(-1), { type: "halt", halt: halted("a drill") })
    }).pipe(Effect.scoped)
  )
})
