/**
 * Many runs in one thread: a stretch of seeds, one seed, one plan, and the shrinking of what failed.
 *
 * Every so many seeds one is run twice: a history that is not the same to the byte is a violation like any other.
 */
import { hash } from "node:crypto"
import { plan } from "./plan.ts"
import type { Plan } from "./steps.ts"
import { prepare, type Result, run } from "./run.ts"
import { shrink } from "./shrink.ts"

export interface Failure {
  readonly seed: number
  readonly law: string
  readonly detail: string
}

export interface Stretch {
  readonly first: number
  readonly count: number
  readonly events: number
  readonly runs: number
  readonly twice: number
  readonly failures: ReadonlyArray<Failure>
  /** SHA-256 over the history of each seed, in order. */
  readonly digests: ReadonlyArray<string>
}

export interface Shrunk {
  readonly plan: Plan
  readonly history: ReadonlyArray<string>
}

/** So often a seed is run twice. */
const twiceEvery = 50

export const make = () => {
  const compiled = prepare()

  const seed = (number: number): Result => run(plan(number), compiled)

  const stretch = (first: number, count: number): Stretch => {
    const failures: Array<Failure> = []
    const digests: Array<string> = []
    let events = 0
    let runs = 0
    let twice = 0
    for (let number = first; number < first + count; number++) {
      const result = seed(number)
      events += result.events
      runs += result.runs
      digests.push(digestOf(result))
      if (result.violation !== null) {
        failures.push({ seed: number, law: result.violation.law, detail: result.violation.detail })
      }
      if (number % twiceEvery !== 0) continue
      twice += 1
      if (digestOf(seed(number)) !== digests.at(-1)) {
        failures.push({ seed: number, law: "not the same", detail: "the same seed gave two histories" })
      }
    }
    return { first, count, events, runs, twice, failures, digests }
  }

  const short = (number: number): Shrunk => {
    const whole = plan(number)
    const law = run(whole, compiled).violation?.law
    const small = law === undefined ? whole : shrink(whole, (tried) => run(tried, compiled).violation?.law === law)
    return { plan: small, history: run(small, compiled).history }
  }

  return { stretch, seed, short, replay: (given: Plan): Result => run(given, compiled) }
}

export const digestOf = ({ history }: Result): string => hash("sha256", history.join("\n"))
