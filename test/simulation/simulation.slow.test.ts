/** The long form: thousands of seeds, and every mutant. */
import { assert, describe, it } from "@effect/vitest"
import { mutants } from "./mutants.ts"
import * as Pool from "./pool.ts"

const failuresOf = ({ stretches }: Pool.Report) => stretches.flatMap(({ failures }) => failures)

describe("simulated runs", () => {
  it("hold in three thousand seeds", async () => {
    const report = await Pool.run({ first: 1, count: 3_000, mutant: null, untilFailure: false })
    assert.deepStrictEqual(failuresOf(report), [])
  })
})

describe("every mutant", () => {
  it.each(Object.keys(mutants))("%s is found within 1,000 seeds", async (mutant) => {
    const report = await Pool.run({ first: 1, count: 1_000, mutant, untilFailure: true })
    assert.isNotEmpty(failuresOf(report))
    assert.isAtMost(report.shrunk?.plan.steps.length ?? Number.POSITIVE_INFINITY, 12)
  })
})
