/** A search that finds nothing proves something only if it finds what is there: in every form, anywhere. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Canary from "./canary.ts"
import * as TemporaryFolder from "./TemporaryFolder.ts"

const canary = 'Käfer "7f3a" \u{1f426} sings'
const forms = Canary.forms(canary)
const find = (folder: string) => Effect.promise(() => Canary.find(canary, folder))

/** Bytes that hold none of the forms. */
const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, index) => (index * 7919) % 251))

describe("canary", () => {
  it.effect("is found in every form, at its very offset", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      assert.isAtLeast(forms.length, 14)
      for (const [index, { bytes }] of forms.entries()) {
        writeFileSync(join(folder, String(index)), Buffer.concat([noise(100 + index), bytes, noise(50)]))
      }
      const hits = yield* find(folder)
      for (const [index, { name }] of forms.entries()) {
        assert.deepInclude(hits, { file: join(folder, String(index)), offset: 100 + index, form: name })
      }
    })
  )

  it.effect.each([0, 1, 2, 3, 4, 5])("is found inside base64 of something larger, %i bytes in", (before) =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      const larger = Buffer.concat([noise(before), Buffer.from(canary), noise(before)])
      writeFileSync(join(folder, "standard"), larger.toString("base64"))
      writeFileSync(join(folder, "url"), larger.toString("base64url"))
      const files = new Set((yield* find(folder)).map(({ file }) => file))
      assert.deepStrictEqual([...files], [join(folder, "standard"), join(folder, "url")])
    })
  )

  it.effect("is found where two chunks meet, twice in a file, deep down, hidden, and in a name", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      const deep = join(folder, "a", ".b")
      mkdirSync(deep, { recursive: true })
      const chunk = 4 * 1024 * 1024
      writeFileSync(join(deep, "large"), Buffer.concat([Buffer.alloc(chunk - 9), Buffer.from(`${canary}${canary}`)]))
      mkdirSync(join(folder, `x${canary}`))
      const length = Buffer.byteLength(canary)
      const raw = (yield* find(folder)).filter(({ form }) => form === "utf-8" || form === "file name")
      assert.deepStrictEqual(raw, [
        { file: join(deep, "large"), offset: chunk - 9, form: "utf-8" },
        { file: join(deep, "large"), offset: chunk - 9 + length, form: "utf-8" },
        { file: join(folder, `x${canary}`), offset: -1, form: "file name" }
      ])
    })
  )

  it.effect("is not found where it is not", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      writeFileSync(join(folder, "near"), Buffer.concat([noise(4096), Buffer.from(canary.slice(0, -1)), noise(10)]))
      writeFileSync(join(folder, "empty"), "")
      symlinkSync("/proc/self/cmdline", join(folder, "link"))
      assert.deepStrictEqual(yield* find(folder), [])
    })
  )

  it("is found in bytes that a test holds itself", () => {
    const text = `{"log":${JSON.stringify(JSON.stringify(canary))}}`
    assert.deepStrictEqual(
      Canary.inBytes(canary, text, "log").map(({ file, form }) => `${file}: ${form}`),
      ["log: json in json"]
    )
    assert.deepStrictEqual(Canary.inBytes(canary, '{"redacted":true}'), [])
  })

  it("is long enough to be told from chance", () => {
    assert.throws(() => Canary.forms("short"), "a canary needs 8 characters")
  })
})
