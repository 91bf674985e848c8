import { assert, describe, it } from "@effect/vitest"
import * as CliOutput from "effect/cli/CliOutput"
import * as Page from "#layers/cli/Page.ts"

const look: Page.Look = { ...Page.plain, width: 40 }

describe("a page", () => {
  it("keeps to its width, and keeps long words whole", () => {
    const path = `/a/path/${"x".repeat(60)}`
    const text = Page.indented(look, `words and words and more words, then ${path} and the rest`, "    ")
    for (const line of text.split("\n")) assert.isTrue(line.length <= 40 || line.trim() === path, line)
  })

  it("puts texts beside their labels, and below themselves where they are long", () => {
    assert.strictEqual(
      Page.rows(look, [
        ["one", "short"],
        ["three", "a text that is longer than what is left of the line"]
      ]),
      "  one    short\n  three  a text that is longer than what\n         is left of the line"
    )
  })

  it("is plain where colours are not shown", () => {
    assert.strictEqual(Page.mark(look, "red", "x"), "x")
    assert.strictEqual(Page.mark({ ...look, color: true }, "red", "x"), "\u001b[31mx\u001b[39m")
  })

  it("writes out what would move a cursor, change a colour or turn letters around", () => {
    assert.strictEqual(Page.visible("a\u001b[2J\rb\u0007\u009b"), "a\\u{1b}[2J\\u{d}b\\u{7}\\u{9b}")
    assert.strictEqual(
      Page.visible("\u202egnp.exe\u200b\u2066\ufeff\u2028"),
      "\\u{202e}gnp.exe\\u{200b}\\u{2066}\\u{feff}\\u{2028}"
    )
    assert.strictEqual(Page.visible("plain words\nüñ漢🎉"), "plain words\nüñ漢🎉")
  })

  it("counts and lists as a sentence does", () => {
    assert.strictEqual(Page.count(1, "policy", "policies"), "1 policy")
    assert.strictEqual(Page.count(1_200, "event"), "1,200 events")
    assert.strictEqual(Page.listed(["a", "b", "c"]), "a, b and c")
    assert.strictEqual(Page.listed([]), "")
  })
})

describe("exact text", () => {
  it("is broken into lines and never changed", () => {
    const texts = [...'{"content":"漢字, 漢字/漢字","path":"a/b/c"}', "x".repeat(200), ""]
    for (const text of [texts.join(""), ...texts]) {
      for (const width of [2, 7, 30]) {
        const lines = Page.chopped(text, width)
        assert.strictEqual(lines.join(""), text)
        for (const line of lines) assert.isAtMost(CliOutput.displayWidth(line), width)
      }
    }
  })
})
