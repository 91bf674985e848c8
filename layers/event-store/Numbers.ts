/** What is counted of the journal. */
import * as Clock from "effect/Clock"
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

/** An append, timed, and its outcomes counted. */
export const timed = <R>(append: Effect.Effect<ReadonlyArray<Outcome>, EventStoreError, R>) =>
  Effect.flatMap(Clock.currentTimeNanos, (since) =>
    Effect.onExit(append, (exit) =>
      Effect.gen(function* () {
        yield* Metric.update(appendDuration, Number((yield* Clock.currentTimeNanos) - since) / 1e9)
        if (exit._tag === "Failure") return yield* count("Failed")
        for (const { _tag } of exit.value) yield* count(_tag)
      })
    )
  )

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const byOutcome = new Map(
  (["Committed", "Refused", "Indeterminate", "Failed"] as const).map((outcome) => [
    outcome,
    Metric.withAttributes(outcomes, { outcome })
  ])
)

const count = (outcome: Outcome["_tag"] | "Failed") => Metric.update(byOutcome.get(outcome)!, 1)
