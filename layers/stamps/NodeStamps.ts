/**
 * Stamps of a living process: Effect's clock (so that TestClock rules it), the platform's randomness
 * for keys and for the process life, and the trace context of the span in which a command is stamped.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import { randomUUID } from "node:crypto"
import { CommandId, CommandKey, IncarnationId } from "#src/kernel/Ids.ts"
import { CorrelationId, Traceparent } from "#src/kernel/Stamp.ts"
import { Digest } from "#src/ports/Digest.ts"
import { Stamps } from "#src/ports/Stamps.ts"

/** A malformed key or correlation id is a defect here: the doors' schemas stand before it. */
export const make = Effect.map(Digest, (digest) =>
  Stamps.of({
    nowMillis: Clock.currentTimeMillis,
    incarnation: IncarnationId.make(digest.derive("inc", randomUUID())),
    stamp: Effect.fnUntraced(function* (input) {
      const key = CommandKey.make(input.key)
      const commandId = digest.derive("cmd", input.actor.id, key) as CommandId
      return {
        atMillis: yield* Clock.currentTimeMillis,
        actor: input.actor,
        key,
        commandId,
        correlationId: input.correlationId === undefined ? commandId : CorrelationId.make(input.correlationId),
        causationId: input.causationId ?? null,
        traceparent: traceparent(yield* Effect.serviceOption(Tracer.ParentSpan))
      }
    }),
    freshKey: Effect.sync(() => randomUUID())
  })
)

/** One process life per build of this layer. */
export const layer: Layer.Layer<Stamps, never, Digest> = Layer.effect(Stamps, make)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const isTraceparent = Schema.is(Traceparent)

/** Null where there is no span, or where a foreign one's ids don't fit the W3C form. */
const traceparent = (span: Option.Option<Tracer.AnySpan>): string | null => {
  if (Option.isNone(span)) return null
  const { traceId, spanId, sampled } = span.value
  const text = `00-${traceId.padStart(32, "0")}-${spanId}-${sampled ? "01" : "00"}`
  return isTraceparent(text) ? text : null
}
