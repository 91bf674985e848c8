/**
 * Threads that run seeds side by side: a stretch each, until there are no more or somebody found something.
 */
import { availableParallelism } from "node:os"
import { Worker } from "node:worker_threads"
import type { Shrunk, Stretch } from "./seeds.ts"
import type { Asked } from "./worker.ts"

export interface Options {
  readonly first: number
  readonly count: number
  readonly mutant: string | null
  /** Stops with the first failure. */
  readonly untilFailure: boolean
  /** Makes the first failing seed short. Default true. */
  readonly shorten?: boolean
  readonly threads?: number
  readonly told?: (done: number) => void
}

export interface Report {
  /** In order of their seeds. */
  readonly stretches: ReadonlyArray<Stretch>
  readonly seconds: number
  /** The first failing seed, made short. */
  readonly shrunk: (Shrunk & { readonly seed: number }) | null
}

/** Small enough that a failure is told soon, large enough that telling costs nothing. */
const stretchMax = 10

export const run = async (options: Options): Promise<Report> => {
  const since = performance.now()
  const end = options.first + options.count
  const threads = Math.max(
    1,
    Math.min(options.threads ?? availableParallelism(), Math.ceil(options.count / stretchMax))
  )
  const workers = Array.from({ length: threads }, () => start(options.mutant))
  const stretches: Array<Stretch> = []
  let next = options.first
  let done = 0
  let isOver = false
  try {
    await Promise.all(
      workers.map(async (worker) => {
        while (next < end && !isOver) {
          const first = next
          const count = Math.min(stretchMax, end - first)
          next += count
          const stretch = await ask<Stretch>(worker, { ask: "stretch", first, count })
          stretches.push(stretch)
          done += count
          isOver ||= options.untilFailure && stretch.failures.length > 0
          options.told?.(done)
        }
      })
    )
    stretches.sort((one, other) => one.first - other.first)
    const seconds = (performance.now() - since) / 1_000
    const failure = stretches.flatMap(({ failures }) => failures)[0]
    const shrunk =
      failure === undefined || options.shorten === false
        ? null
        : { seed: failure.seed, ...(await ask<Shrunk>(workers[0]!, { ask: "short", seed: failure.seed })) }
    return { stretches, seconds, shrunk }
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const start = (mutant: string | null): Worker =>
  new Worker(new URL("worker.ts", import.meta.url), { workerData: { mutant } })

const ask = <A>(worker: Worker, asked: Asked): Promise<A> =>
  new Promise((resolve, reject) => {
    const ended = (code: number) => reject(new Error(`a thread of the simulation ended (${code})`))
    worker.once("error", reject)
    worker.once("exit", ended)
    worker.once("message", (answer: A) => {
      worker.off("error", reject)
      worker.off("exit", ended)
      resolve(answer)
    })
    worker.postMessage(asked)
  })
