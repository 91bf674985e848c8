import { assert, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as SystemCode from "#src/kernel/SystemCode.ts"

const caught = (run: () => unknown): unknown => {
  try {
    return run()
  } catch (cause) {
    return cause
  }
}

it("the code of a system call is that of the platform's error, and null of anything else", () => {
  assert.strictEqual(SystemCode.of(caught(() => fs.readFileSync("/nowhere/at/all"))), "ENOENT")
  for (const cause of [
    new Error("no code"),
    Object.assign(new Error(), { code: 7 }),
    { code: "ENOENT" },
    "ENOENT",
    null
  ]) {
    assert.isNull(SystemCode.of(cause))
  }
})
