/** What is remembered of so many. */
import { assert, describe, it } from "@effect/vitest"
import * as Remembered from "#src/kernel/Remembered.ts"

describe("what is remembered", () => {
  it("is the last so many, the first of which are forgotten first", () => {
    const { get, note } = Remembered.make<string, number>(3)
    for (const [value, key] of ["a", "b", "c"].entries()) note(key, value)
    // One that is there already takes nobody's place.
    note("c", 7)
    assert.deepStrictEqual(["a", "b", "c", "d"].map(get), [0, 1, 7, undefined])
    note("d", 8)
    assert.deepStrictEqual(["a", "b", "c", "d"].map(get), [undefined, 1, 7, 8])
  })
})
