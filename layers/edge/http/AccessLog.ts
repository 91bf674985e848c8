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
import { randomUUID } from "node:crypto"
import * as Exchange from "./Exchange.ts"

export const withAccessLog = <E, R>(
  app: Effect.Effect<HttpServerResponse, E, R>
): Effect.Effect<HttpServerResponse, E, R | HttpServerRequest> =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest
    const exchange = Exchange.make(randomUUID())
    const startedAtNanos = yield* Clock.currentTimeNanos
    const answer = yield* Effect.provideService(app, Exchange.Current, exchange)
    const durationMillis = Number((yield* Clock.currentTimeNanos) - startedAtNanos) / 1e6
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

/** Asked every few seconds: their answers are for whoever asks. */
const probes: ReadonlySet<string | null> = new Set(["/health", "/ready"])

const log = (status: number, route: string | null) => {
  if (status < 400 || probes.has(route)) return Effect.logDebug("http")
  if (status < 500) return Effect.logInfo("http")
  return status === 503 ? Effect.logWarning("http") : Effect.logError("http")
}
