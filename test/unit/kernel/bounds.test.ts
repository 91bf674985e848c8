import { assert, describe, it } from "@effect/vitest"
import * as Bounds from "#src/kernel/Bounds.ts"

describe("bounds", () => {
  it("hold all their relations", () => {
    assert.doesNotThrow(() => Bounds.check(Bounds.relations))
    assert.isAbove(Bounds.relations.length, 10)
  })

  it("refuse to load with a broken relation, and say which", () => {
    const broken: ReadonlyArray<Bounds.Relation> = [...Bounds.relations, [false, "the sea is shallower than a puddle"]]
    assert.throws(() => Bounds.check(broken), "Bounds: the sea is shallower than a puddle does not hold")
  })

  it("are all whole numbers above zero", () => {
    for (const [name, value] of Object.entries(Bounds)) {
      if (typeof value !== "number") continue
      assert.isTrue(Number.isSafeInteger(value) && value > 0, name)
    }
  })
})
