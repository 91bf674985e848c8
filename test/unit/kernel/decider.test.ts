import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Decider from "#src/kernel/Decider.ts"
import type { Draft, Recorded } from "#src/kernel/Envelope.ts"

const opened = (schemaVersion: number, upcasters: Decider.EventDefinition["upcasters"]): Decider.EventDefinition => ({
  type: "shop.opened",
  schemaVersion,
  payload: Schema.Struct({ names: Schema.Array(Schema.String) }),
  upcasters
})

describe("event registry", () => {
  it("refuses a type that stands twice", () => {
    assert.throws(() => Decider.registry([opened(1, {}), opened(1, {})]), "shop.opened stands twice")
  })

  it("refuses an older version that has no way to today", () => {
    assert.throws(() => Decider.registry([opened(3, { 1: (payload) => payload })]), "from version 2 to 3")
    assert.doesNotThrow(() => Decider.registry([opened(3, { 1: (payload) => payload, 2: (payload) => payload })]))
  })

  it("takes an old payload through every step, in order", () => {
    const registry = Decider.registry([
      opened(3, {
        1: (payload) => ({ name: (payload as { title: string }).title }),
        2: (payload) => ({ names: [(payload as { name: string }).name] })
      })
    ])
    assert.deepStrictEqual(Decider.upcast(registry, "shop.opened", 1, { title: "Ada" }), { names: ["Ada"] })
    assert.deepStrictEqual(Decider.upcast(registry, "shop.opened", 2, { name: "Ada" }), { names: ["Ada"] })
    assert.deepStrictEqual(Decider.upcast(registry, "shop.opened", 3, { names: ["Ada"] }), { names: ["Ada"] })
  })

  it("calls an unknown type and a version from the future poison", () => {
    const registry = Decider.registry([opened(1, {})])
    assert.throws(() => Decider.upcast(registry, "shop.closed", 1, {}), "unknown event type shop.closed")
    assert.throws(() => Decider.upcast(registry, "shop.opened", 2, {}), "newer than this program")
  })
})

describe("fold", () => {
  const counter: Decider.Decider<number, never, Draft<"count.added", number>, never> = {
    initial: 0,
    decide: () => Result.succeed([]),
    evolve: (state, event) => state + event.payload
  }
  const added = (payload: number) => ({ type: "count.added", payload }) as Recorded<"count.added", number>

  it("starts from nothing, or from a state it is given", () => {
    assert.strictEqual(Decider.fold(counter, [added(1), added(2)]), 3)
    assert.strictEqual(Decider.fold(counter, [added(1), added(2)], 10), 13)
    assert.strictEqual(Decider.fold(counter, []), 0)
  })
})
