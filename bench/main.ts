/**
 * `npm run bench -- NAME [--smoke] [--statements] [--json FILE]`: one bench, its table on the terminal, its figures as JSON;
 * without a name, what there is.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Concurrency from "./concurrency.ts"
import * as HumanGate from "./humanGate.ts"
import * as Journal from "./journal.ts"
import * as Peers from "./peers.ts"
import * as Policy from "./policy.ts"
import * as Recovery from "./recovery.ts"
import * as Replay from "./replay.ts"
import * as Tracing from "./tracing.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    smoke: { type: "boolean", default: false },
    statements: { type: "boolean", default: false },
    json: { type: "string" }
  }
})

/** A bench: what it measured, and that as a table. */
const bench = <O, R, E>(
  about: string,
  of: {
    readonly full: O
    readonly smoke: O
    readonly run: (options: O) => Effect.Effect<R, E>
    readonly print: (report: R) => string
  }
) => ({
  about,
  run: (isSmoke: boolean, statements: boolean) =>
    Effect.map(
      Effect.orDie(of.run({ ...(isSmoke ? of.smoke : of.full), ...(statements && { statements }) })),
      (report) => ({
        report: report as unknown,
        text: of.print(report)
      })
    )
})

const benches: { readonly [name: string]: ReturnType<typeof bench> } = {
  journal: bench("appends to the journal, on both databases", Journal),
  concurrency: bench("commands over twenty WebSockets to the real service", Concurrency),
  "human-gate": bench("a thousand actions that wait for people, then are approved and run", HumanGate),
  policy: bench("decisions with 3 and with 103 policies", Policy),
  recovery: bench("the service killed with a long journal, and started again", Recovery),
  replay: bench("a journal read back: folded, verified and opened, written to tables", Replay),
  peers: bench("the same work by what a user would pick instead; installs them once", Peers),
  tracing: bench("what default and full tracing cost the concurrency work", Tracing)
}

const usage = [
  "usage: npm run bench -- NAME [--smoke] [--statements] [--json FILE]",
  "",
  "--statements: what PostgreSQL did for each operation, for concurrency and human-gate",
  "",
  ...Object.entries(benches).map(([name, { about }]) => `  ${name.padEnd(13)}${about}`)
].join("\n")

if (positionals.length === 0) {
  console.log(usage)
  process.exit(0)
}
const [name = ""] = positionals
const chosen = Object.hasOwn(benches, name) ? benches[name] : undefined
/** Those that may count statements. */
const counting = ["concurrency", "human-gate"]
if (positionals.length !== 1 || chosen === undefined || (values.statements && !counting.includes(name))) {
  console.error(usage)
  process.exit(2)
}

if (values.statements && values.json !== undefined) {
  console.error("figures that are kept are taken without --statements: counting costs the database a little")
  process.exit(2)
}

const { report, text } = await Effect.runPromise(
  chosen.run(values.smoke, values.statements).pipe(Effect.provide(Logger.layer([])))
)
console.log(text)
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`)
const { corruptions = [] } = report as { readonly corruptions?: ReadonlyArray<string> }
if (corruptions.length > 0) process.exitCode = 1
