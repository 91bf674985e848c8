/** One reader of the journal for all who listen and wait: a listener that breaks is its own loss. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as StoreFeed from "#layers/feed/StoreFeed.ts"
import { Gateway } from "#src/gateway/Protocol.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import * as World from "#test/kit/world.ts"

it.effect("each listener hears each event once, in order, before a waiter wakes, whatever another one does", () =>
  Effect.gen(function* () {
    const gateway = yield* Gateway
    const store = yield* EventStore
    const feed = yield* StoreFeed.make
    const heard: Array<number> = []
    yield* feed.listen(() => Effect.die(new Error("a listener that breaks")))
    yield* feed.listen(({ position }) => Effect.sync(() => void heard.push(position)))
    const sessionId = (yield* gateway.createSession(World.owner, "s", {})).body.sessionId
    for (let index = 0; index < 5; index++) {
      const changed = yield* feed.changed(`session:${sessionId}`)
      yield* gateway.touchSession(World.owner, `t-${index}`, sessionId)
      yield* changed
      assert.isTrue(heard.length > index)
    }
    const head = yield* store.head
    yield* Effect.eventually(Effect.suspend(() => (heard.at(-1) === head ? Effect.void : Effect.fail("not yet"))))
    assert.deepStrictEqual(
      heard,
      heard.map((_, index) => heard[0]! + index)
    )
  }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(World.make().layer, Logger.layer([]))))
)
