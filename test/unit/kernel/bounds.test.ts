import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { copyFileSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Relations from "#src/kernel/Relations.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const source = (name: string) => fileURLToPath(new URL(`../../../src/kernel/${name}.ts`, import.meta.url))

/** Loads a program's limits as they would stand with `to` in the place of `from`. */
const loaded = Effect.fnUntraced(function* (from: string, to: string) {
  const text = readFileSync(source("Bounds"), "utf8")
  assert.strictEqual(text.split(from).length, 2, from)
  const folder = yield* TemporaryFolder.make
  writeFileSync(join(folder, "Bounds.ts"), text.replace(from, to))
  copyFileSync(source("Relations"), join(folder, "Relations.ts"))
  const load = (file: string) => import(pathToFileURL(join(folder, file)).href)
  return yield* Effect.tryPromise({
    try: (): Promise<typeof Bounds> => load("Relations.ts").then(() => load("Bounds.ts")),
    catch: (error) => error as Error
  })
})

describe("bounds", () => {
  it("hold all their relations", () => {
    assert.doesNotThrow(() => Relations.check(Relations.relations))
    assert.isAbove(Relations.relations.length, 10)
  })

  it("refuse to load with a broken relation, and say which", () => {
    const broken: ReadonlyArray<Relations.Relation> = [
      ...Relations.relations,
      [false, "the sea is shallower than a puddle"]
    ]
    assert.throws(() => Relations.check(broken), "Bounds: the sea is shallower than a puddle does not hold")
  })

  it.effect("stop whoever loads them where one of them contradicts another", () =>
    Effect.gen(function* () {
      const larger = yield* loaded("mailboxMax = 1_024", "mailboxMax = 2_048")
      assert.strictEqual(larger.mailboxMax, 2_048)
      const error = yield* Effect.flip(loaded("mailboxMax = 1_024", "mailboxMax = 1"))
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
