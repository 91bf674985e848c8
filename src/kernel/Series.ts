/** The series of a metric, each made once: to name one costs more than to count in it. */
import * as Metric from "effect/Metric"

/** Of metrics whose attributes are known by name; their values come from code, never from a caller, so they are few. */
export const of = <I, S, const Names extends ReadonlyArray<string>>(
  metric: Metric.Metric<I, S>,
  ...attributes: Names
): ((...values: { readonly [At in keyof Names]: string }) => Metric.Metric<I, S>) => {
  const made = new Map<string, Metric.Metric<I, S>>()
  return (...values) => {
    const name = values.join("\n")
    const known = made.get(name)
    if (known !== undefined) return known
    const series = Metric.withAttributes(metric, Object.fromEntries(attributes.map((key, at) => [key, values[at]!])))
    made.set(name, series)
    return series
  }
}
