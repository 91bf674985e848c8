/** The real service (PGlite, files, HTTP) and a collector on loopback, by OpenTelemetry's own variables. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Collector from "#test/kit/collector.ts"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"
import { scoped, spansIn, speak } from "./telemetry-kit.ts"

describe("a collector", () => {
  const environment = (url: string) => ({
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_EXPORTER_OTLP_HEADERS: "x-tenant=seven",
    OTEL_SERVICE_NAME: "our-keelson",
    OTEL_BSP_SCHEDULE_DELAY: "100"
  })

  it.live(
    "that the OTEL variables name gets spans, numbers and log lines under the same ids as the file",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const folder = yield* TemporaryFolder.make
          const collector = yield* Collector.make()
          yield* Effect.promise(() =>
            Service.using({ folder, environment: environment(collector.url) }, async (service) => {
              await speak(service, "hello")
              const { code } = await service.stop()
              assert.strictEqual(code, 0)
            })
          )
          const paths = new Set(collector.received.map(({ path }) => path))
          assert.isTrue(paths.has("/v1/traces") && paths.has("/v1/metrics"), [...paths].join(" "))
          for (const { headers } of collector.received) assert.strictEqual(headers["x-tenant"], "seven")
          const first = collector.received.find(({ path }) => path === "/v1/traces")!
          assert.include(first.text, "our-keelson")
          const sent = collector.spans().find(({ name }) => name === "Gateway.startTurn")
          const kept = spansIn(folder).find(({ name }) => name === "Gateway.startTurn")
          assert.deepStrictEqual(
            [sent.traceId, sent.spanId, sent.parentSpanId],
            [kept.traceId, kept.spanId, kept.parentSpanId]
          )
          const numbers = collector.received.filter(({ path }) => path === "/v1/metrics").map(({ text }) => text)
          assert.include(numbers.join(""), "event_store_append_duration_seconds")
        })
      ),
    180_000
  )

  it.live(
    "that never answers, or is not there, costs neither an answer nor a clean and quick stop",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const collector = yield* Collector.make(() => null)
          for (const url of [collector.url, "http://127.0.0.1:9"]) {
            const folder = yield* TemporaryFolder.make
            // An exporter left to itself would wait for its last answer as long as for any.
            const patient = { ...environment(url), OTEL_EXPORTER_OTLP_TIMEOUT: "60000" }
            yield* Effect.promise(() =>
              Service.using({ folder, environment: patient }, async (service) => {
                await speak(service, "hello")
                const { code, millis } = await service.stop()
                assert.strictEqual(code, 0)
                assert.isBelow(millis, 5_000)
              })
            )
            assert.isAbove(spansIn(folder).length, 50)
          }
        })
      ),
    180_000
  )

  it.live(
    "that is named wrongly keeps the service from starting, with the variable's name",
    () =>
      scoped(async (folder) => {
        const wrong = [
          { OTEL_EXPORTER_OTLP_ENDPOINT: "no address", named: "OTEL_EXPORTER_OTLP_ENDPOINT" },
          { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc", named: "OTEL_EXPORTER_OTLP_PROTOCOL" }
        ]
        for (const { named, ...variables } of wrong) {
          const given = { ...environment("http://127.0.0.1:9"), ...variables }
          const failed = await Service.start({ folder, environment: given }).then(
            async (service) => {
              await service.kill()
              return "it started"
            },
            (error: Error) => error.message
          )
          assert.include(failed, "TelemetryWrong")
          assert.include(failed, named)
        }
      }),
    180_000
  )
})
