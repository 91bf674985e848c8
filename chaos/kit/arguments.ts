/** What the commands of this folder are told: how many, which seed, on which store. */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import type { Store } from "./store.ts"

export interface Arguments {
  /** Kills or runs, as `counted` calls them. */
  readonly count: number
  readonly seed: number
  readonly store: Store
  readonly mutant: string | null
  /** Writes the report where `--json` says; nowhere without it. */
  readonly report: (report: unknown) => void
}

export interface Options {
  readonly counted: "kills" | "runs"
  /** Unless told. */
  readonly count: number
  readonly mutants: ReadonlyArray<string>
}

/** Ends the process with 2 where a word means nothing. */
export const read = ({ count, counted, mutants }: Options): Arguments => {
  const { values } = parseArgs({
    options: {
      [counted]: { type: "string", default: String(count) },
      seed: { type: "string", default: "1" },
      store: { type: "string", default: "pglite" },
      mutant: { type: "string" },
      json: { type: "string" }
    }
  }) as { readonly values: { readonly [name: string]: string | undefined } }
  const { json, mutant = null, store } = values
  const [many, seed] = [Number(values[counted]), Number(values["seed"])]
  const wrong = [
    ...(Number.isSafeInteger(many) && many >= 1 ? [] : [`--${counted} takes a whole number from 1`]),
    ...(Number.isSafeInteger(seed) ? [] : ["--seed takes a whole number"]),
    ...(store === "pglite" || store === "postgres" ? [] : ["--store takes pglite or postgres"]),
    ...(mutant === null || mutants.includes(mutant) ? [] : [`--mutant takes ${mutants.join(", ") || "none here"}`])
  ]
  if (wrong.length > 0) {
    console.error(wrong.join("\n"))
    process.exit(2)
  }
  return {
    count: many,
    seed,
    store: store === "postgres" ? "postgres" : "pglite",
    mutant,
    report: (report) => {
      if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`)
    }
  }
}
