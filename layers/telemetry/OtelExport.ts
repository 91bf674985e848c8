/**
 * Spans, numbers and log lines to a collector, by OpenTelemetry's own `OTEL_*` variables.
 *
 * Owns what the standard says where a variable is not set, the protocol, and the bounds of talking to a collector. Does
 * not own which variables there are (`kernel/Variables.ts`: no other reaches Effect) nor the encoding
 * (`effect/observability`).
 *
 * Invariants: without an endpoint nothing is sent; a collector that is slow, away or refuses costs what it did not
 * take, nothing else: at most `otlpRequestsMax` requests of each signal, each for a bounded time, and never a growing
 * queue; the log says of each address when it begins to take nothing, and when it takes something again.
 */
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { Flusher } from "effect/observability/OtlpExporter"
import * as OtlpLogger from "effect/observability/OtlpLogger"
import * as OtlpMetrics from "effect/observability/OtlpMetrics"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as OtlpTracer from "effect/observability/OtlpTracer"
import * as Schema from "effect/Schema"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Variables from "#src/kernel/Variables.ts"

/** An `OTEL_*` variable is not what the standard has it. */
export class OtelWrong extends Schema.TaggedError<OtelWrong>()("OtelWrong", {
  detail: Schema.String,
  retryable: Schema.Literal(false)
}) {
  override get message() {
    return this.detail
  }
}

export const failures = Metric.counter("otlp_failures_total", {
  description: "Requests to the OTLP collector that failed or found too many before them.",
  incremental: true
})

/** True where the environment names a collector. */
export const asked = (environment: Variables.Environment): boolean =>
  on(environment) && endpoints.some((name) => Variables.given(environment, name) !== null)

/** Every `OTEL_` variable that is out of form, as sentences. */
export const wrong = (environment: Variables.Environment): ReadonlyArray<string> =>
  Variables.wrong(environment, (name) => name.startsWith(prefix))

/** Tracer, metrics and logger that send what the environment asks for. Only where `asked`. */
export const layer = (environment: Variables.Environment): Layer.Layer<Flusher, OtelWrong> =>
  Layer.unwrap(
    Effect.suspend(() => {
      const problems = wrong(environment)
      return problems.length === 0
        ? Effect.succeed(signals(environment))
        : Effect.fail(new OtelWrong({ detail: problems.join("\n"), retryable: false }))
    })
  ).pipe(
    Layer.provide([serialization(environment), FetchHttpClient.layer]),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: standard(environment) }))),
    // Effect gives a wrong variable as a defect: it is the operator's, and has a name.
    Layer.catchCause((cause) => {
      const defects = cause.reasons.flatMap((reason) => (Cause.isDieReason(reason) ? [reason.defect] : []))
      const misread = defects.find((defect) => defect instanceof Config.ConfigError)
      const failed: Effect.Effect<never, OtelWrong> =
        misread === undefined
          ? Effect.failCause(cause)
          : Effect.fail(new OtelWrong({ detail: `an OTEL_ variable: ${String(misread)}`, retryable: false }))
      return Layer.effect(Flusher, failed)
    })
  )

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const prefix = "OTEL_"

const endpoints = [
  "OTEL_EXPORTER_OTLP_ENDPOINT",
  "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
  "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
  "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"
] as const

const on = (environment: Variables.Environment): boolean =>
  Variables.given(environment, "OTEL_SDK_DISABLED")?.toLowerCase() !== "true"

/** What the standard says of variables that are not set (and empty is not set). */
const standard = (environment: Variables.Environment): Record<string, string> => {
  const given: Record<string, string> = {}
  for (const name of Object.keys(environment)) {
    if (!name.startsWith(prefix) || !Variables.isDeclared(name)) continue
    const text = Variables.given(environment, name)
    if (text !== null) given[name] = name === "OTEL_SDK_DISABLED" ? text.toLowerCase() : text
  }
  const named = /(^|,)\s*service\.name=/.test(Variables.given(environment, "OTEL_RESOURCE_ATTRIBUTES") ?? "")
  return {
    OTEL_TRACES_EXPORTER: "otlp",
    OTEL_METRICS_EXPORTER: "otlp",
    OTEL_LOGS_EXPORTER: "otlp",
    ...(named ? {} : { OTEL_SERVICE_NAME: "keelson" }),
    ...given
  }
}

const serialization = (environment: Variables.Environment) =>
  Variables.given(environment, "OTEL_EXPORTER_OTLP_PROTOCOL") === "http/json"
    ? OtlpSerialization.layerJson
    : OtlpSerialization.layerProtobuf

/** Each signal has a way of its own, for each has a time of its own. */
const signals = (environment: Variables.Environment) =>
  Layer.mergeAll(
    Layer.provide(OtlpTracer.layerFromConfig(), client(patience(environment, "TRACES"))),
    Layer.provide(OtlpMetrics.layerFromConfig(), client(patience(environment, "METRICS"))),
    Layer.provide(OtlpLogger.layerFromConfig(), client(patience(environment, "LOGS")))
  )

/** How long one request of a signal may take: its own word, else that for all of them. */
const patience = (environment: Variables.Environment, signal: "TRACES" | "METRICS" | "LOGS"): number =>
  Number(
    Variables.given(environment, `OTEL_EXPORTER_OTLP_${signal}_TIMEOUT`) ??
      Variables.given(environment, "OTEL_EXPORTER_OTLP_TIMEOUT") ??
      Bounds.otlpMillis
  )

/** Few requests at once, none for long. What finds no place fails at once, and what it carried is dropped. */
const client = (timeoutMillis: number) =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.gen(function* () {
      const fetching = yield* HttpClient.HttpClient
      // One: the address of a signal does not change.
      const ways = new Map<string, Way>()
      const wayTo = (url: string): Way => {
        const known = ways.get(url)
        if (known !== undefined) return known
        const way = { inFlight: 0, broken: false }
        ways.set(url, way)
        return way
      }
      const noted = Effect.fnUntraced(function* (url: string, fails: boolean) {
        if (fails) yield* Metric.update(failures, 1)
        const way = wayTo(url)
        if (fails === way.broken) return
        way.broken = fails
        yield* fails
          ? Effect.logWarning(
              `the OTLP collector takes nothing at ${shown(url)}: what is meant for it is dropped until it does`
            )
          : Effect.logInfo(`the OTLP collector takes what is sent again at ${shown(url)}`)
      })
      return HttpClient.transform(fetching, (sending, request) =>
        Effect.suspend(() => {
          const { url } = request
          const way = wayTo(url)
          if (way.inFlight >= Bounds.otlpRequestsMax) {
            const reason = new HttpClientError.EncodeError({ request, description: "too many exports are under way" })
            return Effect.andThen(noted(url, true), Effect.fail(new HttpClientError.HttpClientError({ reason })))
          }
          way.inFlight += 1
          return sending.pipe(
            Effect.timeoutOrElse({
              duration: Duration.millis(timeoutMillis),
              orElse: () =>
                Effect.fail(
                  new HttpClientError.HttpClientError({
                    reason: new HttpClientError.TransportError({ request, description: "no answer in time" })
                  })
                )
            }),
            Effect.ensuring(Effect.sync(() => (way.inFlight -= 1))),
            Effect.tapError(() => noted(url, true)),
            Effect.tap(({ status }) => noted(url, status >= 400))
          )
        })
      )
    })
  )

/** The way of one signal to its address. */
interface Way {
  inFlight: number
  broken: boolean
}

/** Without what may be secret: a name, a password, a query. */
const shown = (url: string): string => {
  const { origin, pathname } = new URL(url)
  return `${origin}${pathname}`
}
