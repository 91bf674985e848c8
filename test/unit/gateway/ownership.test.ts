/** What of sessions and actions is remembered, and when their rows are read all the same. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import { Gateway, type Refused } from "#src/gateway/Protocol.ts"
import * as Ownership from "#src/gateway/Ownership.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { ActionId, PrincipalId, SessionId } from "#src/kernel/Ids.ts"
import { Rows } from "#src/ports/EventStore.ts"
import type { Feed } from "#src/ports/Feed.ts"
import type { Principal } from "#src/ports/Identity.ts"
import { actor } from "#test/kit/decider.ts"
import * as World from "#test/kit/world.ts"

const { owner } = World
const stranger = World.person("stranger")
const approver = World.person("approver", ["approver"])
const agent: Principal = { actor: actor("AGENT", "assistant"), roles: [] }

/** Rows that tell of each that is read by its name. */
const telling = (rows: Rows["Service"], tell: (kind: string, key: string) => void): Rows["Service"] => ({
  ...rows,
  get: (kind, key) =>
    Effect.andThen(
      Effect.sync(() => tell(kind, key)),
      rows.get(kind, key)
    )
})

/** The gateway, and the kinds of the rows that are read. */
const scene = <A, E>(work: (read: Array<string>) => Effect.Effect<A, E, Gateway | Feed | Rows>, restart = false) =>
  Effect.gen(function* () {
    const read: Array<string> = []
    const store = yield* Layer.build(VolatileEventStore.layer)
    const told = telling(Context.get(store, Rows), (kind) => read.push(kind))
    const over = World.make().over(Context.add(store, Rows, told))
    if (restart) {
      yield* Effect.provide(World.session(), over)
      read.splice(0)
    }
    return yield* Effect.provide(work(read), over)
  }).pipe(Effect.scoped)

/** What was read of these kinds, and is forgotten. */
const taken = (read: Array<string>) => read.splice(0).filter((kind) => kind === "session" || kind === "action")

const propose = Effect.fnUntraced(function* (by: Principal, key: string, sessionId: SessionId) {
  const gateway = yield* Gateway
  return (yield* gateway.propose(by, key, { sessionId, tool: "note", arguments: { text: key } })).body.actionId
})

const refusal = <A>(command: Effect.Effect<A, unknown>) =>
  Effect.map(Effect.flip(command), (error) => (error as Refused).rejection._tag)

describe("ownership", () => {
  it.effect("of what this process saw committed is asked of no row", () =>
    scene((read) =>
      Effect.gen(function* () {
        const gateway = yield* Gateway
        const sessionId = yield* World.session()
        taken(read)
        yield* gateway.touchSession(owner, "t", sessionId)
        const actionId = yield* propose(agent, "p", sessionId)
        assert.deepStrictEqual(taken(read), [])
        yield* gateway.deny(owner, "d", actionId, null)
        yield* gateway.closeSession(owner, "c", sessionId, null)
        assert.deepStrictEqual(taken(read), [])
      })
    )
  )

  it.effect("of what was there before is read once", () =>
    scene(
      (read) =>
        Effect.gen(function* () {
          const gateway = yield* Gateway
          // A repeat says which session it is, and not that this process made it.
          const sessionId = yield* World.session()
          yield* gateway.touchSession(owner, "t1", sessionId)
          assert.deepStrictEqual(taken(read), ["session"])
          yield* gateway.touchSession(owner, "t2", sessionId)
          assert.deepStrictEqual(taken(read), [])
        }),
      true
    )
  )

  it.effect("lets nobody do what it does not say, whether remembered or read", () =>
    scene((read) =>
      Effect.gen(function* () {
        const gateway = yield* Gateway
        const sessionId = yield* World.session()
        const actionId = yield* propose(agent, "p", sessionId)
        taken(read)
        assert.strictEqual(yield* refusal(gateway.touchSession(stranger, "t", sessionId)), "NotFound")
        assert.strictEqual(yield* refusal(gateway.closeSession(agent, "c", sessionId, null)), "Forbidden")
        assert.strictEqual(yield* refusal(gateway.deny(stranger, "d1", actionId, null)), "NotFound")
        assert.strictEqual(yield* refusal(gateway.deny(agent, "d2", actionId, null)), "Forbidden")
        const another = { actor: actor("AGENT", "another"), roles: [] }
        assert.strictEqual(yield* refusal(gateway.withdraw(another, "w", actionId, null)), "NotFound")
        // Whoever is turned away is turned away by the row: how long it takes tells nobody that something is there.
        assert.deepStrictEqual(taken(read), ["session", "session", "action", "action", "action"])
        yield* gateway.withdraw(agent, "w", actionId, null)
        assert.deepStrictEqual(taken(read), [])
      })
    )
  )

  it.effect("of an action is his in whose session it is, also where its proposer says the same key in another's", () =>
    scene(() =>
      Effect.gen(function* () {
        const gateway = yield* Gateway
        const other = World.person("other")
        const elsewhere = (yield* gateway.createSession(other, "session", {})).body.sessionId
        const actionId = yield* propose(agent, "p", yield* World.session())
        const again = { sessionId: elsewhere, tool: "note", arguments: { text: "p" } }
        assert.strictEqual((yield* Effect.flip(gateway.propose(agent, "p", again)))._tag, "ActorError")
        assert.strictEqual(yield* refusal(gateway.deny(other, "d", actionId, null)), "NotFound")
        yield* gateway.deny(owner, "d", actionId, null)
      })
    )
  )

  it.effect("turns no approver away, whom only the row knows", () =>
    scene((read) =>
      Effect.gen(function* () {
        const gateway = yield* Gateway
        const actionId = yield* propose(agent, "p", yield* World.session())
        taken(read)
        yield* gateway.approve(approver, "a", actionId)
        assert.strictEqual(taken(read)[0], "action")
        yield* World.actionUntil(actionId, "Executed")
        taken(read)
        // Who approves may be another by now, so it is read each time.
        yield* Effect.flip(gateway.deny(approver, "d", actionId, null))
        assert.deepStrictEqual(taken(read), ["action"])
      })
    )
  )

  it.effect("is not remembered of what is not there", () =>
    scene((read) =>
      Effect.gen(function* () {
        const gateway = yield* Gateway
        const nowhere = SessionId.make(`ses_${"0".repeat(26)}`)
        assert.strictEqual(yield* refusal(gateway.touchSession(owner, "t1", nowhere)), "NotFound")
        assert.strictEqual(yield* refusal(gateway.touchSession(owner, "t2", nowhere)), "NotFound")
        assert.deepStrictEqual(taken(read), ["session", "session"])
      })
    )
  )

  it.effect("is remembered of so many, the first of whom are forgotten first", () =>
    Effect.gen(function* () {
      const read: Array<string> = []
      const store = yield* Layer.build(VolatileEventStore.layer)
      const told = telling(Context.get(store, Rows), (_, key) => read.push(key))
      const ownership = yield* Effect.provideService(Ownership.make, Rows, told)
      const of = { ownerId: owner.actor.id, agentId: PrincipalId.make("assistant") }
      const proposer = owner.actor
      const id = (index: number) => String(index).padStart(26, "0")
      for (let index = 0; index <= Bounds.ownersRememberedMax; index++) {
        ownership.noteSession(SessionId.make(`ses_${id(index)}`), of)
        ownership.noteAction(ActionId.make(`act_${id(index)}`), { ...of, proposer })
      }
      // One that is there already takes nobody's place.
      ownership.noteSession(SessionId.make(`ses_${id(Bounds.ownersRememberedMax)}`), of)
      for (const index of [0, 1, Bounds.ownersRememberedMax]) {
        yield* ownership.ofSession(SessionId.make(`ses_${id(index)}`), () => true)
        yield* ownership.ofAction(ActionId.make(`act_${id(index)}`), () => true)
      }
      assert.deepStrictEqual(read, [`ses_${id(0)}`, `act_${id(0)}`])
    }).pipe(Effect.scoped)
  )
})
