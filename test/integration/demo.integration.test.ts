import { assert, describe, it } from "@effect/vitest"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Check } from "#layers/cli/DemoProof.ts"
import { keelson } from "./cli-kit.ts"

/** Far above what it takes, so that only a hang fails here. */
const patienceMillis = 120_000

describe("keelson demo", () => {
  it(
    "plays a session with a SIGKILL in it and proves that nothing was lost and nothing ran twice",
    async () => {
      const temporary = mkdtempSync(join(tmpdir(), "keelson-demo-test-"))
      // Settings of the caller's own Keelson must not reach the demo's service: this one would stop it at once.
      const environment = { TMPDIR: temporary, KEELSON_PORT: "1", KEELSON_DATA_FOLDER: "/nowhere" }
      const { code, err, out } = await keelson(["demo", "--json"], environment).ended
      assert.strictEqual(code, 0, `${out}\n${err}`)
      const { checks, stands } = JSON.parse(out) as { stands: boolean; checks: ReadonlyArray<Check> }
      assert.isTrue(stands)
      assert.deepStrictEqual(
        checks.filter(({ verdict }) => verdict !== "holds"),
        []
      )
      assert.strictEqual(checks.length, 11)
      const lost = checks.find(({ name }) => name === "nothing acknowledged was lost")
      assert.match(lost?.says ?? "", /^28 of 28 /)
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
