/** Whose turn it is to send to one peer, without a network. Room, and a peer that makes none: `socket-slow.test.ts`. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import type * as Socket from "effect/socket/Socket"
import * as TestClock from "effect/testing/TestClock"
import type { Socket as TcpSocket } from "node:net"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Watched } from "#layers/edge/socket/Outbox.ts"

const stage = (outboxBytesMax = 10) => {
  const told: Array<string> = []
  let corked = false
  const tcp = {
    writableLength: 0,
    bytesWritten: 0,
    destroyed: false,
    cork: () => {
      corked = true
      told.push("cork")
    },
    uncork: () => {
      corked = false
      tcp.writableLength = 0
      told.push("uncork")
    }
  }
  const write = (chunk: string) =>
    Effect.sync(() => {
      told.push(chunk)
      if (corked) tcp.writableLength += chunk.length
    })
  const writer = { write } as unknown as Socket.Writer
  const outbox = new Watched(writer, tcp as unknown as TcpSocket, { outboxBytesMax, stallMillis: 1_000 }, () => {})
  const made: Array<string> = []
  /** Is made, and waits before it is sent. */
  const send = (name: string) => {
    const ready = Latch.makeUnsafe()
    const make = Effect.andThen(
      Effect.sync(() => void made.push(name)),
      Effect.as(ready.await, name)
    )
    return Effect.map(Effect.forkChild(outbox.send(make), { startImmediately: true }), (fiber) => ({
      fiber,
      go: Effect.andThen(
        Effect.sync(() => ready.openUnsafe()),
        TestClock.adjust(1)
      )
    }))
  }
  return { outbox, told, made, send }
}

describe("an outbox", () => {
  it.effect("makes a frame only once the one before it is on its way, whoever comes and leaves meanwhile", () =>
    Effect.gen(function* () {
      const { made, send, told } = stage()
      const [first, second] = [yield* send("1"), yield* send("2")]
      assert.deepStrictEqual(made, ["1"])
      yield* first.go
      const third = yield* send("3")
      assert.deepStrictEqual([made, told], [["1", "2"], ["1"]])
      yield* second.go
      yield* third.go
      assert.deepStrictEqual(told, ["1", "2", "3"])
      yield* (yield* send("4")).go
      assert.deepStrictEqual(told, ["1", "2", "3", "4"])
    })
  )

  it.effect("goes on where one that waited for its turn, or had it, is taken away", () =>
    Effect.gen(function* () {
      const { made, send, told } = stage()
      const [first, second, third] = [yield* send("1"), yield* send("2"), yield* send("3")]
      yield* Fiber.interrupt(second.fiber)
      yield* Fiber.interrupt(first.fiber)
      yield* third.go
      assert.deepStrictEqual([made, told], [["1", "3"], ["3"]])
    })
  )
})

describe("frames that are sent in one go", () => {
  it.live("leave at once where one is alone, and in one write where more come with it", () =>
    Effect.gen(function* () {
      const { outbox, told } = stage()
      const sendAll = (frames: ReadonlyArray<string>) =>
        Effect.forEach(frames, (frame) => outbox.send(Effect.succeed(frame)), { discard: true })
      yield* turn
      yield* sendAll(["1"])
      yield* turn
      assert.deepStrictEqual(told, ["1"])
      yield* sendAll(["2", "3", "4"])
      assert.deepStrictEqual(told.splice(0), ["1", "2", "cork", "3", "4"])
      yield* turn
      assert.deepStrictEqual(told.splice(0), ["uncork"])
      yield* sendAll(["5", "6"])
      yield* turn
      assert.deepStrictEqual(told, ["5", "cork", "6", "uncork"])
    })
  )

  it.live("hold nobody up where they alone take all the room", () =>
    Effect.gen(function* () {
      const { outbox, told } = stage(1)
      yield* Effect.forEach(["1", "2", "3", "4"], (frame) => outbox.send(Effect.succeed(frame)), { discard: true })
      assert.deepStrictEqual(told, ["1", "cork", "2", "uncork", "cork", "3", "uncork", "cork", "4"])
      yield* turn
      assert.deepStrictEqual(told.slice(9), ["uncork"])
    })
  )
})

describe("outboxes at rest", () => {
  it.live("hold no more than they did before anything was sent, also where a sender was taken away", () =>
    Effect.gen(function* () {
      const count = 20_000
      const outboxes = Array.from({ length: count }, () => stage().outbox)
      const before = held()
      for (const outbox of outboxes) {
        yield* outbox.send(Effect.succeed(null))
        yield* Fiber.interrupt(yield* Effect.forkChild(outbox.send(Effect.never), { startImmediately: true }))
      }
      // Turns of their own are some 250 bytes each.
      assert.isBelow((held() - before) / count, 100)
      assert.lengthOf(outboxes, count)
    })
  )
})

/** Bytes of what somebody holds. */
const held = (): number => {
  setFlagsFromString("--expose-gc")
  const collect = runInNewContext("gc") as () => void
  for (let round = 0; round < 3; round++) collect()
  return process.memoryUsage().heapUsed
}

const turn = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
