/**
 * A span as one line: OTLP in JSON, as OpenTelemetry's file exporter writes it, so that its tools read it and `grep` does.
 *
 * Pure: https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/
 */
import * as OtlpResource from "effect/observability/OtlpResource"
import type { Ended } from "./TidyTracer.ts"

export const make = (resource: OtlpResource.Resource) => {
  const before = `{"resourceSpans":[{"resource":${JSON.stringify(resource)},"scopeSpans":[{"scope":{"name":"keelson"},"spans":[`
  return (span: Ended): string => `${before}${JSON.stringify(toOtlp(span))}]}]}]}\n`
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const kinds = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const

const traceIdOf = (text: string): string => text.padStart(32, "0")

const toOtlp = (span: Ended) => ({
  traceId: traceIdOf(span.traceId),
  spanId: span.spanId,
  ...(span.parentSpanId === null ? {} : { parentSpanId: span.parentSpanId }),
  name: span.name.slice(0, 128),
  kind: kinds[span.kind],
  startTimeUnixNano: String(span.startNanos),
  endTimeUnixNano: String(span.endNanos),
  attributes: OtlpResource.entriesToAttributes(span.attributes),
  ...(span.links.length === 0
    ? {}
    : { links: span.links.map((link) => ({ traceId: traceIdOf(link.span.traceId), spanId: link.span.spanId })) }),
  status: span.failure === null ? { code: 1 } : { code: 2, message: span.failure }
})
