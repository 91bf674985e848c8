import { assert, describe, it } from "@effect/vitest"
import { execFileSync, spawn } from "node:child_process"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import { folder } from "./folder.ts"

const script = fileURLToPath(new URL("file-writer.ts", import.meta.url))

/** At least so many kills, and more until one hits a write, within a bound. */
const kills = 8
const killsMax = 80

describe("file.write", () => {
  it.live("mode replace leaves the old content or the new one, whenever it is killed", () =>
    Effect.gen(function* () {
      const { inside } = yield* folder
      const seen = new Set<string>()
      for (let round = 0; round < kills || (round < killsMax && !seen.has("in the middle")); round++) {
        yield* Effect.promise(async () => {
          const child = spawn(process.execPath, [script, inside, "replace"], { stdio: ["ignore", "pipe", "inherit"] })
          const exited = new Promise((resolve) => child.once("exit", resolve))
          await Promise.race([new Promise((resolve) => child.stdout.once("data", resolve)), exited])
          // Spread over a write's few milliseconds.
          const until = performance.now() + ((round % kills) * 5) / kills
          while (performance.now() < until);
          child.kill("SIGKILL")
          await exited
        })
        const text = readFileSync(join(inside, "f"), "utf8")
        assert.match(text, /^(a{100000}|b{100000})$/)
        seen.add(readdirSync(inside).length > 1 ? "in the middle" : "between")
      }
      assert.isTrue(seen.has("in the middle"), "no kill hit a write; the test has shown nothing")
    })
  )

  for (const [mode, task] of [
    ["append", "append"],
    ["replace", "replace-once"]
  ] as const) {
    it.live(`mode ${mode} that finds no room leaves the file as it was`, () =>
      Effect.gen(function* () {
        const { inside } = yield* folder
        writeFileSync(join(inside, "f"), "old")
        // The process may write no file beyond 8 blocks, which fails as a full disk does: part is written, then no more.
        const limited = `ulimit -f 8; exec "$0" "$@"`
        const told = execFileSync("/bin/sh", ["-c", limited, process.execPath, script, inside, task], {
          encoding: "utf8"
        })
        assert.strictEqual(told, "NoSpace")
        assert.strictEqual(readFileSync(join(inside, "f"), "utf8"), "old")
        assert.deepStrictEqual(readdirSync(inside), ["f"])
      })
    )
  }
})
