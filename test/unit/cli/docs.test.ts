import * as Effect from "effect/Effect"
import { assert, describe, it } from "@effect/vitest"
import { readFile, writeFile } from "node:fs/promises"
import { keelson } from "./kit.ts"

const page = new URL("../../../docs/cli.md", import.meta.url)

/** The page with the help of every command that it names put in. */
const filled = Effect.fnUntraced(function* (text: string) {
  let result = text
  for (const [marker, name] of text.matchAll(/<!-- keelson (\w+(?: \w+)?) --help -->/g)) {
    const { out } = yield* keelson([...name!.split(" "), "--help"])
    const at = result.indexOf(marker)
    const after = result.slice(at + marker.length).replace(/^\n\n```text\n[\s\S]*?\n```/, "")
    result = `${result.slice(0, at)}${marker}\n\n\`\`\`text\n${out}\n\`\`\`${after}`
  }
  return result
})

describe("docs/cli.md", () => {
  it.effect("shows the help that the commands give (KEELSON_TEST_UPDATE=1 writes it anew)", () =>
    Effect.gen(function* () {
      const text = yield* Effect.promise(() => readFile(page, "utf8"))
      const fresh = yield* filled(text)
      assert.include(fresh, "--claim-lease-millis")
      if (process.env["KEELSON_TEST_UPDATE"] === "1") yield* Effect.promise(() => writeFile(page, fresh))
      else assert.strictEqual(text, fresh)
    })
  )
})
