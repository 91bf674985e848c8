/** What a question gets: nothing by default, never what is forbidden, nothing while in doubt, people where they are asked. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { Json } from "#src/kernel/Canonical.ts"
import { actor } from "#test/kit/decider.ts"
import { decide, engine, person, question, read, write } from "./fixture.ts"

const permit = (id: string, annotations = "") => `@id("${id}") ${annotations} permit (principal, action, resource);\n`
const forbid = (id: string) => `@id("${id}") forbid (principal, action, resource);\n`
/** Valid, and an overflow for every whole number but 0 and 1. */
const failing = (effect: "permit" | "forbid", id: string) =>
  `@id("${id}") ${effect} (principal, action == Action::"pay", resource)
   when { context.arguments.times * 9223372036854775807 > 0 };\n`
const pay = (args: { readonly [name: string]: Json } = {}) =>
  question("pay", { amount: 1.5, times: 7, to: "x", ...args })

describe("a decision", () => {
  it.effect("is Deny where no policy says anything", () =>
    Effect.gen(function* () {
      const decision = yield* decide({}, read)
      assert.strictEqual(decision.effect, "Deny")
      assert.strictEqual(decision.reason, "No policy permits it.")
      assert.deepStrictEqual([decision.policies, decision.errors, decision.approvers], [[], [], []])
    })
  )

  it.effect("is Deny where no permit covers the question", () =>
    Effect.gen(function* () {
      const text = `@id("p") permit (principal == Agent::"other", action, resource);`
      assert.strictEqual((yield* decide({ "a.cedar": text }, read)).effect, "Deny")
    })
  )

  it.effect("is Run by a permit without gate, and names all that hold", () =>
    Effect.gen(function* () {
      const decision = yield* decide({ "a.cedar": permit("b") + permit("a", '@gate("human")') }, read)
      assert.strictEqual(decision.effect, "Run")
      assert.deepStrictEqual(decision.policies, ["a", "b"])
      assert.strictEqual(decision.reason, 'Policy "b" lets it run.')
    })
  )

  it.effect("is Deny where a forbid holds, whatever is permitted", () =>
    Effect.gen(function* () {
      const texts = { "a.cedar": permit("open") + permit("asks", '@gate("human")'), "b.cedar": forbid("no") }
      const decision = yield* decide(texts, read)
      assert.strictEqual(decision.effect, "Deny")
      assert.deepStrictEqual(decision.policies, ["no"])
      assert.strictEqual(decision.reason, 'Policy "no" forbids it.')
    })
  )

  it.effect("is Deny with the why where a forbid fails, which Cedar alone would skip", () =>
    Effect.gen(function* () {
      const texts = { "a.cedar": permit("open"), "b.cedar": `\n${failing("forbid", "careful")}` }
      const decision = yield* decide(texts, pay())
      assert.strictEqual(decision.effect, "Deny")
      assert.deepStrictEqual(decision.policies, ["careful"])
      assert.strictEqual(decision.errors.length, 1)
      assert.include(decision.errors[0], "careful (b.cedar:3): integer overflow")
      assert.include(decision.reason, 'Denied because policy "careful" failed while deciding')
      assert.strictEqual((yield* decide(texts, pay({ times: 0 }))).effect, "Run")
    })
  )

  it.effect("is Deny where Cedar throws or can't read the question, whatever is permitted", () =>
    Effect.gen(function* () {
      const { decide } = yield* engine({ "a.cedar": permit("open") })
      // Neither can be written in TypeScript: they stand for whatever Cedar itself does not expect.
      const throwing = { ...read, ownerId: 1n as unknown as string }
      const unreadable = { ...read, actor: { ...read.actor, kind: "GHOST" } as unknown as typeof read.actor }
      const reasons = yield* Effect.forEach([throwing, unreadable, read], (asked) =>
        Effect.map(decide(asked), ({ effect, policies, reason }) => [effect, policies, reason])
      )
      assert.deepStrictEqual(reasons, [
        ["Deny", [], "Cedar failed, so nothing is permitted."],
        ["Deny", [], "Cedar could not read the question, so it is denied."],
        ["Run", ["open"], 'Policy "open" lets it run.']
      ])
    })
  )

  it.effect("is Deny where a permit fails beside one that holds", () =>
    Effect.gen(function* () {
      const decision = yield* decide({ "a.cedar": permit("open") + failing("permit", "sum") }, pay())
      assert.deepStrictEqual([decision.effect, decision.policies], ["Deny", ["sum"]])
    })
  )

  const gates: ReadonlyArray<readonly [ReadonlyArray<string>, string, ReadonlyArray<string>]> = [
    [['@gate("human")'], "Ask", []],
    [['@gate("two-people")'], "AskTwo", []],
    [['@gate("two-people")', '@gate("human")'], "Ask", []],
    [['@gate("two-people")', ""], "Run", []],
    [
      ['@gate("human") @approvers("lead, audit")', '@gate("human") @approvers("ops,lead")'],
      "Ask",
      ["audit", "lead", "ops"]
    ],
    [['@gate("human") @approvers("lead")', '@gate("two-people") @approvers("board")'], "Ask", ["lead"]],
    [['@gate("two-people") @approvers("board")'], "AskTwo", ["board"]],
    [['@gate("human") @approvers("lead")', ""], "Run", []]
  ]
  it.effect.each(gates)("of permits with %j is %s, by %j beside the owner", ([annotations, effect, approvers]) =>
    Effect.gen(function* () {
      const text = annotations.map((one, index) => permit(`p${index}`, one)).join("")
      const decision = yield* decide({ "a.cedar": text }, read)
      assert.deepStrictEqual([decision.effect, decision.approvers], [effect, approvers])
    })
  )

  it.effect("says what its policy says of itself, within bounds", () =>
    Effect.gen(function* () {
      const described = permit("p", '@gate("human") @description("A person has a look.")')
      const decision = yield* decide({ "a.cedar": described }, read)
      assert.strictEqual(decision.reason, 'Policy "p" permits it once a person agrees: A person has a look.')
      const many = Array.from({ length: 100 }, (_, index) => forbid(`${"n".repeat(60)}${index}`)).join("")
      const long = yield* decide({ "a.cedar": many }, read)
      assert.strictEqual(long.policies.length, 100)
      assert.include(long.reason, "95 more")
      assert.isAtMost(long.reason.length, Bounds.reasonTextMax)
    })
  )

  it.effect("sees who asks, in which roles, and whose session it is", () =>
    Effect.gen(function* () {
      const { decide } = yield* engine({
        "a.cedar": `
          @id("agents") permit (principal is Agent, action == Action::"file.read", resource);
          @id("owners") permit (principal is Person, action == Action::"file.list", resource) when { resource.owner == principal };
          @id("cooks") permit (principal in Role::"cook", action == Action::"pay", resource);
          @id("system") permit (principal == System::"clock", action == Action::"file.write", resource);
          @id("one") permit (principal, action == Action::"shell.run", resource == Session::"ses_1");`
      })
      const list = { path: "." }
      const effects = yield* Effect.forEach(
        [
          read,
          { ...read, actor: person },
          question("file.list", list, { actor: person }),
          question("file.list", list, { actor: person, ownerId: "bob" }),
          question("file.list", list, { actor: actor("AGENT", "ann") }),
          { ...pay(), roles: ["waiter", "cook"] },
          { ...pay(), roles: ["waiter"] },
          { ...write, actor: actor("SYSTEM", "clock") },
          { ...write, actor: actor("HUMAN", "clock") },
          question("shell.run", { command: "ls", arguments: [] }),
          question("shell.run", { command: "ls", arguments: [] }, { sessionId: "ses_2" })
        ],
        (one) => Effect.map(decide(one), (decision) => decision.effect === "Run")
      )
      assert.deepStrictEqual(effects, [true, false, true, false, false, true, false, true, false, true, false])
    })
  )
})

describe("a hostile question", () => {
  const open = { "a.cedar": permit("open") }
  const guarded = {
    "a.cedar": permit("open"),
    "b.cedar": `@id("cooks-only") forbid (principal, action, resource) unless { principal in Role::"cook" };
      @id("no-secrets") forbid (principal, action == Action::"file.read", resource) when { context.arguments.path like "secret*" };`
  }

  const refused: ReadonlyArray<readonly [string, ReturnType<typeof question>, string]> = [
    ["an unknown tool", question("rm -rf", {}), "no such tool"],
    ["a tool named like a property of objects", question("constructor", {}), "no such tool"],
    ["a whole number that a double has rounded", pay({ times: 2 ** 53 }), "times is too large"],
    ["a number too large for Cedar", pay({ times: 1e300 }), "times is too large"],
    ["a whole number with a fraction", pay({ times: 1.5 }), "times is not a whole number"],
    ["a fifth digit after the point", pay({ amount: 0.00001 }), "more than four digits"],
    ["an amount too large for a decimal", pay({ amount: 1e15 }), "amount is too large"],
    ["half a surrogate pair", pay({ to: "\ud800" }), "half a surrogate pair"],
    ["an entity in place of text", pay({ to: { __entity: { type: "Role", id: "cook" } } }), "to is an object"],
    [
      "an extension in place of a number",
      pay({ amount: { __extn: { fn: "decimal", arg: "0.0" } } }),
      "amount is an object"
    ],
    ["null in place of text", pay({ to: null }), "to is null"],
    ["an argument that the schema lacks", pay({ more: 1 }), "a name that the tool's schema does not have"],
    ["an own __proto__", pay(JSON.parse('{"__proto__": {"to": "x"}}')), "a name that the tool's schema does not have"],
    ["a missing argument", question("pay", { amount: 1, times: 1 }), "arguments.to is missing"],
    ["a list in place of arguments", question("pay", []), "an array"],
    ["no arguments", question("pay", null), "null"],
    ["a name that is not whole text", { ...read, roles: ["\udfff"] }, "not whole Unicode text"],
    ["more roles than can be judged", { ...read, roles: Array.from({ length: 65 }, (_, i) => `r${i}`) }, "65 roles"]
  ]
  it.effect.each(refused)("with %s is Deny, and says why", ([, asked, why]) =>
    Effect.gen(function* () {
      const decision = yield* decide(open, asked)
      assert.deepStrictEqual([decision.effect, decision.policies], ["Deny", []])
      assert.include(decision.reason, why)
    })
  )

  it.effect("can't make a role out of text that looks like policy", () =>
    Effect.gen(function* () {
      const { decide } = yield* engine(guarded)
      const roles = [
        'cook"',
        'x"; permit(principal, action, resource); //',
        'Role::"cook"',
        "cook ",
        "COOK",
        "",
        "\0cook"
      ]
      assert.strictEqual((yield* decide({ ...read, roles })).effect, "Deny")
      assert.strictEqual((yield* decide({ ...read, roles: [...roles, "cook", "cook"] })).effect, "Run")
    })
  )

  it.effect("is judged by the very text it brings, long or odd", () =>
    Effect.gen(function* () {
      const { decide } = yield* engine(guarded)
      const path = (path: string) => question("file.read", { path }, { roles: ["cook"] })
      const wild = ["secret\0", 'secret"; //', `secret${"\u{1f511}".repeat(60_000)}`, "secret\n\u2028"]
      for (const one of wild) assert.deepStrictEqual((yield* decide(path(one))).policies, ["no-secrets"])
      for (const one of ["*", "?", "\\*", "Secret"]) assert.strictEqual((yield* decide(path(one))).effect, "Run")
    })
  )

  it.effect.prop(
    "never throws, and never runs what is forbidden",
    [Schema.Json, Schema.String, Schema.String],
    ([args, tool, role]) =>
      Effect.gen(function* () {
        const { decide } = yield* engine(guarded)
        const names = [tool, "file.read", "pay", "shell.run"]
        for (const name of names) {
          const decision = yield* decide(
            question(name, args, { roles: [role === "cook" ? "waiter" : role], sessionId: tool, ownerId: role })
          )
          assert.strictEqual(decision.effect, "Deny")
        }
      })
  )
})

describe("an engine", () => {
  it.effect("keeps to its own set while others live beside it and after it", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const first = yield* Scope.provide(engine({ "a.cedar": permit("first") }), scope)
      const second = yield* engine({ "a.cedar": forbid("second") })
      assert.deepStrictEqual((yield* first.decide(read)).policies, ["first"])
      assert.deepStrictEqual((yield* second.decide(read)).policies, ["second"])
      yield* Scope.close(scope, Exit.void)
      const third = yield* engine({ "a.cedar": permit("third") })
      assert.deepStrictEqual((yield* third.decide(read)).policies, ["third"])
      const closed = yield* first.decide(read)
      assert.deepStrictEqual([closed.effect, closed.policies], ["Deny", []])
    })
  )

  it.effect("decides many questions in little time", () =>
    Effect.gen(function* () {
      const { decide } = yield* engine({
        "a.cedar": `@id("a") permit (principal is Agent, action == Action::"file.read", resource);
          @id("b") @gate("human") permit (principal is Agent, action == Action::"file.write", resource);
          @id("c") forbid (principal, action == Action::"file.write", resource) when { context.arguments.path like "*.pem" };`
      })
      yield* Effect.repeat(decide(write), { times: 1_000 })
      const started = process.hrtime.bigint()
      yield* Effect.repeat(decide(write), { times: 4_999 })
      const micros = Number(process.hrtime.bigint() - started) / 5_000 / 1_000
      // A smoke test, not a limit: on a quiet machine a decision takes some 30 microseconds.
      assert.isBelow(micros, 2_000, `${micros.toFixed(1)} microseconds`)
    })
  )
})
