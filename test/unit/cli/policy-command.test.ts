import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Policies } from "#layers/cli/Deployment.ts"
import { sha256 } from "#layers/digest/NodeDigest.ts"
import { type PolicyDecision, PolicyError, type PolicyQuestion } from "#src/ports/PolicyEngine.ts"
import { ArgumentsInvalid } from "#src/ports/ToolExecutor.ts"
import { keelson } from "./kit.ts"

const hash = sha256("set")
const decision: PolicyDecision = {
  effect: "AskTwo",
  approvers: ["lead"],
  policies: ["two"],
  errors: [],
  reason: 'Policy "two" permits it once two people agree.',
  setHash: hash
}

/** A set of three, and every question that was put to it. */
const asked = (answer: PolicyDecision = decision) => {
  const questions: Array<PolicyQuestion> = []
  const policies: Policies = {
    folder: "/p",
    set: {
      hash,
      policies: [
        { id: "looks", file: "/p/a.cedar", line: 1, effect: "permit", gate: "none" },
        { id: "two", file: "/p/a.cedar", line: 9, effect: "permit", gate: "two-people" },
        { id: "never", file: "/p/b.cedar", line: 3, effect: "forbid", gate: "none" }
      ]
    },
    tools: ["look", "send"],
    ask: (question) =>
      Effect.suspend(() => {
        questions.push(question)
        return question.tool === "send"
          ? Effect.succeed(answer)
          : Effect.fail(
              new ArgumentsInvalid({ tool: question.tool, detail: "there is no such tool", retryable: false })
            )
      })
  }
  return { policies: Effect.succeed(policies), questions }
}

const words = (text: string) => text.replace(/\s+/g, " ")

describe("policy check", () => {
  it.effect("lists every policy with its place and what it leads to", () =>
    Effect.gen(function* () {
      const { exitCode, out } = yield* keelson(["policy", "check"], asked())
      assert.strictEqual(exitCode, 0)
      assert.include(words(out), `3 policies in /p, set ${hash.slice(0, 12)}`)
      assert.include(words(out), "looks permits a.cedar:1 two permits, once two people agree a.cedar:9")
      assert.include(words(out), "never forbids b.cedar:3")
      assert.include(out, "look and send")
      const json = yield* keelson(["policy", "check", "--json"], asked())
      assert.deepInclude(JSON.parse(json.out), { folder: "/p", hash, tools: ["look", "send"] })
    })
  )

  it.effect("names file and line of every mistake: exit code 1", () =>
    Effect.gen(function* () {
      const problems = [{ file: "/p/a.cedar", line: 4, detail: "there is no tool" }]
      const policies = Effect.fail(new PolicyError({ problems, retryable: false }))
      const { err, exitCode, out } = yield* keelson(["policy", "check"], { policies })
      assert.deepStrictEqual([exitCode, out], [1, ""])
      assert.include(err, "/p/a.cedar:4: there is no tool")
    })
  )
})

describe("policy test", () => {
  const send = ["policy", "test", "--tool", "send", "--input", '{"to":["you"]}']

  it.effect("says what it comes to, by which policies, why, and who may agree", () =>
    Effect.gen(function* () {
      const { exitCode, out } = yield* keelson(send, asked())
      assert.strictEqual(exitCode, 0)
      assert.include(out, "It waits for two people, neither of them the one who asks.")
      assert.include(words(out), "two (/p/a.cedar:9) permits, once two people agree")
      assert.include(words(out), "asked by agent assistant, role agent")
      assert.include(words(out), 'Policy "two" permits it once two people agree.')
      assert.include(words(out), "the session's owner and role lead")
      const json = yield* keelson([...send, "--json"], asked())
      assert.deepStrictEqual(JSON.parse(json.out), {
        ...decision,
        outcome: "ask-two",
        asked: { kind: "AGENT", id: "assistant", roles: ["agent"], tool: "send" },
        service: null
      })
    })
  )

  it.effect("asks as a service would: an agent, the owner, or whoever is named", () =>
    Effect.gen(function* () {
      const { policies, questions } = asked()
      for (const more of [
        [],
        ["--person"],
        ["--person", "--as", "eve"],
        ["--as", "bot", "--role", "a", "--role", "b"]
      ]) {
        yield* keelson([...send, ...more], { policies })
      }
      assert.deepStrictEqual(
        questions.map(({ actor, roles }) => [actor.kind, actor.id, ...roles]),
        [
          ["AGENT", "assistant", "agent"],
          ["HUMAN", "owner", "owner"],
          ["HUMAN", "eve"],
          ["AGENT", "bot", "a", "b"]
        ]
      )
      assert.deepInclude(questions[0], { tool: "send", arguments: { to: ["you"] }, ownerId: "owner" })
    })
  )

  it.effect("exits with 1 where it does not come out as expected, and with 0 where it does", () =>
    Effect.gen(function* () {
      const cases = { Run: "run", Ask: "ask", AskTwo: "ask-two", Deny: "deny" } as const
      for (const [effect, word] of Object.entries(cases)) {
        const answer = { ...decision, effect: effect as PolicyDecision["effect"] }
        for (const expected of Object.values(cases)) {
          const { exitCode } = yield* keelson([...send, "--expect", expected], asked(answer))
          assert.strictEqual(exitCode, expected === word ? 0 : 1, `${effect}, expected ${expected}`)
        }
      }
    })
  )

  it.effect("refuses what can't be asked: exit code 2, and what was expected", () =>
    Effect.gen(function* () {
      const wrong: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
        [["--tool", "send", "--input", "{'a':1}"], "--input is not JSON"],
        [["--tool", "other"], "There is no tool other; there are: look, send. If an agent has declared it, say where"],
        [["--tool", "send", "--as", "a b"], "--as takes a name"],
        [["--tool", "send", "--owner", ""], "--owner takes a name"],
        [["--tool", "send", "--expect", "maybe"], "ask-two"],
        [[], "--tool"]
      ]
      for (const [args, said] of wrong) {
        const { err, exitCode, out } = yield* keelson(["policy", "test", ...args], asked())
        assert.deepStrictEqual([exitCode, out], [2, ""], args.join(" "))
        assert.include(words(err), said)
      }
    })
  )

  it.effect("lets nothing that others wrote move the cursor", () =>
    Effect.gen(function* () {
      const answer = { ...decision, effect: "Deny" as const, reason: "\u001b[2Jgone", errors: ["\u001b[31mred"] }
      const { out } = yield* keelson(send, asked(answer))
      assert.notInclude(out, "\u001b")
    })
  )
})
