/** What a goal leaves for a service that shares its machine. */
import { assert, describe, it } from "@effect/vitest"
import * as Room from "../../../bench/kit/Room.ts"

const given: Room.Given = { floorPerSecond: 10_000, ofFloor: 0.5, processors: 2, databaseMicros: 150, clientMicros: 50 }

describe("the room that a goal leaves", () => {
  it("is the processors' time for a command, without that of database and clients", () =>
    // 5,000 commands a second: 200 microseconds on each of two processors.
    assert.closeTo(Room.leftMicros({ ...given, clientMicros: 100 }), 150, 1e-9))

  it("is never more than one thread has, however many processors there are", () =>
    assert.closeTo(Room.leftMicros({ ...given, processors: 64 }), 200, 1e-9))

  it("is less than nothing where database and clients need more than there is", () =>
    assert.closeTo(Room.leftMicros({ ...given, ofFloor: 1, clientMicros: 100 }), -50, 1e-9))
})

describe("the goals of commands over WebSocket", () => {
  it.each([
    [20, 0.5, 400, true],
    [20, 0.49, 1, false],
    [200, 1, 24.9, true],
    [200, 0.99, 24.9, false],
    [200, 1, 25, false],
    [40, 1, 1, null]
  ])("with %d outstanding, %d of the floor, a p99 of %d ms: met %s", (outstanding, ofFloor, p99Millis, met) =>
    assert.strictEqual(Room.isMet(outstanding, ofFloor, p99Millis), met)
  )
})
