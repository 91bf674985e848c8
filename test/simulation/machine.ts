/**
 * The machine that simulated processes run on: which waiting fiber goes next, what time it is, and who is alive.
 *
 * Owns one list of waiting tasks and one of sleepers for all processes, in one thread without a timer, a promise or a
 * real clock. Chance is set by whoever drives it, so that each step of a plan brings its own.
 *
 * Invariants: a process that was killed never takes another step, ends nothing and cleans nothing up; the same calls in
 * the same order with the same chance give the same order of everything.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Scheduler } from "effect/Scheduler"

/** One life of one process: what its fibers run by. */
export interface Life {
  readonly name: string
  readonly number: number
  readonly scheduler: Scheduler
  readonly clock: Clock.Clock
  readonly alive: () => boolean
  /** Nothing of it runs any more, from this very step on. */
  readonly kill: () => void
}

export interface Machine {
  readonly nowMillis: () => number
  /** Chance of the steps that follow. */
  readonly draw: (chance: () => number) => void
  readonly live: (name: string) => Life
  /** Runs at most so many waiting tasks; answers whether nothing waits any more. */
  readonly run: (tasksMax: number) => boolean
  /** Lets time pass: every sleeper wakes at its time, and all that can run has run before the next one does. */
  readonly pass: (millis: number) => void
}

/** More tasks than this without time passing is a program that turns in a circle. */
const tasksMax = 100_000

/** So often a fiber lets others go after a step. */
const yieldShare = 0.01

interface Task {
  readonly life: Life
  readonly run: () => void
}

interface Sleeper extends Task {
  readonly atMillis: number
  readonly number: number
}

export const make = (startMillis: number): Machine => {
  let nowMillis = startMillis
  let chance: () => number = () => 0.5
  let lives = 0
  let sleeps = 0
  const tasks: Array<Task> = []
  const sleepers: Array<Sleeper> = []

  const sleep = (life: Life, millis: number): Effect.Effect<void> =>
    Effect.callback<void>((resume) => {
      if (!life.alive()) return undefined
      const sleeper: Sleeper = {
        life,
        atMillis: nowMillis + Math.max(0, Math.ceil(millis)),
        number: sleeps++,
        run: () => resume(Effect.void)
      }
      insert(sleepers, sleeper)
      return Effect.sync(() => {
        const at = sleepers.indexOf(sleeper)
        if (at >= 0) sleepers.splice(at, 1)
      })
    })

  const live = (name: string): Life => {
    let alive = true
    const dispatcher = {
      scheduleTask: (run: () => void) => {
        if (alive) tasks.push({ life, run })
      },
      flush: () => undefined
    }
    const life: Life = {
      name,
      number: lives++,
      scheduler: {
        executionMode: "sync",
        shouldYield: () => chance() < yieldShare,
        makeDispatcher: () => dispatcher
      },
      clock: {
        currentTimeMillisUnsafe: () => nowMillis,
        currentTimeMillis: Effect.sync(() => nowMillis),
        currentTimeNanosUnsafe: () => BigInt(nowMillis) * 1_000_000n,
        currentTimeNanos: Effect.sync(() => BigInt(nowMillis) * 1_000_000n),
        monotonicTimeNanosUnsafe: () => BigInt(nowMillis) * 1_000_000n,
        monotonicTimeNanos: Effect.sync(() => BigInt(nowMillis) * 1_000_000n),
        sleep: (duration) => sleep(life, Duration.toMillis(duration))
      },
      alive: () => alive,
      kill: () => {
        alive = false
        keep(tasks, life)
        keep(sleepers, life)
      }
    }
    return life
  }

  const run = (most: number): boolean => {
    for (let done = 0; tasks.length > 0; done++) {
      if (done >= most) return false
      if (done >= tasksMax) throw new Error("the simulated processes turn in a circle: no time passes")
      const at = Math.floor(chance() * tasks.length)
      const [task] = tasks.splice(at, 1)
      task!.run()
    }
    return true
  }

  const pass = (millis: number): void => {
    const until = nowMillis + millis
    run(Number.POSITIVE_INFINITY)
    for (;;) {
      const [next] = sleepers
      if (next === undefined || next.atMillis > until) break
      sleepers.shift()
      nowMillis = Math.max(nowMillis, next.atMillis)
      tasks.push(next)
      // All that is due at one moment may go in any order.
      if (sleepers[0]?.atMillis !== next.atMillis) run(Number.POSITIVE_INFINITY)
    }
    nowMillis = until
  }

  return { nowMillis: () => nowMillis, draw: (next) => void (chance = next), live, run, pass }
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Earliest first; of one moment, in the order in which they lay down. */
const insert = (sleepers: Array<Sleeper>, sleeper: Sleeper): void => {
  let at = sleepers.length
  while (at > 0 && sleepers[at - 1]!.atMillis > sleeper.atMillis) at--
  sleepers.splice(at, 0, sleeper)
}

/** Lets go of everything of one life, in place. */
const keep = (waiting: Array<Task>, life: Life): void => {
  const rest = waiting.filter((task) => task.life !== life)
  waiting.length = 0
  waiting.push(...rest)
}
