import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as TestConsole from "effect/testing/TestConsole"
import { assert, describe, it } from "@effect/vitest"
import * as DemoStage from "#layers/cli/DemoStage.ts"
import * as Page from "#layers/cli/Page.ts"

const question = {
  confirmationId: "cfm_1",
  actionId: "act_1",
  tool: "file.write",
  argumentsText: `{"content":"${"Orders of today: 2 apples, 1 bread. ".repeat(6)}\u001b[2J","path":"summary.txt"}`,
  digest: "d",
  policies: ["agents-write-files"],
  proposer: { kind: "AGENT", id: "assistant" },
  expiresAt: "1970-01-01T00:02:00.000Z"
}

/** What a stage writes while `play` runs. */
const told = Effect.fnUntraced(function* (
  options: { readonly silent: boolean; readonly paced: boolean },
  play: (stage: DemoStage.Stage) => Effect.Effect<unknown>
) {
  const console = yield* TestConsole.make
  yield* Effect.provideService(play(DemoStage.make(Page.plain, options)), Console.Console, console)
  return (yield* console.logLines).join("\n")
})

describe("the demo's stage", () => {
  it.effect("shows a person the tool, every letter of the arguments, who asks, which policy, and the time left", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("30 seconds")
      const out = yield* told({ silent: false, paced: false }, (stage) => stage.question(question, "A person agrees."))
      for (const line of out.split("\n")) assert.isAtMost(line.length, 80)
      const words = out.replace(/\s+/g, " ")
      for (const part of ["file.write", "AGENT assistant", "agents-write-files", "A person agrees.", "90 s, then"]) {
        assert.include(words, part)
      }
      const shown = out
        .slice(out.indexOf("{"), out.indexOf("    asked by"))
        .replace(/\n {15}/g, "")
        .trim()
      assert.strictEqual(shown, Page.visible(question.argumentsText))
      assert.notInclude(out, "\u001b")
    })
  )

  it.effect("keeps to 80 columns whatever is said, and shows no control characters", () =>
    Effect.gen(function* () {
      const out = yield* told({ silent: false, paced: false }, (stage) =>
        Effect.all([stage.act("1  A title"), stage.say("word ".repeat(60)), stage.show("a file", "line\n\u0007\u202e")])
      )
      for (const line of out.split("\n")) assert.isAtMost(line.length, 80)
      assert.include(out, "\\u{7}\\u{202e}")
    })
  )

  it.effect("says nothing where only the proof is wanted, and waits only where somebody watches", () =>
    Effect.gen(function* () {
      const out = yield* told({ silent: true, paced: false }, (stage) =>
        Effect.all([stage.act("a"), stage.say("b"), stage.show("c", "d"), stage.question(question, ""), stage.pause])
      )
      assert.strictEqual(out, "")
    })
  )

  it("marks each check of a proof as what it is", () => {
    const checks = (["holds", "broken", "not shown"] as const).map((verdict) => ({
      name: `check ${verdict}`,
      verdict,
      says: "1 of 1",
      by: "a look"
    }))
    const out = DemoStage.proof(Page.plain, checks)
    assert.match(out, /^ {2}ok {2}check holds$/m)
    assert.match(out, /^ FAIL check broken$/m)
    assert.match(out, /^ {2}-- {2}check not shown$/m)
    assert.strictEqual(out.match(/from a look/g)?.length, 3)
    assert.deepStrictEqual(JSON.parse(DemoStage.machine(checks, false)), { stands: false, checks })
  })
})
