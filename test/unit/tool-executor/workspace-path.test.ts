import { assert, describe, it } from "@effect/vitest"
import { posix } from "node:path"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { nameFault, parse } from "#layers/tool-executor/WorkspacePath.ts"

const accepted: ReadonlyArray<readonly [path: string, parts: ReadonlyArray<string>]> = [
  [".", []],
  ["a", ["a"]],
  ["a/b.txt", ["a", "b.txt"]],
  [".gitignore", [".gitignore"]],
  ["...a", ["...a"]],
  ["a b/c", ["a b", "c"]],
  ["~", ["~"]],
  ["2024-01-01T10:00.log", ["2024-01-01T10:00.log"]],
  ["ß/日本語/é.txt", ["ß", "日本語", "é.txt"]],
  ["x".repeat(255), ["x".repeat(255)]]
]

const refused: ReadonlyArray<readonly [path: string, says: RegExp]> = [
  ["", /empty/],
  ["/", /absolute/],
  ["/etc/passwd", /absolute/],
  ["//etc", /absolute/],
  ["..", /\.\./],
  ["../a", /\.\./],
  ["a/../../b", /\.\./],
  ["a/..", /\.\./],
  ["./a", /\. or/],
  ["a/.", /\. or/],
  ["a//b", /empty part/],
  ["a/", /empty part/],
  ["a\\..\\b", /back slash/],
  ["..\\b", /back slash/],
  ["C:", /drive/],
  ["c:/windows", /drive/],
  ["a.", /ends in a dot|in a dot/],
  ["a /b", /space/],
  [" a", /space/],
  [".. ", /space/],
  ["...", /dot/],
  ["a\0b", /can't be seen/],
  ["a\nb", /can't be seen/],
  ["a\u001b[2J", /can't be seen/],
  ["a\u007f", /can't be seen/],
  ["a\u202etxt.exe", /can't be seen/],
  ["a\u2066b", /can't be seen/],
  ["a\u200bb", /can't be seen/],
  ["a\u034fb", /can't be seen/],
  ["a\u1160b", /can't be seen/],
  ["a\u3164b", /can't be seen/],
  ["a\ufe0fb", /can't be seen/],
  ["a\ufeff", /can't be seen/],
  ["a\u2028b", /can't be seen/],
  ["a\ud800", /can't be seen/],
  ["a\ue000", /can't be seen/],
  ["e\u0301", /NFC/],
  ["\u212b", /NFC/],
  ["x".repeat(256), /255 bytes/],
  ["日".repeat(86), /255 bytes/],
  ["a/".repeat(512) + "b", /1024 characters/],
  [".keelson-0123.tmp", /kept/],
  ["a/.KEELSON-x", /kept/]
]

/** Texts near the danger: any order of the characters that paths are made of. */
const Near = Schema.Array(
  Schema.Literals([
    "a",
    "b",
    ".",
    "..",
    "/",
    "\\",
    " ",
    "\0",
    ":",
    "C",
    "~",
    "\u202e",
    "\u0301",
    "e",
    "\u2024",
    "\uff0f"
  ])
)

/** What holds for every path that is accepted: it names something strictly inside, and only one way. */
const holds = (path: string) => {
  const parts = parse(path)
  if (Result.isFailure(parts)) return parts.failure.length > 0
  const joined = posix.join("/root/ws", ...parts.success)
  return (
    (path === "." ? joined === "/root/ws" : joined.startsWith("/root/ws/")) &&
    posix.normalize(joined) === joined &&
    parts.success.every(
      (part) => part !== ".." && !part.includes("/") && !part.includes("\\") && !part.includes("\0")
    ) &&
    (path === "." || parts.success.join("/") === path) &&
    path.normalize("NFC") === path
  )
}

describe("a path in the workspace", () => {
  for (const [path, parts] of accepted) {
    it(`may be ${JSON.stringify(path.slice(0, 40))}`, () => {
      assert.deepStrictEqual(parse(path), Result.succeed(parts))
    })
  }

  for (const [path, says] of refused) {
    it(`may not be ${JSON.stringify(path.slice(0, 40))}, and says why`, () => {
      const parts = parse(path)
      assert.isTrue(Result.isFailure(parts))
      if (Result.isFailure(parts)) assert.match(parts.failure, says)
    })
  }

  it.prop("never leads out, whatever the text", [Schema.String], ([path]) => holds(path), {
    arbitrary: { runs: 2_000 }
  })

  it.prop("never leads out, whatever is made of a path's own characters", [Near], ([text]) => holds(text.join("")), {
    arbitrary: { runs: 5_000 }
  })

  it("has parts that a listing can give: the two judge names alike", () => {
    assert.strictEqual(nameFault("a.txt"), null)
    assert.notStrictEqual(nameFault("a\u202eb"), null)
  })
})
