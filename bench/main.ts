/**
 * `npm run bench -- NAME [--smoke] [--json FILE]`: one bench, its table on the terminal, its figures as JSON.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Concurrency from "./concurrency.ts"
import * as HumanGate from "./humanGate.ts"
import * as Journal from "./journal.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { smoke: { type: "boolean", default: false }, json: { type: "string" } }
})

/** A bench: what it measured, and that as a table. */
const bench = <O, R, E>(of: {
  readonly full: O
  readonly smoke: O
  readonly run: (options: O) => Effect.Effect<R, E>
  readonly print: (report: R) => string
}) => ({
  run: (isSmoke: boolean) =>
    Effect.map(Effect.orDie(of.run(isSmoke ? of.smoke : of.full)), (report) => ({
      report: report as unknown,
      text: of.print(report)
    }))
})

const benches: { readonly [name: string]: ReturnType<typeof bench> } = {
  journal: bench(Journal),
  concurrency: bench(Concurrency),
  "human-gate": bench(HumanGate)
}

const [name = ""] = positionals
const chosen = Object.hasOwn(benches, name) ? benches[name] : undefined
if (positionals.length !== 1 || chosen === undefined) {
  console.error(`usage: npm run bench -- ${Object.keys(benches).join("|")} [--smoke] [--json FILE]`)
  process.exit(2)
}

const { report, text } = await Effect.runPromise(chosen.run(values.smoke).pipe(Effect.provide(Logger.layer([]))))
console.log(text)
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`)
