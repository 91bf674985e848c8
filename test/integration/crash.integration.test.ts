/** The crash kit in its short form, and everything that its audits must catch. */
import { assert, describe, it } from "@effect/vitest"
import * as Audit from "#chaos/kit/audit.ts"
import { points } from "#chaos/kit/points.ts"
import * as Run from "#chaos/run.ts"
import * as Table from "#chaos/kit/table.ts"

const options: Run.Options = {
  kills: 1,
  hitsMin: 1,
  seed: 5,
  store: "pglite",
  mutant: null,
  auditEvery: 2,
  say: () => {}
}
const kindsOf = (report: Run.Report) => new Set(Run.findings(report).map(({ kind }) => kind))

describe("the crash kit", () => {
  it(
    "finds nothing in a service that was killed twice, and names every moment that these two were not",
    { timeout: 180_000 },
    async () => {
      const report = await Run.run(options)
      assert.deepStrictEqual(Run.findings(report), [], Table.print(report))
      // One was asked, and of each moment one: it goes on to twice as many.
      assert.strictEqual(report.kills, 2)
      assert.isFalse(Run.isGood(report))
      assert.isAtLeast(report.missed.length, points.length - 2)
      assert.isAbove(report.acknowledged, 0)
    }
  )

  it(
    "says what was lost by a service that acknowledges before it commits, within fifty kills",
    { timeout: 300_000 },
    async () => {
      const report = await Run.run({ ...options, kills: 50, hitsMin: 0, mutant: "acknowledge-before-commit" })
      assert.isTrue(kindsOf(report).has("lost"), Table.print(report))
      assert.isAtMost(report.kills, 50)
      assert.match(Table.print(report), /^lost: \/v1\/\S+ \S+: was told 20\d /m)
    }
  )

  it("names every moment once", () => {
    const names = points.map(({ name }) => name)
    assert.deepStrictEqual([...new Set(names)], names)
  })
})

describe("its look at the journal", () => {
  it("holds sessions against the moment of the kill, not against that of the look", () => {
    const query = "x + 60000 < extract(epoch FROM clock_timestamp()) * 1000"
    assert.strictEqual(Audit.judgedAt(query, { atMillis: 7, graceMillis: 2 }), "x + 2 < 7")
    assert.throws(() => Audit.judgedAt("x < 1", { atMillis: 7, graceMillis: 2 }), "no longer says: + 60000")
  })

  it("prints counts, which are bigints", () =>
    assert.strictEqual(Audit.shown({ n: 2n, of: "a" }), '{"n":"2","of":"a"}'))
})

describe("its look at the world outside", () => {
  const done = { action: "act_1", claimed: true, executed: true }

  it("finds nothing where each run has its claim and each outcome its run", () => {
    assert.deepStrictEqual(Audit.outside("act_1 line\n", [done]), [])
    assert.deepStrictEqual(Audit.outside("act_1 line\n", [{ ...done, executed: false }]), [])
  })

  it.each([
    ["a tool that ran twice", "act_1 line\nact_1 line\n", [done], "double"],
    ["a run that nobody claimed", "act_1 line\n", [{ ...done, claimed: false, executed: false }], "phantom"],
    ["a run of an action that the journal does not know", "act_2 line\nact_1 line\n", [done], "phantom"],
    ["an outcome without its run", "", [done], "phantom"]
  ] as const)("finds %s", (_, marks, effects, kind) => {
    assert.deepStrictEqual(
      Audit.outside(marks, effects).map((found) => found.kind),
      [kind]
    )
  })
})
