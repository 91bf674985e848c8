/** Callers in closed loops: each waits for its answer before it sends the next. */
import { quantile } from "./statistics.ts"

/** One cell measured once. */
export interface Sample {
  readonly count: number
  readonly perSecond: number
  readonly p50Millis: number
  readonly p99Millis: number
}

/** Measures what some work took of the machine. */
export type Timed<Measured extends Sample> = (work: () => Promise<Sample>) => Promise<Measured>

/** Callers in closed loops for so long, each at least `leastTimes`; latencies of all of them together. */
export const loop = async (
  callers: number,
  millis: number,
  once: (caller: number, count: number) => Promise<void>,
  leastTimes = 0
) => {
  const latencies: Array<number> = []
  const startedAt = performance.now()
  const one = async (caller: number) => {
    for (let count = 0; count < leastTimes || performance.now() - startedAt < millis; count++) {
      const before = performance.now()
      await once(caller, count)
      latencies.push(performance.now() - before)
    }
  }
  await Promise.all(Array.from({ length: callers }, (_, caller) => one(caller)))
  const seconds = (performance.now() - startedAt) / 1_000
  return sampleOf(latencies, seconds)
}

export const sampleOf = (latencies: Array<number>, seconds: number): Sample => {
  latencies.sort((a, b) => a - b)
  return {
    count: latencies.length,
    perSecond: latencies.length / seconds,
    p50Millis: quantile(latencies, 0.5),
    p99Millis: quantile(latencies, 0.99)
  }
}
