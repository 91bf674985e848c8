/** The two runs that the predecessor failed, in their short form, and what their count must not miss. */
import { assert, describe, it } from "@effect/vitest"
import * as Burst from "#chaos/burst.ts"

const options: Burst.Options = {
  ...Burst.standard,
  runs: 1,
  seed: 1,
  store: "pglite",
  confirmations: 60,
  mutant: null,
  say: () => {}
}

describe("a service that is killed right after a burst, and one whose deciders all come at once", () => {
  it("keeps each acknowledged session, and runs each approved action once", { timeout: 120_000 }, async () => {
    const report = await Burst.run(options)
    assert.isTrue(Burst.holds(report), Burst.print(report))
    assert.deepStrictEqual(report.kept, [60])
    const { approved, denied } = report.rivals
    assert.strictEqual(approved + denied, 60)
    assert.isAbove(Math.min(approved, denied), 0, "nobody was a rival")
  })

  it("is seen to lose sessions where it acknowledges before it commits", { timeout: 120_000 }, async () => {
    const report = await Burst.run({ ...options, confirmations: 0, mutant: "acknowledge-before-commit" })
    assert.isFalse(Burst.holds(report), Burst.print(report))
    assert.isBelow(report.kept[0]!, 60)
  })
})

describe("the count of what rivals did", () => {
  const well: ReadonlyArray<Burst.Decided> = [
    { won: ["approve"], ran: 1 },
    { won: ["deny"], ran: 0 }
  ]
  const none = { twice: 0, wrong: 0, winners: 0 }

  it("finds nothing where each has one winner and what was approved ran once", () => {
    assert.deepInclude(Burst.judge(well), { ...none, confirmations: 2, approved: 1, denied: 1 })
  })

  it.each([
    ["a tool that ran twice", { won: ["approve"], ran: 2 }, { twice: 1 }],
    ["a run that was denied", { won: ["deny"], ran: 1 }, { wrong: 1 }],
    ["an approval that ran nothing", { won: ["approve"], ran: 0 }, { wrong: 1 }],
    ["two winners", { won: ["approve", "approve"], ran: 1 }, { winners: 1 }],
    ["an approval and a denial that both won", { won: ["approve", "deny"], ran: 1 }, { winners: 1 }],
    ["no winner", { won: [], ran: 0 }, { winners: 1 }]
  ] as const)("finds %s", (_, planted, expected) => {
    assert.deepInclude(Burst.judge([...well, planted]), { ...none, ...expected })
  })
})
