/**
 * `npm run test:burst -- [--runs N] [--seed S] [--store pglite|postgres] [--mutant NAME] [--json FILE]`
 *
 * Exit code 0: each burst was kept and nothing ran twice. 1: not so. 2: a wrong argument.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import * as Burst from "./burst.ts"

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
    store: { type: "string", default: "pglite" },
    mutant: { type: "string" },
    json: { type: "string" }
  }
})

const mutants: ReadonlyArray<string> = ["acknowledge-before-commit"]

const runs = Number(values.runs)
const seed = Number(values.seed)
const wrong = [
  ...(Number.isSafeInteger(runs) && runs >= 1 ? [] : ["--runs takes a whole number from 1"]),
  ...(Number.isSafeInteger(seed) ? [] : ["--seed takes a whole number"]),
  ...(values.store === "pglite" || values.store === "postgres" ? [] : ["--store takes pglite or postgres"]),
  ...(values.mutant === undefined || mutants.includes(values.mutant) ? [] : [`--mutant takes ${mutants.join(", ")}`])
]
if (wrong.length > 0) {
  console.error(wrong.join("\n"))
  process.exit(2)
}

const report = await Burst.run({
  ...Burst.standard,
  runs,
  seed,
  store: values.store === "postgres" ? "postgres" : "pglite",
  mutant: values.mutant ?? null,
  say: (line) => console.error(line)
})
console.log(Burst.print(report))
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`)
process.exitCode = Burst.holds(report) ? 0 : 1
