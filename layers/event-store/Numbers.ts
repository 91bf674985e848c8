/** What is counted of the journal. */
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { Outcome } from "#src/kernel/Append.ts"
import type { EventStoreError } from "#src/ports/EventStore.ts"

export const appendDuration = Metric.histogram("event_store_append_duration_seconds", {
  description: "From handing appends over to their outcome: waiting, writing and the commit.",
  boundaries: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
})
export const batchAppends = Metric.histogram("event_store_batch_appends", {
  description: "Appends that were committed together.",
  boundaries: [1, 2, 4, 8, 16, 32, 64, 128, 256, Bounds.batchAppendsMax]
})
export const waiting = Metric.gauge("event_store_waiting_appends", {
  description: "Appends that wait for the next batch."
})
export const outcomes = Metric.counter("event_store_appends_total", {
  description: "Appends by what became of them.",
  incremental: true
})

/** An append, timed, and its outcomes counted. On the way of every append: the numbers take no step of their own. */
export const timed = <R>(append: Effect.Effect<ReadonlyArray<Outcome>, EventStoreError, R>) =>
  Effect.contextWith((context: Context.Context<never>) =>
    Clock.clockWith((clock) => {
      const since = clock.currentTimeNanosUnsafe()
      return Effect.onExit(append, (exit) =>
        Effect.sync(() => {
          appendDuration.updateUnsafe(Number(clock.currentTimeNanosUnsafe() - since) / 1e9, context)
          if (exit._tag === "Failure") byOutcome.Failed.updateUnsafe(1, context)
          else for (const { _tag } of exit.value) byOutcome[_tag].updateUnsafe(1, context)
        })
      )
    })
  )

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const of = (outcome: Outcome["_tag"] | "Failed") => Metric.withAttributes(outcomes, { outcome })

const byOutcome = {
  Committed: of("Committed"),
  Refused: of("Refused"),
  Indeterminate: of("Indeterminate"),
  Failed: of("Failed")
}
