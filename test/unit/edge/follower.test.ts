/** One reader's place in a session's events: exact, bounded, and never said to be further than it is. */
import { assert, describe, it } from "@effect/vitest"
import * as Follower from "#layers/edge/socket/Follower.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"

/** All of an event that a follower looks at. */
const event = (position: number, text = "text") => ({ position, text }) as StoredEvent

const live = (at = 10, limits: Partial<Follower.Limits> = {}) => {
  const follower = Follower.make(at, { queueEventsMax: 3, queueTextMax: 100, ...limits })
  assert.isTrue(follower.catchUp(at))
  return follower
}

const taken = (follower: Follower.Follower) => {
  const positions: Array<number> = []
  for (let next = follower.next(); next !== undefined; next = follower.next()) {
    positions.push(next.position)
    follower.advance(next.position)
  }
  return positions
}

describe("a follower", () => {
  it("is behind until everything up to the tail was given", () => {
    const follower = Follower.make(5, { queueEventsMax: 3, queueTextMax: 100 })
    assert.isTrue(follower.isBehind())
    assert.isFalse(follower.catchUp(6))
    follower.offer(event(7))
    assert.isUndefined(follower.next())
    follower.advance(7)
    assert.isTrue(follower.catchUp(7))
    assert.isFalse(follower.isBehind())
  })

  it("gives what it was handed, in order, and nothing that the journal gave before", () => {
    const follower = live(10)
    for (const position of [11, 12, 13]) follower.offer(event(position))
    follower.advance(12)
    follower.offer(event(12))
    assert.deepStrictEqual(taken(follower), [13])
    // Handed out while the journal was read up to it.
    follower.offer(event(13))
    assert.isUndefined(follower.next())
  })

  it("falls behind where too many wait, or too much text, and lets go of it", () => {
    for (const [follower, offered] of [
      [live(), [11, 12, 13, 14].map((position) => event(position))],
      [live(), [event(11, "x".repeat(101))]]
    ] as const) {
      for (const stored of offered) follower.offer(stored)
      assert.isTrue(follower.isBehind())
      assert.isUndefined(follower.next())
      assert.strictEqual(follower.cursor(), 10)
    }
    const follower = live()
    for (const position of [11, 12, 13]) follower.offer(event(position))
    assert.isFalse(follower.isBehind(), "as many as may wait")
  })

  it("counts text again once it was given", () => {
    const follower = live(10, { queueEventsMax: 100 })
    for (let position = 11; position < 31; position++) {
      follower.offer(event(position, "x".repeat(60)))
      follower.advance(position)
    }
    assert.isFalse(follower.isBehind())
  })

  it("says to be complete only up to what was told, where something waits or it is behind", () => {
    const follower = live(10)
    assert.strictEqual(follower.completeUpTo(20), 20)
    follower.offer(event(21))
    assert.strictEqual(follower.completeUpTo(21), 10)
    // Looked at, not told yet.
    assert.strictEqual(follower.next()?.position, 21)
    assert.strictEqual(follower.completeUpTo(21), 10)
    follower.advance(21)
    assert.strictEqual(follower.completeUpTo(25), 25)
    follower.fallBehind()
    assert.strictEqual(follower.completeUpTo(30), 21)
  })
})
