import { assert, describe, it } from "@effect/vitest"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as FileTools from "#layers/tool-executor/FileTools.ts"
import { open, WorkspaceInvalid } from "#layers/tool-executor/Workspace.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { folder, resolutions, workspace } from "./folder.ts"

const code = (effect: Effect.Effect<unknown, { readonly code?: string }>) =>
  Effect.map(Effect.flip(effect), (error) => error.code)

for (const resolution of resolutions) {
  describe(`file.read (${resolution})`, () => {
    it.live("gives a file's text as it is, its mark and line ends included", () =>
      Effect.gen(function* () {
        const { inside, call } = yield* workspace(resolution)
        const text = "\ufeffhéllo\r\n\t日本\n"
        mkdirSync(join(inside, "a"))
        writeFileSync(join(inside, "a", "b.txt"), text)
        assert.deepStrictEqual(yield* call("file.read", { path: "a/b.txt" }), {
          path: "a/b.txt",
          text,
          sizeBytes: Buffer.byteLength(text),
          truncated: false
        })
      })
    )

    it.live("cuts at a whole character, and says so", () =>
      Effect.gen(function* () {
        const { inside, call } = yield* workspace(resolution)
        writeFileSync(join(inside, "f"), "ab日本")
        const read = (maxBytes: number) => call("file.read", { path: "f", maxBytes })
        assert.deepInclude(yield* read(8), { text: "ab日本", truncated: false })
        assert.deepInclude(yield* read(7), { text: "ab日", truncated: true, sizeBytes: 8 })
        assert.deepInclude(yield* read(4), { text: "ab", truncated: true })
        writeFileSync(join(inside, "big"), "x".repeat(Bounds.fileBytesMax + 1))
        const big = yield* call("file.read", { path: "big" })
        assert.deepInclude(big, { truncated: true, sizeBytes: Bounds.fileBytesMax + 1 })
        assert.strictEqual(big.text.length, Bounds.fileBytesMax)
      })
    )

    it.live("refuses what is not text, is not there or is a directory", () =>
      Effect.gen(function* () {
        const { inside, call } = yield* workspace(resolution)
        writeFileSync(join(inside, "latin"), Buffer.from([0x61, 0xe9, 0x62]))
        writeFileSync(join(inside, "cut"), Buffer.from([0x61, 0xe6, 0x97]))
        writeFileSync(join(inside, "nul"), "a\0b")
        for (const path of ["latin", "cut", "nul"]) {
          assert.strictEqual(yield* code(call("file.read", { path })), "NotText", path)
        }
        assert.strictEqual(yield* code(call("file.read", { path: "none" })), "NotFound")
        assert.strictEqual(yield* code(call("file.read", { path: "." })), "NotAFile")
        assert.strictEqual(yield* code(call("file.read", { path: "nul/x" })), "NotADirectory")
        assert.strictEqual(yield* code(call("file.read", { path: "../x" })), "PathRefused")
      })
    )
  })

  describe(`file.list (${resolution})`, () => {
    it.live("gives names in order with type and size, and counts what no path can name", () =>
      Effect.gen(function* () {
        const { inside, call } = yield* workspace(resolution)
        mkdirSync(join(inside, "b"))
        writeFileSync(join(inside, "a.txt"), "12345")
        symlinkSync("/etc", join(inside, "c"))
        writeFileSync(join(inside, "evil\u202etxt"), "")
        writeFileSync(Buffer.concat([Buffer.from(`${inside}/`), Buffer.from([0xff, 0xfe])]), "")
        assert.deepStrictEqual(yield* call("file.list", { path: "." }), {
          path: ".",
          entries: [
            { name: "a.txt", type: "file", sizeBytes: 5 },
            { name: "b", type: "directory", sizeBytes: null },
            { name: "c", type: "link", sizeBytes: null }
          ],
          unlisted: 2,
          truncated: false
        })
        assert.strictEqual(yield* code(call("file.list", { path: "a.txt" })), "NotADirectory")
        assert.strictEqual(yield* code(call("file.list", { path: "c" })), "LinkRefused")
        assert.strictEqual(yield* code(call("file.list", { path: "d" })), "NotFound")
      })
    )

    it.live(`gives the first ${Bounds.listEntriesMax} of many, and says that there are more`, () =>
      Effect.gen(function* () {
        const { inside, call } = yield* workspace(resolution)
        const names = Array.from(
          { length: Bounds.listEntriesMax + 5 },
          (_, index) => `f${String(index).padStart(5, "0")}`
        )
        for (const name of names) writeFileSync(join(inside, name), "")
        const { entries, truncated } = yield* call("file.list", { path: "." })
        assert.deepStrictEqual(
          entries.map((entry: { name: string }) => entry.name),
          names.slice(0, Bounds.listEntriesMax)
        )
        assert.isTrue(truncated)
      })
    )
  })

  describe(`file.write (${resolution})`, () => {
    it.live("creates what does not exist, and nothing else", () =>
      Effect.gen(function* () {
        const { inside, call } = yield* workspace(resolution)
        const write = (args: object) => call("file.write", { path: "f", ...args } as never)
        assert.deepStrictEqual(yield* write({ content: "é" }), {
          path: "f",
          writtenBytes: 2,
          sizeBytes: 2,
          created: true
        })
        assert.strictEqual(yield* code(write({ content: "other" })), "Exists")
        assert.strictEqual(readFileSync(join(inside, "f"), "utf8"), "é")
        assert.strictEqual(yield* code(call("file.write", { path: "no/f", content: "" })), "NotFound")
        assert.strictEqual(yield* code(call("file.write", { path: ".", content: "" })), "NotAFile")
        assert.deepStrictEqual(readdirSync(inside), ["f"])
      })
    )

    it.live("replaces the whole file at once and keeps its mode; readers with the old one open keep it", () =>
      Effect.gen(function* () {
        const { inside, call } = yield* workspace(resolution)
        const path = join(inside, "f")
        const replace = (content: string) => call("file.write", { path: "f", content, mode: "replace" })
        assert.deepInclude(yield* replace("one"), { created: true })
        chmodSync(path, 0o640)
        const { ino } = statSync(path)
        assert.deepInclude(yield* replace("two"), { created: false, sizeBytes: 3 })
        assert.strictEqual(readFileSync(path, "utf8"), "two")
        assert.strictEqual(statSync(path).mode & 0o777, 0o640)
        assert.notStrictEqual(statSync(path).ino, ino)
        assert.deepStrictEqual(readdirSync(inside), ["f"])
      })
    )

    it.live("leaves what is read-only or a directory", () =>
      Effect.gen(function* () {
        const { inside, call } = yield* workspace(resolution)
        writeFileSync(join(inside, "fixed"), "old", { mode: 0o444 })
        mkdirSync(join(inside, "d"))
        for (const [path, expected] of [
          ["fixed", "PermissionDenied"],
          ["d", "NotAFile"]
        ] as const) {
          assert.strictEqual(yield* code(call("file.write", { path, content: "x", mode: "replace" })), expected)
        }
        assert.strictEqual(readFileSync(join(inside, "fixed"), "utf8"), "old")
        assert.deepStrictEqual(readdirSync(inside).sort(), ["d", "fixed"])
      })
    )

    it.live("appends to what exists, and nothing else", () =>
      Effect.gen(function* () {
        const { inside, call } = yield* workspace(resolution)
        writeFileSync(join(inside, "f"), "one\n")
        const append = (path: string) => call("file.write", { path, content: "two\n", mode: "append" })
        assert.deepInclude(yield* append("f"), { created: false, writtenBytes: 4, sizeBytes: 8 })
        assert.strictEqual(readFileSync(join(inside, "f"), "utf8"), "one\ntwo\n")
        assert.strictEqual(yield* code(append("g")), "NotFound")
        assert.isFalse(existsSync(join(inside, "g")))
      })
    )

    it.live("refuses more bytes than one write may have", () =>
      Effect.gen(function* () {
        const { inside, call } = yield* workspace(resolution)
        const content = "é".repeat(Bounds.fileBytesMax / 2)
        yield* call("file.write", { path: "fits", content })
        assert.strictEqual(yield* code(call("file.write", { path: "more", content: `${content}é` })), "TooLarge")
        assert.deepStrictEqual(readdirSync(inside), ["fits"])
      })
    )

    it.live("takes away what a killed replace left long ago, and hides what one may be writing now", () =>
      Effect.gen(function* () {
        const { inside, call } = yield* workspace(resolution)
        const [old, young] = ["0", "1"].map((digit) => `.keelson-${digit.repeat(24)}.tmp`) as [string, string]
        for (const name of [old, young]) writeFileSync(join(inside, name), "half")
        utimesSync(join(inside, old), 0, 0)
        yield* call("file.write", { path: "f", content: "x", mode: "replace" })
        assert.deepStrictEqual(readdirSync(inside).sort(), [young, "f"])
        const { entries, unlisted } = yield* call("file.list", { path: "." })
        assert.deepStrictEqual([entries.length, unlisted], [1, 0])
      })
    )
  })
}

describe("a workspace", () => {
  it.live("is made where it is missing, for its owner alone", () =>
    Effect.gen(function* () {
      const root = join((yield* folder).inside, "new", "one")
      assert.strictEqual((yield* FileTools.make({ root })).length, 3)
      assert.strictEqual(statSync(root).mode & 0o777, 0o700)
    })
  )

  it.live("is refused where it is not absolute, is everything, or lies together with what it must be apart from", () =>
    Effect.gen(function* () {
      const { inside, outside } = yield* folder
      const refusal = (options: Parameters<typeof open>[0]) => Effect.flip(open(options))
      for (const options of [
        { root: "relative" },
        { root: "/" },
        { root: join(outside, "secret.txt") },
        { root: inside, apartFrom: [inside] },
        { root: inside, apartFrom: [join(inside, "data")] },
        { root: join(outside, "deep"), apartFrom: [outside] }
      ]) {
        assert.isTrue((yield* refusal(options)) instanceof WorkspaceInvalid, JSON.stringify(options))
      }
      yield* open({ root: inside, apartFrom: [outside, `${inside}-data`] })
    })
  )
})
