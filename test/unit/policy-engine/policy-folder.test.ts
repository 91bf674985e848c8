/** Which files are in force, what their hash covers, and the first policies of a new installation. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { sha256 } from "#layers/digest/NodeDigest.ts"
import { compile } from "#layers/policy-engine/CedarPolicySet.ts"
import { installStarterSet, starterFolder } from "#layers/policy-engine/PolicyFolder.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"
import { folderEngine, problemsOf, read, tool, tools } from "./fixture.ts"

const policy = (id: string) => `@id("${id}") permit (principal, action, resource);\n`

const refusal = (folder: string) => Effect.map(Effect.flip(Effect.scoped(folderEngine(folder))), problemsOf)

const hashOf = (files: { readonly [file: string]: string }, descriptors = tools) => {
  const listed = Object.entries(files).map(([file, text]) => ({ file, text }))
  return Result.getOrThrow(compile(listed, descriptors, sha256)).set.hash
}

describe("a policy folder", () => {
  it.effect("is in force with every .cedar file in it, and nothing else", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      writeFileSync(join(folder, "b.cedar"), policy("b"))
      writeFileSync(join(folder, "linked"), policy("a"))
      symlinkSync("linked", join(folder, "a.cedar"))
      writeFileSync(join(folder, ".draft.cedar"), "nonsense")
      writeFileSync(join(folder, "README.md"), "nonsense")
      const { set, decide } = yield* folderEngine(folder)
      assert.deepStrictEqual(
        (yield* set).policies.map(({ id, file }) => [id, file]),
        [
          ["a", "a.cedar"],
          ["b", "b.cedar"]
        ]
      )
      assert.strictEqual((yield* decide(read)).effect, "Run")
    })
  )

  it.effect("that is empty permits nothing", () =>
    Effect.gen(function* () {
      const { decide } = yield* folderEngine(yield* TemporaryFolder.make)
      assert.strictEqual((yield* decide(read)).effect, "Deny")
    })
  )

  it.effect("is refused with the path of every file that would not be read as meant", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      writeFileSync(join(folder, "A.CEDAR"), policy("a"))
      mkdirSync(join(folder, "more"))
      symlinkSync("nowhere", join(folder, "gone.cedar"))
      writeFileSync(join(folder, "latin.cedar"), Buffer.from([0x40, 0xe9]))
      writeFileSync(join(folder, "large.cedar"), "/".repeat(Bounds.policyFileBytesMax + 1))
      assert.deepStrictEqual(
        (yield* refusal(folder)).map((problem) => `${problem.file}: ${problem.detail}`),
        [
          `${folder}/A.CEDAR: is not read: its name must end in .cedar`,
          `${folder}/gone.cedar: The file can't be read: there is no such file or folder`,
          `${folder}/large.cedar: the file holds 262145 bytes; at most 262144`,
          `${folder}/latin.cedar: is not UTF-8 text`,
          `${folder}/more: is a folder; policies are read from one folder only`
        ]
      )
    })
  )

  it.effect("is refused with path and line of a mistake in a file", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      writeFileSync(
        join(folder, "a.cedar"),
        `${policy("a")}\n@id("b")\npermit (principal, action == Action::"file.raed", resource);`
      )
      writeFileSync(join(folder, "bom.cedar"), `\ufeff${policy("b")}`)
      const found = yield* refusal(folder)
      assert.deepStrictEqual(
        found.map(({ file, line }) => `${file}:${line}`),
        [`${folder}/a.cedar:4`, `${folder}/bom.cedar:1`]
      )
    })
  )

  it.effect("that is not there, or holds too much, is refused", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      const [missing] = yield* refusal(join(folder, "nope"))
      assert.strictEqual(missing?.detail, "The policy folder can't be read: there is no such file or folder")
      for (let index = 0; index <= Bounds.policyFilesMax; index++) writeFileSync(join(folder, `${index}.cedar`), "")
      const [many] = yield* refusal(folder)
      assert.strictEqual(many?.detail, "the folder holds 201 entries; at most 200")
    })
  )
})

describe("the hash of a policy set", () => {
  it("does not depend on the order or the place of files", () => {
    const [a, b] = [policy("a"), policy("b")]
    assert.strictEqual(hashOf({ "a.cedar": a, "b.cedar": b }), hashOf({ "b.cedar": b, "a.cedar": a }))
  })

  it("differs where a file has another name, a text moves between files, or a tool has another argument", () => {
    const [a, b] = [policy("a"), policy("b")]
    const other = [...tools, tool("other", {})]
    const hashes = [
      hashOf({ "a.cedar": a + b }),
      hashOf({ "b.cedar": a + b }),
      hashOf({ "a.cedar": a, "b.cedar": b }),
      hashOf({ "a.cedar": b, "b.cedar": a }),
      hashOf({ "a.cedar": a + b }, other)
    ]
    assert.strictEqual(new Set(hashes).size, hashes.length)
  })

  it.prop("differs for any other byte of a comment", [Schema.String, Schema.String], ([left, right]) => {
    const text = (comment: string) => `// ${comment.replaceAll(/[\n\r\p{Surrogate}]/gu, "")}\n${policy("a")}`
    const same = text(left) === text(right)
    assert.strictEqual(hashOf({ "a.cedar": text(left) }) === hashOf({ "a.cedar": text(right) }), same)
    assert.notStrictEqual(hashOf({ "a.cedar": text(left) }), hashOf({ "a.cedar": `${text(left)} ` }))
  })
})

describe("the starter set", () => {
  const install = (folder: string) => Effect.provide(installStarterSet(folder), NodeFileSystem.layer)

  it.effect("is copied whole into a folder that is not there, private to its owner", () =>
    Effect.gen(function* () {
      const parent = join(yield* TemporaryFolder.make, "data")
      const folder = join(parent, "policies")
      assert.isTrue(yield* install(folder))
      assert.deepStrictEqual(readdirSync(folder), readdirSync(starterFolder()))
      assert.deepStrictEqual(readdirSync(parent), ["policies"])
      assert.strictEqual(statSync(folder).mode & 0o777, 0o700)
      for (const name of readdirSync(folder)) assert.strictEqual(statSync(join(folder, name)).mode & 0o777, 0o600)
      assert.isAbove((yield* (yield* folderEngine(folder)).set).policies.length, 5)
    })
  )

  it.effect("never touches a folder that is there, be it empty", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      assert.isFalse(yield* install(folder))
      assert.deepStrictEqual(readdirSync(folder), [])
    })
  )

  it.effect("is installed once by rivals, and leaves no draft behind", () =>
    Effect.gen(function* () {
      const parent = yield* TemporaryFolder.make
      const all = yield* Effect.all(
        Array.from({ length: 8 }, () => install(join(parent, "policies"))),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(all.filter((one) => one).length, 1)
      assert.deepStrictEqual(readdirSync(parent), ["policies"])
    })
  )

  it.effect("that can't be written is a problem with the folder's name", () =>
    Effect.gen(function* () {
      const parent = yield* TemporaryFolder.make
      writeFileSync(join(parent, "file"), "")
      const folder = join(parent, "file", "policies")
      const error = yield* Effect.flip(install(folder))
      assert.strictEqual(error.problems[0]?.file, folder)
    })
  )
})
