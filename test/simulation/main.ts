/**
 * `npm run simulate -- --seeds N [--seed S] [--mutant NAME | --mutants]`, and `--seed S [--steps 1,2,3]` for one run.
 *
 * `--json FILE` writes the figures of many seeds, or of the mutants.
 *
 * Owns the command line and what is printed. Exit code 0: everything held, and each mutant was found. 1: something did
 * not. 2: the arguments mean nothing.
 */
import { hash } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { type Machine, machine } from "../../bench/kit/machine.ts"
import { mutants } from "./mutants.ts"
import { only, plan } from "./plan.ts"
import type { Plan } from "./steps.ts"
import * as Pool from "./pool.ts"
import * as Seeds from "./seeds.ts"

const usage = `usage: npm run simulate -- --seeds N [--seed S] [--mutant NAME]    N seeds from S on (1)
       npm run simulate -- --mutants [--seeds N]                   each mutant, at most N seeds (1000)
       npm run simulate -- --seed S [--steps 1,2,3] [--save FILE]  one history, whole or some of its steps
       npm run simulate -- --replay FILE                           a plan that was saved
--save FILE beside --seeds keeps the short plan of what failed; --json FILE the figures of --seeds and --mutants.
mutants: ${Object.keys(mutants).join(", ")}`

const refuse = (why: string): never => {
  console.error(`${why}\n${usage}`)
  process.exit(2)
}

const given = (() => {
  try {
    return parseArgs({
      options: {
        seeds: { type: "string" },
        seed: { type: "string" },
        steps: { type: "string" },
        save: { type: "string" },
        replay: { type: "string" },
        mutant: { type: "string" },
        mutants: { type: "boolean", default: false },
        json: { type: "string" },
        threads: { type: "string" }
      }
    }).values
  } catch (error) {
    return refuse((error as Error).message)
  }
})()

const whole = (name: string, text: string | undefined, otherwise: number): number => {
  if (text === undefined) return otherwise
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 1) refuse(`--${name} is a whole number from 1 on`)
  return number
}

const first = whole("seed", given.seed, 1)
const threads = given.threads === undefined ? {} : { threads: whole("threads", given.threads, 1) }
const { mutant = null } = given
if (mutant !== null && !Object.hasOwn(mutants, mutant)) refuse(`there is no mutant ${mutant}`)

const save = (file: string, chosen: Plan): void => writeFileSync(file, `${JSON.stringify(chosen, null, 2)}\n`)

const one = (chosen: Plan): boolean => {
  if (given.save !== undefined) save(given.save, chosen)
  const result = Seeds.make().replay(chosen)
  console.log(result.history.join("\n"))
  return result.violation === null
}

const chosenSteps = (): Plan => {
  const chosen = plan(first)
  if (given.steps === undefined) return chosen
  return only(chosen, new Set(given.steps.split(",").map((text) => whole("steps", text, 1))))
}

/** What a run of many seeds found. */
export interface SeedsReport extends Machine {
  readonly first: number
  readonly seeds: number
  readonly violations: number
  readonly events: number
  readonly runs: number
  readonly seconds: number
  readonly histories: string
}

/** In how many seeds each mutant was found; `null` where it was not. */
export interface MutantsReport extends Machine {
  readonly seedsMax: number
  readonly mutants: { readonly [name: string]: number | null }
}

const write = (report: SeedsReport | MutantsReport): void => {
  if (given.json !== undefined) writeFileSync(given.json, `${JSON.stringify(report, null, 2)}\n`)
}

const progress = (count: number) => (done: number) => {
  if (process.stderr.isTTY) process.stderr.write(`\r[K${done} of ${count}${done >= count ? "\n" : ""}`)
}

const sum = (report: Pool.Report, of: "count" | "events" | "runs" | "twice"): number =>
  report.stretches.reduce((total, stretch) => total + stretch[of], 0)

const show = ({ shrunk }: Pool.Report): void => {
  if (shrunk === null) return
  if (given.save !== undefined) save(given.save, shrunk.plan)
  const steps = shrunk.plan.steps.map(({ number }) => number).join(",")
  console.log(["", ...shrunk.history, ""].join("\n"))
  if (mutant === null) console.log(`run it again: npm run simulate -- --seed ${shrunk.seed} --steps ${steps}`)
}

const many = async (): Promise<boolean> => {
  const count = whole("seeds", given.seeds, 1_000)
  const untilFailure = mutant !== null
  const report = await Pool.run({ first, count, mutant, untilFailure, told: progress(count), ...threads })
  const failures = report.stretches.flatMap((stretch) => stretch.failures)
  show(report)
  for (const { detail, seed } of failures.slice(0, 20)) console.log(`seed ${seed}: ${detail.split("\n")[0]}`)
  const done = sum(report, "count")
  const histories = hash("sha256", report.stretches.flatMap(({ digests }) => digests).join("\n"))
  const [events, runs] = [sum(report, "events"), sum(report, "runs")]
  const { seconds } = report
  write({ ...machine(), first, seeds: done, violations: failures.length, events, runs, seconds, histories })
  console.log(
    [
      `${done} seeds, ${failures.length} violations; ${events} events, ${runs} runs of tools`,
      `${seconds.toFixed(1)} s, ${Math.round((60 * done) / seconds)} seeds a minute`,
      `${sum(report, "twice")} of them run twice; all histories: sha256 ${histories}`
    ].join("\n")
  )
  return failures.length === 0
}

const each = async (): Promise<boolean> => {
  const count = whole("seeds", given.seeds, 1_000)
  const found: { [name: string]: number | null } = {}
  console.log("mutant                     seeds  steps  what was seen")
  for (const name of Object.keys(mutants)) {
    const report = await Pool.run({ first, count, mutant: name, untilFailure: true, ...threads })
    const failure = report.stretches.flatMap((stretch) => stretch.failures)[0]
    found[name] = failure === undefined ? null : failure.seed - first + 1
    const seeds = String(found[name] ?? "-")
    const steps = String(report.shrunk?.plan.steps.length ?? "-")
    const seen = failure?.detail.split("\n")[0] ?? `NOT FOUND in ${count} seeds`
    console.log(`${name.padEnd(26)} ${seeds.padStart(5)}  ${steps.padStart(5)}  ${seen}`)
  }
  write({ ...machine(), seedsMax: count, mutants: found })
  return Object.values(found).every((seeds) => seeds !== null)
}

const held = await (given.replay !== undefined
  ? one(JSON.parse(readFileSync(given.replay, "utf8")) as Plan)
  : given.mutants
    ? each()
    : given.seeds === undefined && given.seed !== undefined && mutant === null
      ? one(chosenSteps())
      : many())
process.exitCode = held ? 0 : 1
