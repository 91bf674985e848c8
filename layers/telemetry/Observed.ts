/**
 * A room's door with a span around every operation and a count of every refusal, whatever the operation is called.
 *
 * Wraps; adds no behaviour, and an operation that is added to the door is seen without a word here.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { type Gateway, Refused } from "#src/gateway/Protocol.ts"

export const refusals = Metric.counter("gateway_refusals_total", {
  description: "Commands that the gateway refused, by the kind of refusal.",
  incremental: true
})

export const gateway = (door: Gateway["Service"]): Gateway["Service"] =>
  spanned("Gateway", door, (error) =>
    error instanceof Refused
      ? Metric.update(Metric.withAttributes(refusals, { kind: error.rejection._tag }), 1)
      : Effect.void
  )

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

type Operation = (...given: ReadonlyArray<unknown>) => Effect.Effect<unknown, unknown, unknown>

/** Every function of the service as a span `<room>.<operation>`; its failures are told. */
const spanned = <S extends object>(room: string, service: S, told: (error: unknown) => Effect.Effect<void>): S =>
  Object.fromEntries(
    Object.entries(service).map(([name, member]: readonly [string, unknown]) => {
      if (typeof member !== "function") return [name, member]
      const operation = member as Operation
      const traced: Operation = (...given) =>
        Effect.withSpan(
          Effect.tapError(
            // A call that throws before it gives an effect is seen too.
            Effect.suspend(() => operation(...given)),
            told
          ),
          `${room}.${name}`,
          { captureStackTrace: false }
        )
      return [name, traced]
    })
  ) as S
