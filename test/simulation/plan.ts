/**
 * What happens in one simulated run: a list of steps drawn from a seed, before anything runs.
 *
 * Owns how often each kind of step comes, and after how much of what runs. Does not own what they do (`run.ts`) nor what
 * must hold (`model.ts`).
 */
import { chance } from "#test/kit/seededScheduler.ts"
import { type Bare, type Book, create, type Draw, type Kind, kinds, usual } from "./kinds.ts"
import type { Plan, Step } from "./steps.ts"

export const plan = (seed: number): Plan => {
  const random = chance(seed * 2_654_435_761 + 1)
  const draw: Draw = {
    below: (n) => Math.floor(random() * n),
    one: (all) => all[Math.floor(random() * all.length)]!,
    is: (share) => random() < share
  }
  const processes = draw.is(0.5) ? 2 : 1
  const swarm = draw.one(swarms)
  const weights = Object.entries({ ...usual, ...swarm }).map(
    ([kind, weight]) => [kind, weight * draw.one(scales)] as const
  )
  const book: Book = { sessions: [], actions: [], turns: [], claims: [], said: [], keys: 0 }
  const steps: Array<Step> = []
  const add = (step: Bare, tasks: number | null): void =>
    void steps.push({ ...step, number: steps.length + 1, tasks, chance: draw.below(2 ** 31) } as Step)
  const length = 25 + draw.below(25)
  if ((swarm.remote ?? usual.remote) > 0) add({ deed: "declare", by: "rob", key: "k0", process: 0 }, null)
  add(create(draw, book, processes), null)
  /** Whoever went down comes up again, some steps later. */
  const restarts: Array<{ readonly after: number; readonly process: number }> = []
  while (steps.length < length) {
    const ready = restarts.findIndex(({ after }) => after <= steps.length)
    if (ready >= 0) add({ deed: "start", process: restarts.splice(ready, 1)[0]!.process }, draw.is(0.8) ? null : 4)
    for (const step of kinds[pick(draw, weights)](draw, book, processes)) {
      if (step.deed === "crash" || (step.deed === "fault" && step.fault.startsWith("crash"))) {
        restarts.push({ after: steps.length + 1 + draw.below(step.deed === "crash" ? 4 : 8), process: step.process })
      }
      add(step, draw.is(begins.has(step.deed) ? calmer : calm) ? null : draw.one(hurry))
      if ("by" in step && step.deed !== "look") book.said.push(step)
    }
  }
  return { seed, processes, isNarrow: seed % narrowEvery === 0, steps }
}

/** The plan with some of its steps only. */
export const only = (whole: Plan, numbers: ReadonlySet<number>): Plan => ({
  ...whole,
  steps: whole.steps.filter(({ number }) => numbers.has(number))
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Each run leaves some kinds out, so that the others come thick. */
const swarms: ReadonlyArray<Partial<Record<Kind, number>>> = [
  {},
  { remote: 0, turn: 0 },
  { turn: 0, halt: 0, fault: 0, crash: 0, blind: 0, slow: 0, stop: 0, remote: 0 },
  { remote: 0, halt: 0, fault: 9, crash: 0 },
  { remote: 0, turn: 0, crash: 3, stop: 1 },
  { turn: 0, remote: 6, halt: 0 },
  { remote: 0, turn: 5 },
  { erase: 5, look: 5, remote: 0, turn: 0 },
  { create: 6, close: 4, remote: 0, turn: 0, halt: 0 },
  { halt: 5, turn: 0 }
]
/** So often there is hardly room for work. */
const narrowEvery = 4

const scales = [0.3, 1, 1, 2]

/** So often everything that can run has run before the next step comes; else only so many tasks. */
const calm = 0.6
/** What others build on is waited for more often. */
const begins: ReadonlySet<string> = new Set(["create", "propose", "turn"])
const calmer = 0.85
const hurry = [0, 0, 1, 2, 4, 8, 16]

const pick = (draw: Draw, weights: ReadonlyArray<readonly [string, number]>): Kind => {
  let left = (draw.below(1_000_000) / 1_000_000) * weights.reduce((sum, [, weight]) => sum + weight, 0)
  for (const [kind, weight] of weights) if ((left -= weight) < 0) return kind as Kind
  return "pass"
}
