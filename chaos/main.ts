/**
 * `npm run test:crash -- --kills N --seed S [--store pglite|postgres] [--mutant NAME] [--json FILE]`
 *
 * Exit code 0: nothing was found. 1: something was, and is printed. 2: a wrong argument.
 */
import * as Arguments from "./kit/arguments.ts"
import * as Table from "./kit/table.ts"
import * as Run from "./run.ts"

const { count, mutant, report, seed, store } = Arguments.read({
  counted: "kills",
  count: 260,
  mutants: ["acknowledge-before-commit"]
})
const found = await Run.run({
  kills: count,
  seed,
  store,
  mutant,
  auditEvery: 25,
  say: (line) => console.error(line)
})
console.log(Table.print(found))
report(found)
process.exitCode = Run.findings(found).length === 0 ? 0 : 1
