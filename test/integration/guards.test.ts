/** Conditions that span streams, judged with the commit: what was true when a rule looked may be true no longer. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import * as FaultyEventStore from "#layers/faults/FaultyEventStore.ts"
import type { Settings } from "#layers/profiles/Settings.ts"
import { Gateway, type Refused } from "#src/gateway/Protocol.ts"
import * as Questions from "#src/gateway/Questions.ts"
import type { ActionId } from "#src/kernel/Ids.ts"
import * as World from "#test/kit/world.ts"

const { owner } = World

const refusalOf = <A, R>(effect: Effect.Effect<A, unknown, R>) =>
  Effect.map(Effect.flip(effect), (error) => (error as { rejection?: { _tag: string } }).rejection?._tag)

const reached = (limit: string, maximum: number) => ({ _tag: "LimitReached" as const, limit, maximum })

const propose = (key: string, tool = "note") =>
  Effect.gen(function* () {
    const gateway = yield* Gateway
    const sessionId = yield* World.session(`session-${key}`)
    const { body } = yield* gateway.propose(owner, key, { sessionId, tool, arguments: { text: key } })
    return { sessionId, actionId: body.actionId }
  })

const statusOf = (id: ActionId) =>
  Effect.flatMap(Questions.make, (questions) => Effect.map(questions.action(id), (row) => row?.status))

/** Waits until the store was asked to append so often. */
const appended = (count: number) =>
  Effect.gen(function* () {
    const { appends } = yield* FaultyEventStore.Faults
    while (appends.length < count) yield* Effect.yieldNow
  })

const faulty = (work: (world: World.World) => Effect.Effect<void, unknown, any>) =>
  Effect.gen(function* () {
    const store = yield* Layer.build(FaultyEventStore.layer.pipe(Layer.provideMerge(VolatileEventStore.layer)))
    const world = World.make()
    const inside = work(world) as Effect.Effect<void>
    yield* inside.pipe(Effect.provide(Layer.fresh(world.over(store))), Effect.provideContext(store))
  }).pipe(Effect.scoped)

describe("two gateways on one journal", () => {
  const held = (
    settings: Partial<Settings>,
    deed: (gateway: Gateway["Service"], index: number) => Effect.Effect<unknown, unknown, any>
  ) =>
    Effect.gen(function* () {
      const store = yield* Layer.build(VolatileEventStore.layer)
      const lives = yield* Effect.forEach(["one", "two"], () =>
        Layer.build(Layer.fresh(World.make({ settings }).over(store)))
      )
      const outcomes = yield* Effect.forEach(
        Array.from({ length: 20 }).keys(),
        (index) => {
          const life = lives[index % 2]!
          return Effect.result(
            Effect.provideContext(deed(Context.get(life, Gateway), index) as Effect.Effect<unknown, Refused>, life)
          )
        },
        { concurrency: "unbounded" }
      )
      const told = outcomes.filter(Result.isFailure).map(({ failure }) => failure.rejection)
      return { granted: outcomes.filter(Result.isSuccess).length, told }
    }).pipe(Effect.scoped)

  it.live("hold the limit of waiting actions together, in all", () =>
    Effect.gen(function* () {
      const { granted, told } = yield* held({ confirmationsPendingMax: 5 }, (_, index) => propose(`${index}`))
      assert.strictEqual(granted, 5)
      assert.deepStrictEqual(
        told,
        Array.from({ length: 15 }, () => reached("confirmationsPending", 5))
      )
    })
  )

  it.live("hold the limit of one principal's open sessions together", () =>
    Effect.gen(function* () {
      const { granted, told } = yield* held({ sessionsPerPrincipalMax: 5 }, (gateway, index) =>
        gateway.createSession(owner, `${index}`, {})
      )
      assert.strictEqual(granted, 5)
      assert.deepStrictEqual(
        told,
        Array.from({ length: 15 }, () => reached("sessionsPerPrincipal", 5))
      )
    })
  )
})

describe("a session that closes", () => {
  it.live("between the look and the commit refuses an approval", () =>
    faulty(() =>
      Effect.gen(function* () {
        const gateway = yield* Gateway
        const { plan } = yield* FaultyEventStore.Faults
        const { actionId, sessionId } = yield* propose("p")
        const close = Effect.orDie(Effect.asVoid(gateway.closeSession(owner, "c", sessionId, null)))
        plan({ _tag: "Before", effect: close })
        assert.strictEqual(yield* refusalOf(gateway.approve(owner, "a", actionId)), "SessionNotOpen")
      })
    )
  )

  it.live("between an approval and its claim leaves the tool alone", () =>
    faulty((world) =>
      Effect.gen(function* () {
        const gateway = yield* Gateway
        const { appends, plan } = yield* FaultyEventStore.Faults
        const { actionId, sessionId } = yield* propose("p")
        const close = Effect.orDie(Effect.asVoid(gateway.closeSession(owner, "c", sessionId, null)))
        // The approval's own append, then the claim's.
        plan({ _tag: "Before", effect: Effect.void }, { _tag: "Before", effect: close })
        const before = appends.length
        yield* gateway.approve(owner, "a", actionId)
        yield* appended(before + 3)
        yield* Effect.yieldNow.pipe(Effect.repeat({ times: 200 }))
        assert.strictEqual(yield* statusOf(actionId), "Approved")
        assert.deepStrictEqual(world.done, [])
      })
    )
  )
})
