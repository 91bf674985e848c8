/** Gauges that are read where their number stands, whenever somebody looks: nothing is pushed on the way of a command. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"

/** Shows `read()` as the gauge's value for the life of the scope. `read` is called by whoever looks: it must be quick. */
export const show = (gauge: Metric.Gauge<number>, read: () => number): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(Effect.context<never>(), (context) =>
    Effect.acquireRelease(
      Effect.sync(() =>
        Metric.registerUnsafe(gauge, context, {
          get: () => ({ value: read() }),
          update: () => undefined,
          modify: () => undefined
        })
      ),
      ({ remove }) => Effect.sync(remove)
    )
  )
