/** What all WebSockets share: whole under every interleaving, and never beyond its limits. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Followed from "#layers/edge/socket/Followed.ts"
import * as Registry from "#layers/edge/socket/Registry.ts"
import { PrincipalId, SessionId } from "#src/kernel/Ids.ts"
import * as SeededScheduler from "#test/kit/seededScheduler.ts"

const limits: Registry.Limits = {
  socketsMax: 3,
  socketsPerPrincipalMax: 2,
  socketSessionsMax: 1
}

const principals = ["ana", "bob"].map((id) => PrincipalId.make(id))
const sessions = ["1", "2"].map((digit) => SessionId.make(`ses_${digit.repeat(26)}`))

/** What is wrong with the tables as one look finds them; null where nothing is. */
const contradiction = (registry: Registry.Registry<Registry.Member, string>) =>
  Effect.gen(function* () {
    const { sockets } = yield* registry.counts
    if (sockets > limits.socketsMax) return `${sockets} connections`
    for (const principal of principals) {
      const { length } = yield* registry.membersOf(principal)
      if (length > limits.socketsPerPrincipalMax) return `${length} connections of ${principal}`
    }
    return null
  })

/** Five connections of two principals come, follow and leave, all at once. */
const storm = (atomically: Registry.Atomically | undefined) =>
  Effect.gen(function* () {
    const registry = yield* Registry.make<Registry.Member, string>(limits, atomically)
    const wrong: Array<string> = []

    const connection = Effect.fnUntraced(function* (index: number) {
      const member = { id: `c${index}`, principalId: principals[index % 2]! }
      const admitted = yield* Effect.result(registry.admit(member))
      if (admitted._tag === "Failure") return
      const found = yield* contradiction(registry)
      if (found !== null) wrong.push(found)
      const follows = yield* Effect.forkChild(
        Effect.forEach(sessions, (sessionId) =>
          Effect.ignore(registry.follow(member.id, Followed.sessionOf(sessionId), member.id))
        )
      )
      yield* registry.unfollow(member.id, Followed.sessionOf(sessions[index % 2]!))
      yield* Fiber.join(follows)
      const followed = yield* registry.followedBy(member.id)
      if (followed.length > limits.socketSessionsMax) wrong.push(`${member.id} follows ${followed.length}`)
      for (const [key] of followed) {
        if (!(yield* registry.followersOf(key)).includes(member.id)) wrong.push(`${member.id} is in one table only`)
      }
      yield* registry.leave(member.id)
    })

    yield* Effect.forEach(Array.from({ length: 5 }).keys(), connection, { concurrency: "unbounded" })
    const left = yield* registry.counts
    if (left.sockets + left.follows > 0) wrong.push(`left behind: ${JSON.stringify(left)}`)
    if ((yield* registry.allFollowers).length > 0) wrong.push("followers left behind")
    for (const principal of principals) {
      if ((yield* registry.membersOf(principal)).length > 0) wrong.push(`${principal} left behind`)
    }
    return wrong
  })

describe("the registry of WebSockets", () => {
  it("is whole under 10,000 interleavings", () => {
    for (let seed = 0; seed < 10_000; seed++) {
      assert.deepStrictEqual(SeededScheduler.run(storm(undefined), seed), [], `seed ${seed}`)
    }
  }, 180_000)

  for (const broken of ["admit", "follow", "leave"]) {
    it(`is not, with a get and a set instead of a transaction in ${broken} (the control)`, () => {
      const apart: Registry.Atomically = (body, operation) =>
        operation === broken ? (body as Effect.Effect<never>) : Effect.tx(body)
      const found = Array.from({ length: 500 }, (_, seed) => SeededScheduler.run(storm(apart), seed))
      assert.isAbove(found.filter((wrong) => wrong.length > 0).length, 0)
    })
  }

  it("gives the same interleaving for the same seed", () => {
    const trace = (seed: number) => {
      const seen: Array<number> = []
      const walk = (index: number) =>
        Effect.forEach([1, 2, 3], (step) =>
          Effect.andThen(
            Effect.yieldNow,
            Effect.sync(() => seen.push(index * 10 + step))
          )
        )
      SeededScheduler.run(Effect.forEach([1, 2, 3], walk, { concurrency: "unbounded", discard: true }), seed)
      return seen
    }
    assert.deepStrictEqual(trace(1), trace(1))
    assert.notDeepEqual(trace(1), trace(2))
  })
})
