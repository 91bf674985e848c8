/**
 * One line for every request: method, path template, status, time, ids. Never a token, a header, a query or a body.
 *
 * What went well is a debug line, what was refused an info line, what could not be served now (503) a warning, what
 * broke an error; the probes of whatever watches the process are debug lines.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import * as Metric from "effect/Metric"
import { randomUUID } from "node:crypto"
import * as Series from "#src/kernel/Series.ts"
import * as Exchange from "./Exchange.ts"

export const requestDuration = Metric.histogram("http_request_duration_seconds", {
  description: "From a request's headers to its answer, long polls included, by path and class of status.",
  boundaries: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
})
export const problems = Metric.counter("http_problems_total", {
  description: "Requests answered with a problem, by its code.",
  incremental: true
})

export const withAccessLog = <E, R>(
  app: Effect.Effect<HttpServerResponse, E, R>
): Effect.Effect<HttpServerResponse, E, R | HttpServerRequest> =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest
    const exchange = Exchange.make(randomUUID())
    const startedAtNanos = yield* Clock.currentTimeNanos
    const answer = yield* Effect.provideService(app, Exchange.Current, exchange)
    const durationMillis = Number((yield* Clock.currentTimeNanos) - startedAtNanos) / 1e6
    yield* counted(answer.status, exchange, durationMillis)
    yield* log(answer.status, exchange.route).pipe(
      Effect.annotateLogs({
        method: request.method,
        route: exchange.route ?? "-",
        status: answer.status,
        durationMillis: Math.round(durationMillis * 1000) / 1000,
        requestId: exchange.requestId,
        ...(exchange.principal === null ? {} : { principal: `${exchange.principal.kind}:${exchange.principal.id}` }),
        ...(exchange.problem === null ? {} : { problem: exchange.problem }),
        ...exchange.ids
      })
    )
    return answer
  })

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const durationOf = Series.of(requestDuration, "route", "status")
const problemsOf = Series.of(problems, "code")

/** Asked every few seconds: their answers are for whoever asks. */
const probes: ReadonlySet<string | null> = new Set(["/health", "/ready"])

const counted = (status: number, { problem, requestId, route }: Exchange.Exchange, durationMillis: number) =>
  Effect.gen(function* () {
    const named = route ?? "-"
    yield* Metric.update(durationOf(named, `${Math.floor(status / 100)}xx`), durationMillis / 1000)
    if (problem !== null) yield* Metric.update(problemsOf(problem), 1)
    yield* Effect.annotateCurrentSpan({
      "http.route": named,
      "keelson.request_id": requestId,
      ...(problem === null ? {} : { "keelson.problem": problem })
    })
  })

const log = (status: number, route: string | null) => {
  if (status < 400 || probes.has(route)) return Effect.logDebug("http")
  if (status < 500) return Effect.logInfo("http")
  return status === 503 ? Effect.logWarning("http") : Effect.logError("http")
}
