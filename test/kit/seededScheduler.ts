/**
 * A scheduler that a seed decides: which waiting fiber goes next, and after which step one lets others go.
 *
 * For interleavings that can be run again. Everything runs to its end within `run`, without a clock.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Scheduler } from "effect/Scheduler"

/** Chance that is the same in every run (mulberry32): from 0, below 1. */
export const chance = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
}

/** Runs an effect that waits for nothing but itself, its fibers interleaved by the seed. */
export const run = <A, E>(effect: Effect.Effect<A, E>, seed: number): A => {
  const random = chance(seed)
  const waiting: Array<() => void> = []
  const dispatcher = {
    scheduleTask: (task: () => void) => void waiting.push(task),
    flush: () => {
      while (waiting.length > 0) waiting.splice(Math.floor(random() * waiting.length), 1)[0]!()
    }
  }
  const scheduler: Scheduler = {
    executionMode: "sync",
    shouldYield: () => random() < yieldShare,
    makeDispatcher: () => dispatcher
  }
  const fiber = Effect.runFork(effect, { scheduler })
  dispatcher.flush()
  const exit = fiber.pollUnsafe()
  if (exit === undefined) throw new Error(`seed ${seed}: something waits for what never comes`)
  if (Exit.isFailure(exit)) throw new Error(`seed ${seed}: ${String(exit.cause)}`)
  return exit.value
}

/** So often a fiber lets others go after a step. */
const yieldShare = 0.2
