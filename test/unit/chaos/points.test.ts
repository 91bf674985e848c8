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

const appendOf = (type: string, shred: Append["shred"] = []) =>
  ({ events: [{ envelope: { type } }], shred }) as unknown as Append

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

  it("are called by what begins an append; what is said to begin none is a bug where it does", () => {
    assert.strictEqual(CrashPoints.nameOf(appendOf("action.claimed")), "action.claimed")
    assert.strictEqual(CrashPoints.nameOf(appendOf("turn.failed")), "turn.failed")
    assert.strictEqual(CrashPoints.nameOf(appendOf("session.erased", [{}] as never)), "erasure")
    assert.throws(() => CrashPoints.nameOf(appendOf("action.judged")), "action.judged began an append")
  })

  it("stand in the page as they are (KEELSON_TEST_UPDATE=1 writes them there, then npm run format)", () => {
    const text = readFileSync(page, "utf8")
    if (process.env["KEELSON_TEST_UPDATE"] !== undefined) writeFileSync(page, text.replace(told, Points.table()))
    assert.strictEqual(bare(told.exec(readFileSync(page, "utf8"))?.[0]), bare(Points.table()))
  })
})
