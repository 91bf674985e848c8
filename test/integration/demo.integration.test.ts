import { assert, describe, it } from "@effect/vitest"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { keelson } from "./cli-kit.ts"

/** Far above what it takes, so that only a hang fails here. */
const patienceMillis = 120_000

/** Each once, in this order. */
const scenes = [
  '{"content":"Orders of today:\\n2 apples\\n1 bread\\n", "mode":"create","path":"summary.txt"}',
  "policy agents-write-files",
  "The person approves.",
  "The summary is written.",
  "The person denies: The orders stay as they are.",
  "it was denied (The orders stay as they are).",
  "All 21 are acknowledged.",
  "kill -9",
  "the recorded answer comes back",
  "keelson verify: exit code 0",
  "28 of 28 acknowledged commands are in the journal",
  "The proof stands: 11 of 11 checks hold."
]

describe("keelson demo", () => {
  it(
    "plays a session with a SIGKILL in it and proves that nothing was lost and nothing ran twice",
    async () => {
      const temporary = mkdtempSync(join(tmpdir(), "keelson-demo-test-"))
      // Settings of the caller's own Keelson must not reach the demo's service: these would stop it at once.
      const environment = { TMPDIR: temporary, KEELSON_PORT: "1", KEELSON_DATA_FOLDER: "/nowhere" }
      const { code, err, out } = await keelson(["demo"], environment).ended
      assert.strictEqual(code, 0, `${out}\n${err}`)
      assert.notInclude(out, "\u001b", "no colour where there is no terminal")
      for (const line of out.split("\n")) assert.isAtMost(line.length, 80, line)
      const story = out.replace(/\s+/g, " ")
      let from = 0
      for (const scene of scenes) {
        const at = story.indexOf(scene, from)
        assert.isAtLeast(at, 0, `${scene}\n${out}`)
        from = at
      }
      assert.notMatch(out, /^ (FAIL| -- )/m)
      assert.deepStrictEqual(readdirSync(temporary), [], "the folder of a proof that stands is removed")
      rmSync(temporary, { recursive: true })
    },
    patienceMillis
  )

  it("says at once that --interactive needs a terminal", async () => {
    const { code, err } = await keelson(["demo", "--interactive"]).ended
    assert.strictEqual(code, 2)
    assert.include(err, "there is no terminal to ask at")
  })
})
