/**
 * `npm run test:race -- [--runs N] [--seed S] [--store pglite|postgres] [--json FILE]`
 *
 * Exit code 0: what twenty clients saw could have happened one step at a time, and the journal agrees. 1: it could not.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { type Machine, machine } from "../bench/kit/machine.ts"
import * as Race from "./race.ts"

/** All runs together. */
export interface Report extends Machine {
  readonly seed: number
  readonly store: string
  readonly runs: number
  readonly operations: number
  readonly contended: number
  readonly corruptions: number
}

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "1" },
    seed: { type: "string", default: "1" },
    store: { type: "string", default: "pglite" },
    json: { type: "string" }
  }
})

const runs = Number(values.runs)
const seed = Number(values.seed)
const wrong = [
  ...(Number.isSafeInteger(runs) && runs >= 1 ? [] : ["--runs takes a whole number from 1"]),
  ...(Number.isSafeInteger(seed) ? [] : ["--seed takes a whole number"]),
  ...(values.store === "pglite" || values.store === "postgres" ? [] : ["--store takes pglite or postgres"])
]
if (wrong.length > 0) {
  console.error(wrong.join("\n"))
  process.exit(2)
}

const store = values.store === "postgres" ? "postgres" : "pglite"
const all = { operations: 0, contended: 0, corruptions: 0 }
console.log("seed  operations  objects  contended  refused  corruptions  seconds")
for (let run = 0; run < runs; run++) {
  const { report } = await Race.run({ ...Race.standard, seed: seed + run, store })
  const { contended, objects, operations, refused, seconds, violations } = report
  const figures: ReadonlyArray<readonly [number | string, number]> = [
    [seed + run, 4],
    [operations, 12],
    [objects, 9],
    [contended, 11],
    [refused, 9],
    [violations.length, 13],
    [seconds.toFixed(1), 9]
  ]
  console.log(figures.map(([figure, width]) => String(figure).padStart(width)).join(""))
  for (const { detail, kind } of violations) console.log(`${kind}: ${detail}`)
  all.operations += operations
  all.contended += contended
  all.corruptions += violations.length
  if (violations.length > 0) process.exitCode = 1
}
const whole: Report = { ...machine(), seed, store, runs, ...all }
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(whole, null, 2)}\n`)
