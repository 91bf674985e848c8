/** Folders of settings: begun, or refused at once where they can't be made. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { join } from "node:path"
import * as Folders from "#layers/profiles/Folders.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

describe("a folder that a setting names", () => {
  it.effect("is begun with the topmost that is missing, for this user alone", () =>
    Effect.gen(function* () {
      const root = yield* TemporaryFolder.make
      yield* Folders.begin(join(root, "a/b/c"))
      assert.deepStrictEqual(fs.readdirSync(root), ["a"])
      assert.strictEqual(fs.statSync(join(root, "a")).mode & 0o777, 0o700)
      assert.deepStrictEqual(fs.readdirSync(join(root, "a")), [])
    })
  )

  it.effect("is left alone where it is there", () =>
    Effect.gen(function* () {
      const root = yield* TemporaryFolder.make
      yield* Folders.begin(root)
      assert.deepStrictEqual(fs.readdirSync(root), [])
    })
  )

  it.effect.each(["the folder itself", "a folder below it"])(
    "is refused at once behind a link that leads nowhere: %s",
    (of) =>
      Effect.gen(function* () {
        const link = join(yield* TemporaryFolder.make, "link")
        fs.symlinkSync("/nowhere/at/all", link)
        const refused = yield* Effect.flip(Folders.begin(of === "the folder itself" ? link : join(link, "below")))
        assert.match(refused.detail, /can't be made \(EEXIST\)$/)
      })
  )

  it.effect.skipIf(!fs.existsSync("/proc/self"))(
    "is refused at once where Node's own way of making it never ends",
    () =>
      Effect.gen(function* () {
        const refused = yield* Effect.flip(Folders.begin("/proc/keelson/data"))
        assert.deepInclude(refused, { folder: "/proc/keelson/data", holderPid: null, retryable: false })
        assert.match(refused.detail, /can't be made \(ENOENT\)$/)
      })
  )
})
