/** The race in its short form, and the stale read that its judge must reject. */
import { assert, describe, it } from "@effect/vitest"
import * as Race from "#chaos/race.ts"

describe("twenty WebSockets that work on the same sessions and actions", () => {
  it("see what one step at a time explains, and the journal agrees", { timeout: 120_000 }, async () => {
    const { history, report } = await Race.run({ ...Race.standard, operations: 15, seed: 3, store: "pglite" })
    assert.deepStrictEqual(report.violations, [])
    assert.strictEqual(report.operations, 300)
    assert.isAbove(report.contended, 50)

    const [id, closed] = [...history].find(
      ([, { kind, operations }]) =>
        kind === "session" && operations.some(({ input, output }) => input === "close" && output.done)
    )!
    const end = Math.max(...closed.operations.map(({ to }) => to))
    const stale = { from: end + 1, to: end + 2, input: "look", output: { done: true, status: "Open" } } as const
    const planted = Race.judge(new Map([[id, { ...closed, operations: [...closed.operations, stale] }]]))
    assert.strictEqual(planted.length, 1)
    assert.match(planted[0]!.detail, /is not linearizable[\s\S]*look Open/)
  })
})
