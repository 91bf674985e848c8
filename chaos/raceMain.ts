/**
 * `npm run test:race -- [--runs N] [--seed S] [--store pglite|postgres] [--json FILE]`
 *
 * Exit code 0: what twenty clients saw could have happened one step at a time, and the journal agrees. 1: it could not.
 */
import { type Machine, machine } from "../bench/kit/machine.ts"
import * as Arguments from "./kit/arguments.ts"
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

const { count: runs, report, seed, store } = Arguments.read({ counted: "runs", count: 1, mutants: [] })
const all = { operations: 0, contended: 0, corruptions: 0 }
console.log("seed  operations  objects  contended  refused  corruptions  seconds")
for (let run = 0; run < runs; run++) {
  const one = await Race.run({ ...Race.standard, seed: seed + run, store })
  const { contended, objects, operations, refused, seconds, violations } = one.report
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
report(whole)
