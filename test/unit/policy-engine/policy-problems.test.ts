/** What is wrong with a policy set is told before anything is decided, with file, line and a sentence that helps. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Bounds from "#src/kernel/Bounds.ts"
import { engine, problems } from "./fixture.ts"

const good = `@id("good")\npermit (principal is Agent, action == Action::"file.read", resource);\n`

/** `bad` below two good lines and a line of three-byte characters, so that lines and bytes are told apart. */
const first = (bad: string) =>
  Effect.gen(function* () {
    const found = yield* problems({ "a.cedar": good, "b.cedar": `// \u65e5\u672c\u8a9e\n\n${bad}` })
    const [problem] = found
    assert(problem !== undefined)
    return problem
  })

const cases: ReadonlyArray<{
  readonly what: string
  readonly text: string
  readonly line: number
  readonly says: ReadonlyArray<string>
}> = [
  {
    what: "a syntax error",
    text: `@id("x")\npermit (principal, action, resource)\nwhen { principal === resource };`,
    line: 5,
    says: ["unexpected token `=`"]
  },
  {
    what: "a missing semicolon at the end",
    text: `@id("x")\npermit (principal, action, resource)\n\n`,
    line: 4,
    says: ["`;`"]
  },
  {
    what: "single quotes",
    text: `@id("x")\npermit (principal, action, resource)\nwhen { 'a' == "a" };`,
    line: 5,
    says: ["strings must use double quotes"]
  },
  {
    what: "an unknown tool",
    text: `@id("x")\npermit (\n  principal,\n  action == Action::"file.wite",\n  resource);`,
    line: 6,
    says: ['there is no tool "file.wite"', '"file.write", "file.list"']
  },
  {
    what: "an unknown tool in a condition",
    text: `@id("x")\npermit (principal, action, resource)\nwhen { action == Action::"pai" };`,
    line: 5,
    says: ['there is no tool "pai"', '"pay"']
  },
  {
    what: "a misspelt attribute",
    text: `@id("x")\npermit (principal, action == Action::"file.write", resource)\nwhen {\n  context.arguments.pth like "a/*"\n};`,
    line: 6,
    says: ["`arguments.pth`", "did you mean `path`?"]
  },
  {
    what: "a misspelt kind of principal",
    text: `@id("x")\npermit (principal is Agnt, action, resource);`,
    line: 4,
    says: ["`Agnt`", "did you mean `Agent`?"]
  },
  {
    what: "a type error",
    text: `@id("x")\npermit (principal, action == Action::"pay", resource)\nwhen { context.arguments.times > "3" };`,
    line: 5,
    says: ["expected Long but saw String"]
  },
  {
    what: "an optional argument read without asking whether it is there",
    text: `@id("x")\npermit (principal, action == Action::"file.write", resource)\nwhen { context.arguments.mode == "create" };`,
    line: 5,
    says: ["context.arguments has mode"]
  },
  {
    what: "a policy that can never apply",
    text: `@id("x")\nforbid (principal, action == Action::"file.read", resource)\nwhen { context.arguments has content && true };`,
    line: 3,
    says: ["policy is impossible"]
  },
  { what: "a missing @id", text: `permit (principal, action, resource);`, line: 3, says: ["a policy needs a name"] },
  {
    what: "an empty @id",
    text: `@id("")\npermit (principal, action, resource);`,
    line: 3,
    says: ["a policy needs a name"]
  },
  {
    what: "an @id that no list could show",
    text: `@gate("human")\n@id("a b")\npermit (principal, action, resource);`,
    line: 4,
    says: ["an @id is"]
  },
  {
    what: "an @id of another file",
    text: `@id("good")\npermit (principal, action, resource);`,
    line: 3,
    says: ["stands at a.cedar:1 already"]
  },
  {
    what: "two ids on one policy",
    text: `@id("x")\n@id("y")\npermit (principal, action, resource);`,
    line: 4,
    says: ["duplicate annotation"]
  },
  {
    what: "a gate on a forbid",
    text: `@id("x")\n@gate("human")\nforbid (principal, action, resource);`,
    line: 4,
    says: ["permit policies only"]
  },
  {
    what: "an unknown gate",
    text: `@id("x") // @gate("human")\n@gate("humans")\npermit (principal, action, resource);`,
    line: 4,
    says: ['@gate("human") or @gate("two-people")']
  },
  {
    what: "a gate without a value",
    text: `@id("x")\n@gate\npermit (principal, action, resource);`,
    line: 4,
    says: ['@gate("human") or @gate("two-people")']
  },
  {
    what: "a gate that says none",
    text: `@id("x")\n@gate("none")\npermit (principal, action, resource);`,
    line: 4,
    says: ["leave @gate away"]
  },
  {
    what: "a misspelt annotation",
    text: `@id("x")\n@gates("human")\npermit (principal, action, resource);`,
    line: 4,
    says: ["@gates is not known here", "@gate,"]
  },
  {
    what: "approvers without a gate",
    text: `@id("x")\n@approvers("lead")\npermit (principal, action, resource);`,
    line: 4,
    says: ["needs a @gate"]
  },
  {
    what: "an empty approver",
    text: `@id("x")\n@gate("human")\n@approvers("lead,,")\npermit (principal, action, resource);`,
    line: 5,
    says: ["role names"]
  },
  {
    what: "a template",
    text: `@id("x")\npermit (principal == ?principal, action, resource);`,
    line: 3,
    says: ["templates"]
  },
  {
    what: "a sign that switches the direction of writing",
    text: `@id("x")\npermit (principal, action == Action::"file.read", resource)\nwhen { context.arguments.path == "a\u202eb" };`,
    line: 5,
    says: ["direction of writing"]
  },
  {
    what: "brackets deeper than Cedar's stack",
    text: `@id("x")\npermit (principal, action, resource) when { ${"(".repeat(2_000)}true${")".repeat(2_000)} };`,
    line: 3,
    says: ["nest"]
  },
  {
    what: "more operators than Cedar's stack",
    text: `@id("x")\npermit (principal, action, resource) when { true${" && true".repeat(2_000)} };`,
    line: 3,
    says: ["operators"]
  }
]

describe("a policy set that can't be used", () => {
  it.effect.each(cases)("names file and line of $what", ({ text, line, says }) =>
    Effect.gen(function* () {
      const problem = yield* first(text)
      assert.strictEqual(`${problem.file}:${problem.line}`, `b.cedar:${line}`, problem.detail)
      for (const words of says) assert.include(problem.detail, words)
    })
  )

  it.effect("tells every problem at once, in order", () =>
    Effect.gen(function* () {
      const found = yield* problems({
        "b.cedar": `permit (principal, action, resource);\n@id("x")\npermit (principal, action == Action::"nope", resource);`,
        "a.cedar": "permit ("
      })
      assert.deepStrictEqual(
        found.map((one) => `${one.file}:${one.line}`),
        ["a.cedar:1", "b.cedar:1", "b.cedar:3"]
      )
    })
  )

  it.effect("finds the line past Windows line ends and old Mac ones", () =>
    Effect.gen(function* () {
      const found = yield* problems({
        "a.cedar": `// one\r\n// two\r// three\n\r\n@gate("x")\r\n@id("y")\npermit(principal, action, resource);`
      })
      assert.deepStrictEqual(
        found.map((one) => one.line),
        [5]
      )
    })
  )

  it.effect("bounds what it tells", () =>
    Effect.gen(function* () {
      const found = yield* problems({ "a.cedar": "permit (principal, action, resource);\n".repeat(300) })
      assert.strictEqual(found.length, Bounds.policyProblemsMax + 1)
      assert.include(found.at(-1)?.detail, "200 more")
    })
  )

  it.effect("refuses more policies, and larger files, than a decision can bear", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: Bounds.policiesMax + 1 }, (_, index) => good.replace("good", `p${index}`))
      assert.include((yield* problems({ "a.cedar": many.join("") }))[0]?.detail, "501 policies")
      const large = good + `// ${"x".repeat(Bounds.policyFileBytesMax)}`
      assert.include((yield* problems({ "a.cedar": large }))[0]?.detail, "bytes; at most")
      const files = Array.from({ length: 17 }, (_, index) => [`f${index}`, `//${"x".repeat(250_000)}`])
      assert.include((yield* problems(Object.fromEntries(files)))[0]?.detail, "the files hold")
    })
  )

  it.effect("keeps Cedar alive: the next set is read as if nothing had been", () =>
    Effect.gen(function* () {
      const set = yield* (yield* engine({ "a.cedar": good })).set
      assert.strictEqual(set.policies.length, 1)
    })
  )
})

describe("a policy set in use", () => {
  it.effect("is listed with file, line, effect and gate, whatever comments and strings hold", () =>
    Effect.gen(function* () {
      const { set } = yield* engine({
        "a.cedar": good,
        "b.cedar": `\n\n@id("two") // permit (principal, action, resource);\n@gate("human")\npermit (principal, action, resource);`,
        "c.cedar": `// permit (principal, action, resource);\n@id("three")\nforbid (principal is System, action, resource)
          when { "; // \\" @id" == ";" || true };`
      })
      assert.deepStrictEqual((yield* set).policies, [
        { id: "good", file: "a.cedar", line: 1, effect: "permit", gate: "none" },
        { id: "two", file: "b.cedar", line: 3, effect: "permit", gate: "human" },
        { id: "three", file: "c.cedar", line: 2, effect: "forbid", gate: "none" }
      ])
    })
  )

  it.effect("may hold no policy at all", () =>
    Effect.gen(function* () {
      const { set } = yield* engine({ "a.cedar": "// nothing yet\n" })
      assert.deepStrictEqual((yield* set).policies, [])
    })
  )

  it.effect("may nest and chain up to the bounds, and is evaluated there", () =>
    Effect.gen(function* () {
      const depth = Bounds.policyNestingMax - 4
      const chain = "true && ".repeat(Bounds.policyOperatorsMax - 1)
      const records = `${'{"a": '.repeat(depth)}1${"}".repeat(depth)}`
      const { decide } = yield* engine({
        "a.cedar": `@id("deep") permit (principal, action, resource) when { ${chain} (${records} == ${records}) };`
      })
      const decision = yield* decide({
        actor: { kind: "AGENT", id: "a" as never },
        roles: [],
        tool: "file.read",
        arguments: { path: "x" },
        sessionId: "s",
        ownerId: "o"
      })
      assert.strictEqual(decision.effect, "Run", decision.reason)
    })
  )
})
