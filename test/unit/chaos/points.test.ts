/** The moments at which the service dies: none is forgotten, and the page says which there are. */
import { readFileSync, writeFileSync } from "node:fs"
import { resolve } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Points from "#chaos/kit/points.ts"
import * as CrashPoints from "#layers/faults/CrashPoints.ts"
import { events } from "#src/gateway/Events.ts"
import type { Append } from "#src/kernel/Append.ts"

const page = resolve(import.meta.dirname, "../../../docs/crash.md")
const told = /(?<=<!-- made from layers\/faults\/CrashPoints\.ts -->\n\n)[\s\S]*?(?=\n\n<!-- end -->)/

/** A table without what the formatter adds. */
const bare = (table: string | undefined) => table?.replace(/ +/g, " ").replace(/-{3,}/g, "---")

const appendOf = (types: ReadonlyArray<string>, shred: Append["shred"] = []) =>
  ({ events: types.map((type) => ({ envelope: { type } })), shred }) as unknown as Append

describe("the moments of a crash", () => {
  it("are told of every event there is, and of no other", () => {
    assert.deepStrictEqual(Object.keys(CrashPoints.byEvent).sort(), [...events.keys()].sort())
  })

  it("stand before and after each append that has them, with work that passes them", () => {
    const names = new Set(Points.points.map(({ name }) => name))
    for (const [type, moments] of Object.entries(CrashPoints.byEvent)) {
      for (const when of ["before", "after"]) {
        assert.strictEqual(names.has(`${when} ${type}`), moments === "begins", `${when} ${type}`)
      }
    }
  })

  it.each([
    [["action.claimed"], "action.claimed"],
    [["turn.failed"], "turn.failed"],
    // What other policies say now stands before the approval.
    [["action.judged", "confirmation.approved", "action.permitted"], "confirmation.approved"],
    [["action.judged", "action.denied"], "action.judged"],
    [[], "refusal"]
  ] as const)("are called by the first event of an append that has some: %o is %s", (types, name) =>
    assert.strictEqual(CrashPoints.nameOf(appendOf(types)), name)
  )

  it("are called erasure where a key is destroyed", () =>
    assert.strictEqual(CrashPoints.nameOf(appendOf(["session.erased"], [{}] as never)), "erasure"))

  it("stand in the page as they are (KEELSON_TEST_UPDATE=1 writes them there, then npm run format)", () => {
    const text = readFileSync(page, "utf8")
    if (process.env["KEELSON_TEST_UPDATE"] !== undefined) writeFileSync(page, text.replace(told, Points.table()))
    assert.strictEqual(bare(told.exec(readFileSync(page, "utf8"))?.[0]), bare(Points.table()))
  })
})
