/**
 * One trace through doors, mailboxes and the journal: what stands in a stamp or an event, as a parent of spans.
 *
 * Owns the way from a `traceparent` to a span. Does not own making one (`layers/stamps`) nor what becomes of spans.
 */
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"

/** The span that a valid `traceparent` (version 00) names; undefined for null, and for ids of zeros, which name nothing. */
export const spanOf = (traceparent: string | null): Tracer.ExternalSpan | undefined => {
  if (traceparent === null) return undefined
  const [, traceId = "", spanId = "", flags = "00"] = traceparent.split("-")
  if (/^0*$/.test(traceId) || /^0*$/.test(spanId)) return undefined
  return Tracer.externalSpan({ traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 })
}

/** Spans of the effect become children of the named span; for null, nothing changes. */
export const within =
  (traceparent: string | null) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    const span = spanOf(traceparent)
    return span === undefined ? effect : (Effect.withParentSpan(effect, span) as Effect.Effect<A, E, R>)
  }

/** Where work serves several callers at once: a child of the first one's span, linked to the others', at most `linksMax`. */
export const together = (
  spans: ReadonlyArray<Tracer.AnySpan>
): { readonly parent?: Tracer.AnySpan; readonly links: ReadonlyArray<Tracer.SpanLink> } => {
  const [parent, ...others] = spans
  if (parent === undefined) return { links: [] }
  return { parent, links: others.slice(0, linksMax).map((span) => ({ span, attributes: {} })) }
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** A batch may serve hundreds; a reader of traces looks at a few. */
const linksMax = 16
