/**
 * What a service shows of itself to whoever runs it: spans into a local file, and everything to a collector if one is named.
 *
 *   every span --> TidyTracer --> the collector's tracer, or none
 *                             \-> the trace file, or none
 *
 * Composes. Belongs outermost: it is there before anything else opens, and writes the last spans after all has closed.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as OtlpResource from "effect/observability/OtlpResource"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Variables from "#src/kernel/Variables.ts"
import * as OtelExport from "./OtelExport.ts"
import * as TidyTracer from "./TidyTracer.ts"
import * as TraceFile from "./TraceFile.ts"

export interface Options {
  /** Where trace files go. */
  readonly folder: string
  /** Of one file; 0 writes none. */
  readonly fileBytesMax: number
  /** For its `OTEL_*` variables. */
  readonly environment: Variables.Environment
}

/** The tracer of everything built on it, and the logger and metrics reader of a collector. */
export const make = Effect.fnUntraced(function* (options: Options) {
  const exported = OtelExport.asked(options.environment)
    ? yield* brief(Layer.build(OtelExport.layer(options.environment)))
    : Context.empty()
  const inside = Context.get(exported, Tracer.Tracer)
  const serviceName = Variables.given(options.environment, "OTEL_SERVICE_NAME") ?? "keelson"
  const resource = OtlpResource.make({ serviceName })
  const file =
    options.fileBytesMax === 0
      ? null
      : yield* TraceFile.make({ folder: options.folder, fileBytesMax: options.fileBytesMax, resource })
  return Context.add(exported, Tracer.Tracer, TidyTracer.make(inside, file?.push ?? (() => undefined)))
})

export const layer = (options: Options): Layer.Layer<never, OtelExport.OtelWrong> =>
  Layer.effectContext(make(options)) as Layer.Layer<never, OtelExport.OtelWrong>

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** What is opened closes with the scope around, but nobody waits for it longer than was promised. */
const brief = Effect.fnUntraced(function* <A, E>(opening: Effect.Effect<A, E, Scope.Scope>) {
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer((exit) =>
    Effect.gen(function* () {
      const closing = yield* Effect.forkDetach(Scope.close(scope, exit))
      yield* Effect.timeoutOption(Fiber.await(closing), Duration.millis(Bounds.telemetryFlushMillis))
    })
  )
  return yield* opening.pipe(
    Effect.provideService(Scope.Scope, scope),
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
  )
})
