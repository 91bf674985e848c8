/**
 * `npm run test:burst -- [--runs N] [--seed S] [--store pglite|postgres] [--mutant NAME] [--json FILE]`
 *
 * Exit code 0: each burst was kept and nothing ran twice. 1: not so. 2: a wrong argument.
 */
import * as Burst from "./burst.ts"
import * as Arguments from "./kit/arguments.ts"

const { count, mutant, report, seed, store } = Arguments.read({
  counted: "runs",
  count: 20,
  mutants: ["acknowledge-before-commit"]
})
const found = await Burst.run({
  ...Burst.standard,
  runs: count,
  seed,
  store,
  mutant,
  say: (line) => console.error(line)
})
console.log(Burst.print(found))
report(found)
process.exitCode = Burst.holds(found) ? 0 : 1
