/**
 * Spans, numbers and log lines to a collector, by OpenTelemetry's own `OTEL_*` variables.
 *
 * Owns what the standard says where a variable is not set, the protocol, and the bounds of talking to a collector. Does
 * not own the variables' meaning nor the encoding (`effect/observability`).
 *
 * Invariants: without an endpoint nothing is sent; a collector that is slow, away or refuses costs what it did not
 * take, nothing else: at most `otlpRequestsMax` requests to each address, each for a bounded time, and never a growing
 * queue; the log says of each address when it begins to take nothing, and when it takes something again.
 */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Otlp from "effect/observability/Otlp"
import { Flusher } from "effect/observability/OtlpExporter"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as Schema from "effect/Schema"
import * as Bounds from "#src/kernel/Bounds.ts"

export type Environment = { readonly [name: string]: string | undefined }

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
export const asked = (environment: Environment): boolean =>
  on(environment) && Object.keys(environment).some((name) => endpoint.test(name) && (environment[name] ?? "") !== "")

/** Tracer, metrics and logger that send what the environment asks for. Only where `asked`. */
export const layer = (environment: Environment): Layer.Layer<Flusher, OtelWrong> =>
  Otlp.layerFromConfig().pipe(
    Layer.provide([serialization(environment), client(environment).pipe(Layer.provide(FetchHttpClient.layer))]),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: standard(environment) }))),
    // Effect gives a wrong variable as a defect: it is the operator's, and has a name.
    Layer.catchCause((cause) => {
      const defects = cause.reasons.flatMap((reason) => (Cause.isDieReason(reason) ? [reason.defect] : []))
      const wrong = defects.find((defect) => defect instanceof Config.ConfigError)
      const failed: Effect.Effect<never, OtelWrong> =
        wrong === undefined
          ? Effect.failCause(cause)
          : Effect.fail(new OtelWrong({ detail: `an OTEL_ variable: ${String(wrong)}`, retryable: false }))
      return Layer.effect(Flusher, failed)
    })
  )

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const endpoint = /^OTEL_EXPORTER_OTLP_((TRACES|METRICS|LOGS)_)?ENDPOINT$/

const on = (environment: Environment): boolean => environment["OTEL_SDK_DISABLED"]?.toLowerCase() !== "true"

/** What the standard says of variables that are not set (and empty is not set). */
const standard = (environment: Environment): Record<string, string> => {
  const given = Object.fromEntries(
    Object.entries(environment).filter(
      (entry): entry is [string, string] => entry[0].startsWith("OTEL_") && (entry[1] ?? "") !== ""
    )
  )
  const named = /(^|,)\s*service\.name=/.test(given["OTEL_RESOURCE_ATTRIBUTES"] ?? "")
  return {
    OTEL_TRACES_EXPORTER: "otlp",
    OTEL_METRICS_EXPORTER: "otlp",
    OTEL_LOGS_EXPORTER: "otlp",
    ...(named ? {} : { OTEL_SERVICE_NAME: "keelson" }),
    ...given
  }
}

const serialization = (environment: Environment) => {
  const protocol = environment["OTEL_EXPORTER_OTLP_PROTOCOL"] ?? ""
  switch (protocol) {
    case "":
    case "http/protobuf":
      return OtlpSerialization.layerProtobuf
    case "http/json":
      return OtlpSerialization.layerJson
    default:
      return Layer.effect(
        OtlpSerialization.OtlpSerialization,
        Effect.fail(
          new OtelWrong({
            detail: `OTEL_EXPORTER_OTLP_PROTOCOL: expected http/protobuf or http/json, but is ${JSON.stringify(protocol.slice(0, 60))}`,
            retryable: false
          })
        )
      )
  }
}

/** Few requests at once, none for long. What finds no place fails at once, and what it carried is dropped. */
const client = (environment: Environment) =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.gen(function* () {
      const fetching = yield* HttpClient.HttpClient
      const timeoutMillis = millis(environment["OTEL_EXPORTER_OTLP_TIMEOUT"])
      // One for every signal at most: the exporter's addresses do not change.
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

/** The way to one address: traces, metrics and logs may each have their own. */
interface Way {
  inFlight: number
  broken: boolean
}

/** Without what may be secret: a name, a password, a query. */
const shown = (url: string): string => {
  const { origin, pathname } = new URL(url)
  return `${origin}${pathname}`
}

const millis = (text: string | undefined): number => {
  const given = Number(text ?? "")
  return Number.isInteger(given) && given > 0 ? given : Bounds.otlpMillis
}
