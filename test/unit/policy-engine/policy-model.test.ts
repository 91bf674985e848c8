/** The engine agrees with a reference model of ten lines, for random small policy sets. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { decide, question } from "./fixture.ts"

const Policy = Schema.Struct({
  effect: Schema.Literals(["permit", "forbid"]),
  gate: Schema.Literals(["none", "human", "two-people"]),
  approver: Schema.Literals(["none", "lead", "board"]),
  /** Whether its condition holds for the question, does not, or can't be computed. */
  condition: Schema.Literals(["holds", "holds", "holds not", "fails"])
})
type Policy = typeof Policy.Type

const conditions: { readonly [C in Policy["condition"]]: string } = {
  holds: "context.arguments.times == 7",
  "holds not": "context.arguments.times == 8",
  fails: "context.arguments.times * 9223372036854775807 > 0"
}

const isGated = (policy: Policy) => policy.effect === "permit" && policy.gate !== "none"

const textOf = (policy: Policy, index: number) => {
  const gate = isGated(policy) ? `@gate("${policy.gate}")` : ""
  const approvers = isGated(policy) && policy.approver !== "none" ? `@approvers("${policy.approver}")` : ""
  const condition = conditions[policy.condition]
  return `@id("${idOf(index)}") ${gate} ${approvers}
    ${policy.effect} (principal, action == Action::"pay", resource) when { ${condition} };`
}

const idOf = (index: number) => `p${index}`

/** The model: what the design says, written down once more without Cedar. */
const expected = (
  policies: ReadonlyArray<Policy>
): { readonly effect: string; readonly policies: ReadonlyArray<string>; readonly approvers: ReadonlyArray<string> } => {
  const all = policies.map((policy, index) => ({ ...policy, id: idOf(index) }))
  const ids = (some: ReadonlyArray<{ readonly id: string }>) => some.map(({ id }) => id).sort()
  const failed = all.filter((one) => one.condition === "fails")
  if (failed.length > 0) return { effect: "Deny", policies: ids(failed), approvers: [] }
  const held = all.filter((one) => one.condition === "holds")
  const forbids = held.filter((one) => one.effect === "forbid")
  if (forbids.length > 0 || held.length === 0) return { effect: "Deny", policies: ids(forbids), approvers: [] }
  for (const [gate, effect] of [
    ["none", "Run"],
    ["human", "Ask"],
    ["two-people", "AskTwo"]
  ] as const) {
    const deciding = held.filter((one) => one.gate === gate)
    if (deciding.length === 0) continue
    const named = deciding.flatMap((one) => (isGated(one) && one.approver !== "none" ? [one.approver] : []))
    return { effect, policies: ids(held), approvers: [...new Set(named)].sort() }
  }
  return assert.fail("every policy has a gate")
}

const asked = question("pay", { amount: 1, times: 7, to: "x" })

describe("the verdict", () => {
  it.effect.prop(
    "of any small policy set is what the model says, however the set is spread over files",
    [Schema.Array(Policy).check(Schema.isMaxLength(6)), Schema.Boolean],
    ([policies, spread]) =>
      Effect.gen(function* () {
        const texts = policies.map(
          (policy, index) => [spread ? `f${index}.cedar` : "all.cedar", textOf(policy, index)] as const
        )
        const files: Record<string, string> = {}
        for (const [file, text] of texts) files[file] = `${files[file] ?? ""}${text}\n`
        const decision = yield* decide(files, asked)
        assert.deepStrictEqual(expected(policies), {
          effect: decision.effect,
          policies: decision.policies,
          approvers: decision.approvers
        })
        assert.strictEqual(
          decision.errors.length,
          Math.min(5, policies.filter((one) => one.condition === "fails").length)
        )
      }),
    { arbitrary: { runs: 300 } }
  )
})
