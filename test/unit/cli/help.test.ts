import * as Effect from "effect/Effect"
import { assert, describe, it } from "@effect/vitest"
import * as SettingsSource from "#layers/cli/SettingsSource.ts"
import * as Settings from "#layers/profiles/Settings.ts"
import { definition, keelson } from "./kit.ts"

describe("help", () => {
  it.effect("of start names every setting with its flag, its variable and its default", () =>
    Effect.gen(function* () {
      const { exitCode, out } = yield* keelson(["start", "--help"])
      assert.strictEqual(exitCode, 0)
      const words = out.replace(/\s+/g, " ")
      for (const setting of Object.keys(Settings.defaults)) {
        const flag = SettingsSource.flagName(setting)
        assert.include(words, `--${flag}`)
        assert.include(
          words,
          `[${SettingsSource.variableName(setting)}; ${SettingsSource.shownDefault(definition, setting)}]`
        )
      }
      assert.notMatch(words, /--database-url TEXT/)
    })
  )

  it.effect("of every command fits its terminal, has examples and exit codes", () =>
    Effect.gen(function* () {
      for (const columns of [60, 80]) {
        for (const name of ["start", "demo", "verify"]) {
          const { out } = yield* keelson([name, "--help"], { terminal: true, columns })
          assert.include(out, "Exit codes")
          assert.include(out, "Examples")
          for (const line of out.split("\n")) {
            const breakable = line.trim().includes(" ") && !line.includes("keelson ")
            if (breakable) assert.isAtMost(line.length, columns, line)
          }
        }
      }
    })
  )

  it.effect("of the whole names the commands, and is what no command at all gives", () =>
    Effect.gen(function* () {
      const asked = yield* keelson(["--help"])
      assert.deepStrictEqual(yield* keelson(["help"]), asked)
      const bare = yield* keelson([])
      assert.strictEqual(bare.exitCode, 0)
      assert.strictEqual(bare.out, asked.out)
      for (const name of ["start", "demo", "verify"]) assert.match(asked.out, new RegExp(`^  ${name} `, "m"))
    })
  )

  it.effect("knows the version", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* keelson(["--version"]), { exitCode: 0, out: "keelson 9.9.9", err: "" })
    })
  )
})

describe("a command line that is not understood", () => {
  it.effect("is told on standard error, short, with exit code 2", () =>
    Effect.gen(function* () {
      for (const args of [["start", "--prot", "1"], ["strat"], ["verify", "--port", "1"], ["start", "extra"]]) {
        const { err, exitCode, out } = yield* keelson(args)
        assert.strictEqual(exitCode, 2, args.join(" "))
        assert.strictEqual(out, "")
        assert.include(err, "--help tells what it takes")
        assert.isBelow(err.split("\n").length, 8, err)
      }
      assert.include((yield* keelson(["start", "--prot", "1"])).err, "--port")
    })
  )
})
