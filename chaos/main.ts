/**
 * `npm run test:crash -- --kills N --seed S [--store pglite|postgres] [--mutant NAME] [--json FILE]`
 *
 * Exit code 0: nothing was found. 1: something was, or a moment did not come as often as it had to: both are printed.
 * 2: a wrong argument.
 */
import * as Arguments from "./kit/arguments.ts"
import * as Table from "./kit/table.ts"
import * as Turns from "./kit/turns.ts"
import * as Run from "./run.ts"

const { count, mutant, report, seed, store } = Arguments.read({
  counted: "kills",
  count: Turns.wholeKills,
  mutants: ["acknowledge-before-commit"]
})
const found = await Run.run({
  ...Turns.asked(count),
  seed,
  store,
  mutant,
  auditEvery: 25,
  say: (line) => console.error(line)
})
console.log(Table.print(found))
report(found)
process.exitCode = Run.isGood(found) ? 0 : 1
