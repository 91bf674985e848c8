import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const source = fileURLToPath(new URL("../../../src/kernel/Bounds.ts", import.meta.url))

/** Loads a program's limits as they would stand with `to` in the place of `from`. */
const loaded = Effect.fnUntraced(function* (name: string, from: string, to: string) {
  const text = readFileSync(source, "utf8")
  assert.strictEqual(text.split(from).length, 2, from)
  const copy = join(yield* TemporaryFolder.make, `${name}.ts`)
  writeFileSync(copy, text.replace(from, to))
  return yield* Effect.tryPromise({
    try: (): Promise<typeof Bounds> => import(pathToFileURL(copy).href),
    catch: (error) => error as Error
  })
})

describe("bounds", () => {
  it("hold all their relations", () => {
    assert.doesNotThrow(() => Bounds.check(Bounds.relations))
    assert.isAbove(Bounds.relations.length, 10)
  })

  it("refuse to load with a broken relation, and say which", () => {
    const broken: ReadonlyArray<Bounds.Relation> = [...Bounds.relations, [false, "the sea is shallower than a puddle"]]
    assert.throws(() => Bounds.check(broken), "Bounds: the sea is shallower than a puddle does not hold")
  })

  it.effect("stop whoever loads them where one of them contradicts another", () =>
    Effect.gen(function* () {
      const larger = yield* loaded("larger", "mailboxMax = 1_024", "mailboxMax = 2_048")
      assert.strictEqual(larger.mailboxMax, 2_048)
      const error = yield* Effect.flip(loaded("smaller", "mailboxMax = 1_024", "mailboxMax = 1"))
      assert.strictEqual(error.message, "Bounds: an actor takes no more than may wait does not hold")
    })
  )

  it("are all whole numbers above zero", () => {
    for (const [name, value] of Object.entries(Bounds)) {
      if (typeof value !== "number") continue
      assert.isTrue(Number.isSafeInteger(value) && value > 0, name)
    }
  })
})
