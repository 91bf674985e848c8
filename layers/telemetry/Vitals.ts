/**
 * Numbers that somebody has to be asked for before they are shown: what waits in the store, how far a follower is.
 *
 * Owns asking, bounded in time and shared between readers. Does not own the numbers: each look sets gauges where it
 * stands. A look that fails leaves its gauges as they were and is counted, so that stale numbers are known as such.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Bounds from "#src/kernel/Bounds.ts"

export interface Look {
  readonly name: string
  readonly look: Effect.Effect<void, unknown>
}

export class Vitals extends Context.Service<
  Vitals,
  {
    /** Brings the gauges up to date. */
    readonly refresh: Effect.Effect<void>
  }
>()("keelson/layers/Vitals") {}

export const failed = Metric.counter("vitals_failed_total", {
  description: "Looks at the store that gave no answer: the numbers they set are old.",
  incremental: true
})

export const make = Effect.fnUntraced(function* (looks: ReadonlyArray<Look>) {
  const one = ({ name, look }: Look) =>
    look.pipe(
      Effect.timeout(Duration.millis(Bounds.vitalsMillis)),
      Effect.catchCause(() => Metric.update(Metric.withAttributes(failed, { look: name }), 1))
    )
  const all = Effect.forEach(looks, one, { concurrency: "unbounded", discard: true })
  return Vitals.of({ refresh: yield* Effect.cachedWithTTL(all, Duration.millis(Bounds.vitalsFreshMillis)) })
})
