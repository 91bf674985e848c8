/**
 * `npm run test:crash -- --kills N --seed S [--store pglite|postgres] [--mutant NAME] [--json FILE]`
 *
 * Exit code 0: nothing was found. 1: something was, and is printed. 2: a wrong argument.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import * as Run from "./run.ts"
import * as Table from "./kit/table.ts"

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    store: { type: "string", default: "pglite" },
    mutant: { type: "string" },
    json: { type: "string" }
  }
})

const mutants: ReadonlyArray<string> = ["acknowledge-before-commit"]

const kills = Number(values.kills)
const seed = Number(values.seed)
const wrong = [
  ...(Number.isSafeInteger(kills) && kills >= 1 ? [] : ["--kills takes a whole number from 1"]),
  ...(Number.isSafeInteger(seed) ? [] : ["--seed takes a whole number"]),
  ...(values.store === "pglite" || values.store === "postgres" ? [] : ["--store takes pglite or postgres"]),
  ...(values.mutant === undefined || mutants.includes(values.mutant) ? [] : [`--mutant takes ${mutants.join(", ")}`])
]
if (wrong.length > 0) {
  console.error(wrong.join("\n"))
  process.exit(2)
}

const report = await Run.run({
  kills,
  seed,
  store: values.store === "postgres" ? "postgres" : "pglite",
  mutant: values.mutant ?? null,
  auditEvery: 25,
  say: (line) => console.error(line)
})
console.log(Table.print(report))
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`)
process.exitCode = Run.findings(report).length === 0 ? 0 : 1
