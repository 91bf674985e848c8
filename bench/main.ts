/**
 * `npm run bench -- NAME [--smoke] [--json FILE]`: one bench, its table on the terminal, its figures as JSON.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Journal from "./journal.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { smoke: { type: "boolean", default: false }, json: { type: "string" } }
})

const usage = "usage: npm run bench -- journal [--smoke] [--json FILE]"

if (positionals.length !== 1 || positionals[0] !== "journal") {
  console.error(usage)
  process.exit(2)
}

const report = await Effect.runPromise(
  Journal.run(values.smoke ? Journal.smoke : Journal.full).pipe(Effect.provide(Logger.layer([])))
)
console.log(Journal.print(report))
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`)
