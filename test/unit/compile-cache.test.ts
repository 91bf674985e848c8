/** Where the program keeps what Node compiled, and whom it trusts with it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { join, resolve } from "node:path"
import * as CompileCache from "#layers/CompileCache.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const module = resolve(import.meta.dirname, "../../layers/CompileCache.ts")

/** A package's folder with packages of its own, and where its modules would be kept. */
const checkout = Effect.map(TemporaryFolder.make, (root) => {
  fs.mkdirSync(join(root, "node_modules"))
  return { root, kept: join(root, "node_modules/.keelson") }
})

/** A process that enables the cache for the modules in `root`, then loads one of them; says where the cache is. */
const load = (root: string, environment: { readonly [name: string]: string } = {}): string => {
  fs.writeFileSync(join(root, "loaded.mjs"), "export const loaded = 1\n")
  const script = `
    import { getCompileCacheDir } from "node:module"
    const { enable } = await import(${JSON.stringify(module)})
    enable(${JSON.stringify(root)})
    await import(${JSON.stringify(join(root, "loaded.mjs"))})
    console.log(getCompileCacheDir() ?? "none")`
  const flags = ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", script]
  return execFileSync(process.execPath, flags, { encoding: "utf8", env: environment }).trim()
}

const files = (folder: string): ReadonlyArray<string> =>
  fs.readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((e) => (e.isFile() ? e.name : []))

describe("the compile cache", () => {
  it.effect("is this user's alone, beside the packages of a checkout", () =>
    Effect.gen(function* () {
      const { kept, root } = yield* checkout
      assert.isTrue(load(root).startsWith(kept))
      assert.strictEqual(fs.statSync(kept).mode & 0o777, 0o700)
      assert.isAbove(files(kept).length, 0)
    })
  )

  it.effect("lies in the packages that an installed one is among", () =>
    Effect.gen(function* () {
      const { kept, root } = yield* checkout
      const installed = join(root, "node_modules/keelson/dist/layers")
      fs.mkdirSync(installed, { recursive: true })
      assert.strictEqual(CompileCache.privateFolder(installed), kept)
    })
  )

  it.effect("takes nothing from a folder that others can write to, and puts nothing there", () =>
    Effect.gen(function* () {
      const { kept, root } = yield* checkout
      for (const mode of [0o777, 0o770, 0o702]) {
        fs.rmSync(kept, { recursive: true, force: true })
        fs.mkdirSync(kept, { recursive: true })
        fs.chmodSync(kept, mode)
        assert.strictEqual(load(root), "none")
        assert.deepStrictEqual(files(kept), [])
      }
    })
  )

  it.effect("takes nothing from a folder of another user", () =>
    Effect.gen(function* () {
      const { kept, root } = yield* checkout
      const user = process.getuid!()
      assert.strictEqual(CompileCache.privateFolder(root, user), kept)
      assert.isNull(CompileCache.privateFolder(root, user + 1))
    })
  )

  it.effect("is left out where another user installed the packages, who could not remove it", () =>
    Effect.gen(function* () {
      const { kept, root } = yield* checkout
      assert.isNull(CompileCache.privateFolder(root, process.getuid!() + 1))
      assert.isFalse(fs.existsSync(kept))
    })
  )

  it.effect("follows no link", () =>
    Effect.gen(function* () {
      const { kept, root } = yield* checkout
      const elsewhere = join(root, "elsewhere")
      fs.mkdirSync(elsewhere, { mode: 0o700 })
      fs.symlinkSync(elsewhere, kept)
      assert.strictEqual(load(root), "none")
      assert.deepStrictEqual(files(elsewhere), [])
    })
  )

  it.effect("is left out where there is no place for it, and the program goes on", () =>
    Effect.gen(function* () {
      const outside = yield* TemporaryFolder.make
      assert.strictEqual(load(outside), "none")
      assert.isFalse(fs.existsSync(join(outside, "node_modules")))
      const { kept, root } = yield* checkout
      fs.writeFileSync(kept, "no folder")
      assert.strictEqual(load(root), "none")
    })
  )

  it.effect("is where Node was told to keep it, or nowhere where Node was told so", () =>
    Effect.gen(function* () {
      const { kept, root } = yield* checkout
      const told = join(root, "told")
      assert.isTrue(load(root, { NODE_COMPILE_CACHE: told }).startsWith(told))
      assert.isFalse(fs.existsSync(kept))
      assert.strictEqual(load(root, { NODE_DISABLE_COMPILE_CACHE: "1" }), "none")
    })
  )
})
