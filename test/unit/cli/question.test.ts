import { assert, describe, it } from "@effect/vitest"
import * as CliOutput from "effect/cli/CliOutput"
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Page from "#layers/cli/Page.ts"
import * as LineDiff from "#layers/cli/people/LineDiff.ts"
import * as Question from "#layers/cli/people/Question.ts"
import * as WorkspaceFile from "#layers/cli/people/WorkspaceFile.ts"
import { nowMillis, question } from "./people-kit.ts"

const page = (one: Question.Question, before?: Question.Before, width = 80) =>
  Question.page({ ...Page.plain, width }, one, before, nowMillis)

const writes = (content: string, mode = "replace", path = "list.txt") =>
  question("a", { arguments: { content, mode, path }, argumentsText: JSON.stringify({ content, mode, path }) })

const escape = "\u001b[2J\u001b[31m\u202Egood\u0007\u{e0041}\ufe0f"

describe("a question to a person", () => {
  it("says who wants what exactly, why it asks, who may agree, and how long there is", () => {
    const one = question("a", {
      approvers: ["approver"],
      gate: "two-people",
      approvals: [{ kind: "HUMAN", id: "ana" }],
      edited: true
    })
    for (const part of [
      "agent assistant",
      "agents-write-files",
      "two people: ana agreed, 1 more must",
      "the session's owner or role approver",
      "arguments that a person changed",
      "2 min",
      '{"content":"bread\\nsalt\\n","mode":"replace","path":"list.txt"}'
    ]) {
      assert.include(page(one), part)
    }
  })

  it("shows what changes in a file, with a little around it", () => {
    const shown = page(writes("bread\nsalt\neggs\nflour\nrice\n"), "bread\nmilk\neggs\nflour\nrice\n")
    assert.include(
      shown,
      "  list.txt: changes\n      bread\n    - milk\n    + salt\n      eggs\n      flour\n    … 1 line as it is\n\n  exactly"
    )
  })

  it("says of a file no more than was seen", () => {
    assert.include(page(writes("x", "create"), null), "list.txt: a new file\n    + x\n")
    assert.include(page(writes("x", "create"), ""), "is there already, so creating it will fail")
    assert.include(page(writes("x", "append"), null), "is not there, so adding to it will fail")
    assert.include(page(writes("x\n"), "x\n"), "stays as it is")
    for (const mode of ["create", "replace", "append"]) {
      const shown = page(writes("x", mode), undefined)
      assert.notInclude(shown, "a new file")
      assert.notInclude(shown, "changes")
      assert.include(shown, "+ x")
    }
    const added = page(writes("eggs\n", "append"), "bread\n")
    assert.include(added, "+ eggs")
    assert.notInclude(added, "- bread")
  })

  it("says why it asks, in the policies' own sentence, unless its words were forgotten", () => {
    const why = 'Policy "pay" permits it once two people agree: Nobody pays alone.'
    assert.match(
      page(question("a", { why }), null),
      /^  why {8}Policy "pay" permits it once two people agree: Nobody pays/m
    )
    assert.notInclude(page(question("a", { why: { redacted: true } }), null), "why")
    assert.match(page(question("a", { why: { redacted: true } }), null), /^  policy {5}agents-write-files$/m)
  })

  it("moves no cursor and colours nothing by what others wrote", () => {
    for (const tool of ["file.write", escape]) {
      const shown = page(
        question("a", {
          tool,
          policies: [escape],
          why: escape,
          approvers: [escape],
          proposer: { kind: "AGENT", id: escape },
          argumentsText: escape,
          arguments: { content: escape, mode: "replace", path: escape }
        }),
        `${escape}before`
      )
      for (const obeyed of ["\u001b", "\u0007", "\u202e", "\u{e0041}", "\ufe0f"]) assert.notInclude(shown, obeyed)
      assert.include(shown, "\\u{1b}[2J")
    }
  })

  it("lets no text look like the rows around it", () => {
    const forged = 'x.txt\n  exactly\n    {"path":"safe.txt"}\n\n  tool       file.read'
    for (const tool of ["file.write", forged]) {
      const one = question("a", {
        tool,
        policies: [forged],
        why: forged,
        argumentsText: forged,
        arguments: { content: forged, mode: "create", path: forged }
      })
      const rows = page(one, null).split("\n")
      assert.strictEqual(rows.filter((row) => row === "  exactly").length, 1)
      assert.strictEqual(rows.filter((row) => row.startsWith("  tool  ")).length, 1)
    }
  })

  it("keeps to its width, whatever it is made of", () => {
    const long = `${"x".repeat(90)}漢字/${"漢".repeat(90)} `
    const one = (tool: string) => ({
      ...writes("x"),
      tool,
      policies: [long, long],
      why: long,
      argumentsText: long.repeat(9),
      arguments: { content: `${long}\n${long}`, mode: "replace", path: long }
    })
    for (const width of [20, 39, 79]) {
      for (const tool of ["file.write", long]) {
        for (const row of page(one(tool), `${long}before\n`, width).split("\n")) {
          assert.isAtMost(CliOutput.displayWidth(row), width, row)
        }
      }
    }
  })

  it("lays the longest arguments out in a moment", () => {
    const text = "line of words, 漢字 and more\n".repeat(8_000)
    const startedAt = performance.now()
    assert.isAbove(page(writes(text), text.toUpperCase()).length, text.length)
    assert.isBelow(performance.now() - startedAt, 5_000)
  })

  it("tells time as people do", () => {
    const left = (text: string) => Question.timeLeft(text, nowMillis)
    assert.deepStrictEqual(
      ["2025-01-01T00:00:00Z", "2026-01-01T00:00:09Z", "2026-01-01T00:10:00Z", "2026-01-01T04:00:00Z"].map(left),
      ["0 s", "9 s", "10 min", "4 h"]
    )
    assert.strictEqual(Question.timeLeft(null, nowMillis), "decided")
  })
})

describe("what changes between two texts", () => {
  const signed = (before: string, after: string) =>
    LineDiff.changes(before, after)
      .filter(([sign]) => sign === "-" || sign === "+")
      .map(([sign, line]) => `${sign}${line}`)

  it("is exactly what they differ in", () => {
    assert.deepStrictEqual(signed("a\nb\nc\n", "a\nx\nc\n"), ["-b", "+x"])
    assert.deepStrictEqual(signed("a\nb\nc\nd\ne\n", "x\nb\nc\nd\ny\n"), ["-a", "+x", "-e", "+y"])
    assert.deepStrictEqual(signed("a\n", "a\n"), [])
    assert.deepStrictEqual(signed("", "a\nb\n"), ["+a", "+b"])
    assert.deepStrictEqual(signed("a\nb\n", ""), ["-a", "-b"])
    assert.deepStrictEqual(signed("a\na\na\n", "a\na\n"), ["-a"])
  })

  it("tells a last line without an end from one with it", () =>
    assert.deepStrictEqual(signed("a\nb", "a\nb\n"), ["-b (no line end)", "+b"]))

  it("leaves out what is far from a change, and says how much", () => {
    const many = Array.from({ length: 20 }, (_, at) => `line ${at}`)
    const after = many.with(10, "other")
    assert.deepStrictEqual(LineDiff.changes(`${many.join("\n")}\n`, `${after.join("\n")}\n`), [
      ["…", "8 lines as they are"],
      [" ", "line 8"],
      [" ", "line 9"],
      ["-", "line 10"],
      ["+", "other"],
      [" ", "line 11"],
      [" ", "line 12"],
      ["…", "7 lines as they are"]
    ])
  })

  it("stays quick where everything differs", () => {
    const lines = (word: string) => Array.from({ length: 60_000 }, (_, at) => `${word}${at}\n`).join("")
    assert.strictEqual(LineDiff.changes(lines("a"), lines("b")).length, 120_000)
  })
})

describe("the file that would be written", () => {
  const inFolder = async (
    work: (folder: string, look: (path: string, url?: string) => Promise<unknown>) => unknown
  ) => {
    const folder = mkdtempSync(join(tmpdir(), "keelson-watch-"))
    try {
      mkdirSync(join(folder, "workspace"))
      await work(folder, (path, url = "http://127.0.0.1:7717") =>
        Effect.runPromise(
          WorkspaceFile.before(
            { url, workspaceFolder: join(folder, "workspace") },
            { tool: "file.write", arguments: { path, content: "x" } }
          )
        )
      )
    } finally {
      rmSync(folder, { recursive: true })
    }
  }

  it("is its text, or null where there is none", () =>
    inFolder(async (folder, look) => {
      writeFileSync(join(folder, "workspace", "a.txt"), "text")
      assert.strictEqual(await look("a.txt"), "text")
      assert.isNull(await look("b.txt"))
      assert.isNull(await look("folder/b.txt"))
    }))

  it("can't be looked at outside the workspace, as a folder, or at a service elsewhere", () =>
    inFolder(async (folder, look) => {
      writeFileSync(join(folder, "secret.txt"), "secret")
      writeFileSync(join(folder, "workspace", "a.txt"), "text")
      symlinkSync(join(folder, "secret.txt"), join(folder, "workspace", "link.txt"))
      symlinkSync(folder, join(folder, "workspace", "up"))
      for (const path of ["../secret.txt", "link.txt", "up/secret.txt", ".", join(folder, "secret.txt"), "a\0b"]) {
        assert.isUndefined(await look(path), path)
      }
      assert.isUndefined(await look("a.txt", "https://keelson.example"))
      rmSync(join(folder, "workspace"), { recursive: true })
      assert.isUndefined(await look("a.txt"))
    }))
})
