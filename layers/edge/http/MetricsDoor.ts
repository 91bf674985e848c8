/**
 * The service in numbers, served to whoever runs it.
 *
 * Owns who may read, and the two forms. Does not own the numbers: one registry (Effect's `Metric`) holds them, and
 * `Vitals` brings those up to date that the store must be asked for.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import { Vitals } from "#layers/telemetry/Vitals.ts"
import { Api } from "../Api.ts"
import type { Metrics } from "../api/MetricsApi.ts"
import * as Answers from "./Answers.ts"

const json = HttpApiBuilder.group(
  Api,
  "metrics",
  Effect.fnUntraced(function* (handlers) {
    const { refresh } = yield* Vitals
    const items = Effect.map(Metric.snapshot, itemsOf)
    return handlers.handle("json", () =>
      looked(
        refresh,
        Effect.map(items, (items) => ({ items }))
      )
    )
  })
)

const text = HttpApiBuilder.group(
  Api,
  "prometheus",
  Effect.fnUntraced(function* (handlers) {
    const { refresh } = yield* Vitals
    return handlers.handle("text", () => looked(refresh, PrometheusMetrics.format()))
  })
)

export const layer = Layer.mergeAll(json, text)

/** A snapshot by name, series of one name together. Kinds that no metric here has are left out. */
export const itemsOf = (snapshot: ReadonlyArray<Metric.Metric.Snapshot>): Metrics["items"] => {
  const items = new Map<string, Metrics["items"][number]>()
  for (const metric of snapshot) {
    const item = itemOf(metric)
    const known = items.get(metric.id)
    if (item === null) continue
    if (known?.type === "histogram" && item.type === "histogram") {
      items.set(metric.id, { ...known, series: [...known.series, ...item.series] })
    } else if (known !== undefined && known.type !== "histogram" && item.type !== "histogram") {
      items.set(metric.id, { ...known, series: [...known.series, ...item.series] })
    } else items.set(metric.id, item)
  }
  return [...items.values()].sort((one, other) => (one.name < other.name ? -1 : 1))
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const looked = <A>(refresh: Effect.Effect<void>, read: Effect.Effect<A>) =>
  Answers.ask((by) => Effect.andThen(Answers.permit(by, "metrics.read"), Effect.andThen(refresh, read)))

const itemOf = (metric: Metric.Metric.Snapshot): Metrics["items"][number] | null => {
  const described = { name: metric.id, description: metric.description ?? "" }
  const labels = { ...metric.attributes }
  switch (metric.type) {
    case "Counter":
      return { ...described, type: "counter", series: [{ labels, value: Number(metric.state.count) }] }
    case "Gauge":
      return { ...described, type: "gauge", series: [{ labels, value: Number(metric.state.value) }] }
    case "Histogram": {
      const { buckets, count, sum } = metric.state
      const finite = buckets.filter(([bound]) => Number.isFinite(bound))
      const shown = finite.map(([atMost, count]) => ({ atMost, count }))
      return { ...described, type: "histogram", series: [{ labels, count, sum, buckets: shown }] }
    }
    case "Frequency":
    case "Summary":
      return null
  }
}
