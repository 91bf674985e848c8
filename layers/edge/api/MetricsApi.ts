/** What the service counts, twice: as JSON, and in the text format that Prometheus reads. The same numbers. */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { questions } from "./ProblemDocument.ts"

const Labels = Schema.Record(Schema.String, Schema.String)

const described = { name: Schema.String, description: Schema.String }

export const Value = Schema.Struct({ labels: Labels, value: Schema.Finite }).annotate({ identifier: "MetricValue" })

export const Distribution = Schema.Struct({
  labels: Labels,
  count: Schema.Int,
  sum: Schema.Finite,
  buckets: Schema.Array(
    Schema.Struct({
      atMost: Schema.Finite.annotate({ description: "Upper bound, itself included." }),
      count: Schema.Int.annotate({ description: "Observations up to it, smaller buckets included." })
    })
  )
}).annotate({ identifier: "MetricDistribution" })

export const Metrics = Schema.Struct({
  items: Schema.Array(
    Schema.Union([
      Schema.Struct({
        ...described,
        type: Schema.Literals(["counter", "gauge"]),
        series: Schema.Array(Value)
      }).annotate({ identifier: "MetricOfValues" }),
      Schema.Struct({
        ...described,
        type: Schema.Literal("histogram"),
        series: Schema.Array(Distribution)
      }).annotate({ identifier: "MetricOfDistributions" })
    ])
  ).annotate({ description: "By name. Counters count from the start of the process." })
}).annotate({ identifier: "Metrics" })
export type Metrics = typeof Metrics.Type

export const prometheusType = "text/plain; version=0.0.4; charset=utf-8"

export const MetricsApi = HttpApiGroup.make("metrics")
  .add(
    HttpApiEndpoint.get("json", "/metrics", { success: Metrics, error: questions }).annotate(
      OpenApi.Summary,
      "The service in numbers, as JSON"
    )
  )
  .annotateMerge(
    OpenApi.annotations({ title: "Metrics", description: "The service in numbers. For the principal that runs it." })
  )

/** Where Prometheus looks. It brings a token like everybody else. */
export const PrometheusApi = HttpApiGroup.make("prometheus")
  .add(
    HttpApiEndpoint.get("text", "/metrics", {
      success: Schema.String.annotate({ identifier: "PrometheusMetrics" }).pipe(
        HttpApiSchema.asText({ contentType: prometheusType })
      ),
      error: questions
    }).annotate(OpenApi.Summary, "The service in numbers, in Prometheus's text format")
  )
  .annotateMerge(OpenApi.annotations({ title: "Prometheus", description: "The same numbers, for Prometheus." }))
