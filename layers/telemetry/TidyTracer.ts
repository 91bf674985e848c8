/**
 * A tracer whose spans hold no words: neither what people, models and tools said, nor anybody's secrets.
 *
 *   any code --name, attributes, exit--> TidySpan --what may be known--> the span inside (native, OTLP)
 *                                                 --when it ends-------> `keep`
 *
 * Owns what of a span leaves it. Does not own where it goes (`TraceFile`, `OtelExport`).
 *
 * Invariants: an attribute whose key is not on the list is dropped when it is set, whoever sets it; a failure is its
 * kind, never its message, cause or stack; a result is never held; log lines do not become span events.
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Tracer from "effect/Tracer"
import { Refused } from "#src/gateway/Protocol.ts"
import { ActorError } from "#src/ports/Actors.ts"
import { EventStoreError } from "#src/ports/EventStore.ts"
import { KeyRingError } from "#src/ports/KeyRing.ts"
import { ResponderError } from "#src/ports/Responder.ts"
import { PermitRefused } from "#src/ports/ToolExecutor.ts"

/** A span that is over, as it is written down. Times in nanoseconds since the epoch. */
export interface Ended {
  readonly name: string
  readonly kind: Tracer.SpanKind
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | null
  readonly startNanos: bigint
  readonly endNanos: bigint
  readonly attributes: ReadonlyMap<string, unknown>
  readonly links: ReadonlyArray<Tracer.SpanLink>
  /** The failure's kind, `Interrupted`, or null where all went well. */
  readonly failure: string | null
}

/** `keep` is called for every sampled span at its end, on the hot path: it must only put it somewhere. */
export const make = (inside: Tracer.Tracer, keep: (span: Ended) => void): Tracer.Tracer =>
  Tracer.make({
    ...(inside.context === undefined ? {} : { context: inside.context }),
    span: (options) => new TidySpan(inside.span({ ...options, links: options.links.map(bare) }), keep)
  })

/** What went wrong, by the names that code gave it. */
export const kindOf = (error: unknown): string => {
  if (error instanceof Refused) return `Refused.${error.rejection._tag}`
  if (portErrors.some((known) => error instanceof known)) {
    const { _tag, reason } = error as ActorError | EventStoreError | KeyRingError | PermitRefused | ResponderError
    return `${_tag}.${reason}`
  }
  if (Predicate.hasProperty(error, "_tag") && typeof error._tag === "string" && name.test(error._tag)) return error._tag
  return error instanceof Error ? error.constructor.name : typeof error
}

/** Keys whose values are counts, codes, ids or words of ours. A new one is a promise that nobody's words come under it. */
export const allowed: ReadonlySet<string> = new Set([
  "http.request.method",
  "http.response.status_code",
  "http.route",
  "keelson.request_id",
  "keelson.connection",
  "keelson.problem",
  "keelson.stream",
  "keelson.command",
  "keelson.appends",
  "keelson.tool",
  "keelson.proposals",
  "db.system.name",
  "db.operation.name",
  "gen_ai.provider.name",
  "gen_ai.request.model",
  "gen_ai.usage.input_tokens",
  "gen_ai.usage.output_tokens"
])

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const portErrors = [ActorError, EventStoreError, KeyRingError, PermitRefused, ResponderError]

const name = /^[A-Za-z][\w./-]{0,63}$/

const valueUnitsMax = 200

const bare = ({ span }: Tracer.SpanLink): Tracer.SpanLink => ({ span, attributes: {} })

class TidySpan implements Tracer.Span {
  readonly _tag = "Span"
  readonly #inside: Tracer.Span
  readonly #keep: (span: Ended) => void

  constructor(inside: Tracer.Span, keep: (span: Ended) => void) {
    this.#inside = inside
    this.#keep = keep
  }

  get name(): string {
    return this.#inside.name
  }
  get spanId(): string {
    return this.#inside.spanId
  }
  get traceId(): string {
    return this.#inside.traceId
  }
  get parent(): Option.Option<Tracer.AnySpan> {
    return this.#inside.parent
  }
  get annotations() {
    return this.#inside.annotations
  }
  get status(): Tracer.SpanStatus {
    return this.#inside.status
  }
  get attributes(): ReadonlyMap<string, unknown> {
    return this.#inside.attributes
  }
  get links(): ReadonlyArray<Tracer.SpanLink> {
    return this.#inside.links
  }
  get sampled(): boolean {
    return this.#inside.sampled
  }
  get kind(): Tracer.SpanKind {
    return this.#inside.kind
  }

  attribute(key: string, value: unknown): void {
    if (!allowed.has(key)) return
    if (typeof value === "string") this.#inside.attribute(key, value.slice(0, valueUnitsMax))
    else if (typeof value === "number" || typeof value === "boolean") this.#inside.attribute(key, value)
  }

  event(): void {
    // What is logged goes to the log.
  }

  addLinks(links: ReadonlyArray<Tracer.SpanLink>): void {
    this.#inside.addLinks(links.map(bare))
  }

  end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    const before = this.#inside.status
    if (before._tag === "Ended") return
    const failure = failureOf(exit)
    this.#inside.end(endTime, failure === null ? Exit.void : exitOf(failure))
    if (!this.sampled) return
    const { parent } = this
    this.#keep({
      name: this.name,
      kind: this.kind,
      traceId: this.traceId,
      spanId: this.spanId,
      parentSpanId: parent._tag === "Some" ? parent.value.spanId : null,
      startNanos: before.startTime,
      endNanos: endTime,
      attributes: this.attributes,
      links: this.links,
      failure
    })
  }
}

const interrupted = "Interrupted"

const failureOf = (exit: Exit.Exit<unknown, unknown>): string | null => {
  if (Exit.isSuccess(exit)) return null
  for (const reason of exit.cause.reasons) {
    if (reason._tag === "Fail") return kindOf(reason.error)
    if (reason._tag === "Die") return `Defect.${kindOf(reason.defect)}`
  }
  return interrupted
}

const exitOf = (failure: string): Exit.Exit<never, unknown> => {
  if (failure === interrupted) return Exit.failCause(Cause.interrupt())
  const error = new Error(failure)
  error.name = failure
  error.stack = failure
  return Exit.fail(error)
}
