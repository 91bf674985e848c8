/** What may go wrong with a collector, and what it costs. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Tracer from "effect/Tracer"
import * as OtelExport from "#layers/telemetry/OtelExport.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import type * as Variables from "#src/kernel/Variables.ts"
import * as Collector from "#test/kit/collector.ts"

const one = { OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "1", OTEL_METRICS_EXPORTER: "none", OTEL_LOGS_EXPORTER: "none" }

const spans = (tracer: Tracer.Tracer, count: number) =>
  Effect.withSpan(Effect.void, "span").pipe(
    Effect.repeat({ times: count - 1 }),
    Effect.provideService(Tracer.Tracer, tracer)
  )

/** Builds what the environment asks for; answers its tracer. */
const tracer = (environment: Variables.Environment) =>
  Effect.map(Layer.build(OtelExport.layer(environment)), (context) => Context.get(context, Tracer.Tracer))

describe("an export", () => {
  it("is asked for by an endpoint of any signal, unless all is switched off", () => {
    const url = "http://127.0.0.1:4318"
    assert.isFalse(OtelExport.asked({}))
    assert.isFalse(OtelExport.asked({ OTEL_EXPORTER_OTLP_ENDPOINT: "" }))
    assert.isFalse(OtelExport.asked({ OTEL_SERVICE_NAME: "x" }))
    assert.isTrue(OtelExport.asked({ OTEL_EXPORTER_OTLP_ENDPOINT: url }))
    assert.isTrue(OtelExport.asked({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: url }))
    assert.isFalse(OtelExport.asked({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_SDK_DISABLED: "True" }))
  })

  it.live("to a collector that never answers holds a few requests, and drops the rest with one word in the log", () => {
    const lines: Array<string> = []
    const told = Logger.layer([Logger.map(Logger.formatSimple, (line) => void lines.push(line))])
    return Effect.gen(function* () {
      const collector = yield* Collector.make(() => null)
      const sending = yield* tracer({
        ...one,
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
        OTEL_EXPORTER_OTLP_TIMEOUT: "300"
      })
      yield* spans(sending, 500)
      yield* Effect.eventually(Effect.filterOrFail(Metric.value(OtelExport.failures), ({ count }) => count >= 1))
      assert.isAtMost(collector.received.length, Bounds.otlpRequestsMax)
      yield* spans(sending, 500)
      assert.isAtMost(collector.received.length, Bounds.otlpRequestsMax)
      assert.lengthOf(
        lines.filter((line) => line.includes("the OTLP collector takes nothing")),
        1
      )
    }).pipe(Effect.scoped, Effect.provide(told), Effect.provideService(Metric.MetricRegistry, new Map()))
  })

  it.live("tells of each address that takes nothing, once, whatever another one does", () => {
    const lines: Array<string> = []
    const told = Logger.layer([Logger.map(Logger.formatSimple, (line) => void lines.push(line))])
    return Effect.gen(function* () {
      const refusing = new Set(["/v1/traces?key=secret"])
      const collector = yield* Collector.make((path) => (refusing.has(path) ? 400 : 200))
      const found = (what: string) => Effect.sync(() => lines.filter((line) => line.includes(what)).length)
      const once = (what: string) => Effect.eventually(Effect.filterOrFail(found(what), (count) => count === 1))
      const metrics = Effect.sync(() => collector.received.filter(({ path }) => path === "/v1/metrics").length)
      const sending = yield* tracer({
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "1",
        OTEL_LOGS_EXPORTER: "none",
        OTEL_METRIC_EXPORT_INTERVAL: "20",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/v1/traces?key=secret`,
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${collector.url}/v1/metrics`
      })
      yield* spans(sending, 1)
      yield* once(`takes nothing at ${collector.url}/v1/traces:`)
      const before = yield* metrics
      yield* Effect.eventually(Effect.filterOrFail(metrics, (count) => count >= before + 2))
      assert.strictEqual(yield* found("again"), 0)
      refusing.add("/v1/metrics")
      yield* once(`takes nothing at ${collector.url}/v1/metrics:`)
      assert.strictEqual(yield* found("takes nothing"), 2)
      assert.notInclude(lines.join(), "secret")
    }).pipe(Effect.scoped, Effect.provide(told), Effect.provideService(Metric.MetricRegistry, new Map()))
  })

  it.live("sends what the standard says where a variable is not set: all signals, as protobuf, as keelson", () =>
    Effect.gen(function* () {
      const collector = yield* Collector.make()
      yield* Effect.scoped(
        Effect.flatMap(tracer({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }), (sending) => spans(sending, 3))
      )
      const traces = collector.received.find(({ path }) => path === "/v1/traces")
      assert.strictEqual(traces?.headers["content-type"], "application/x-protobuf")
      assert.include(traces?.text, "keelson")
    }).pipe(Effect.scoped)
  )

  it.live("of one signal alone leaves the others at home", () =>
    Effect.gen(function* () {
      const collector = yield* Collector.make()
      yield* Effect.scoped(
        Effect.flatMap(tracer({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${collector.url}/v1/metrics` }), (sending) =>
          spans(sending, 3)
        )
      )
      assert.isUndefined(collector.received.find(({ path }) => path === "/v1/traces"))
    }).pipe(Effect.scoped)
  )

  for (const signal of ["traces", "metrics", "logs"] as const) {
    it.live(`of ${signal} waits as long as is said for ${signal}, whatever is said for all`, () =>
      Effect.gen(function* () {
        const lines: Array<string> = []
        const told = Logger.layer([Logger.map(Logger.formatSimple, (line) => void lines.push(line))])
        const collector = yield* Collector.make(() => null)
        const generalMillis = 2_000
        const given = Effect.gen(function* () {
          const beganMillis = performance.now()
          const context = yield* Layer.build(
            OtelExport.layer({
              OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "1",
              OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: "1",
              OTEL_METRIC_EXPORT_INTERVAL: "20",
              OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
              // So long the others are waited for at the end.
              OTEL_EXPORTER_OTLP_TIMEOUT: String(generalMillis),
              [`OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_TIMEOUT`]: "50"
            })
          )
          yield* spans(Context.get(context, Tracer.Tracer), 1)
          yield* Effect.provide(Effect.logInfo("a line"), context)
          yield* Effect.eventually(
            Effect.suspend(() => (lines.some((line) => line.includes("takes nothing")) ? Effect.void : Effect.fail(0)))
          )
          assert.isBelow(performance.now() - beganMillis, generalMillis)
          yield* Effect.eventually(
            Effect.suspend(() => (collector.received.length >= 3 ? Effect.void : Effect.fail("not yet")))
          )
          return lines.filter((line) => line.includes("takes nothing"))
        })
        const lost = yield* given.pipe(Effect.scoped, Effect.provide(told), Effect.timeout("20 seconds"))
        assert.lengthOf(lost, 1)
        assert.include(lost[0], `${collector.url}/v1/${signal}:`)
      }).pipe(Effect.scoped, Effect.provideService(Metric.MetricRegistry, new Map()))
    )
  }

  it.live("by a wrong variable is refused with its name and what was expected", () =>
    Effect.gen(function* () {
      const url = "http://127.0.0.1:9"
      for (const [name, value] of [
        ["OTEL_EXPORTER_OTLP_ENDPOINT", "no address"],
        ["OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"],
        ["OTEL_BSP_SCHEDULE_DELAY", "soon"],
        ["OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "-1"],
        ["OTEL_SDK_DISABLED", "perhaps"]
      ] as const) {
        const error = yield* Effect.flip(tracer({ OTEL_EXPORTER_OTLP_ENDPOINT: url, [name]: value }))
        assert.strictEqual(error._tag, "OtelWrong")
        assert.include(error.detail, `${name}: expected `)
        assert.include(error.detail, `but is "${value}"`)
      }
    }).pipe(Effect.scoped)
  )
})
