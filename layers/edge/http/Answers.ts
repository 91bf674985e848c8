/**
 * How handlers answer: the recorded answer of a command, or a problem.
 */
import * as Effect from "effect/Effect"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Authority from "#src/gateway/Authority.ts"
import type { Answered } from "#src/gateway/Protocol.ts"
import type { Principal } from "#src/ports/Identity.ts"
import { CurrentCorrelationId } from "#src/ports/Stamps.ts"
import { Caller } from "../api/Doors.ts"
import type * as Deeds from "../Deeds.ts"
import * as Problems from "../Problems.ts"
import * as Exchange from "./Exchange.ts"

/** What every write brings. */
export interface Written {
  readonly headers: { readonly "idempotency-key": string; readonly "x-correlation-id"?: string }
}

/** Nobody reads this answer: its caller went away. The status is nginx's, for the log alone. */
export const gone = HttpServerResponse.empty({ status: 499 })

/** Sends a problem, and notes it for the log. */
export const refuse = (problem: Problems.Problem): Effect.Effect<HttpServerResponse.HttpServerResponse> =>
  Effect.map(Exchange.Current, (exchange) => {
    exchange.problem = problem.code
    return HttpServerResponse.jsonUnsafe(Problems.document(problem, Exchange.instance(exchange)), {
      status: Problems.definitionOf(problem.code).status,
      contentType: "application/problem+json",
      headers: Problems.headers(problem)
    })
  })

/** What failed, as a problem. What the caller is not told, the operator reads here. */
export const orProblem = <A, R>(
  effect: Effect.Effect<A, Problems.Failure, R>
): Effect.Effect<A | HttpServerResponse.HttpServerResponse, never, R> =>
  Effect.catch(effect, (failure) => {
    const problem = Problems.from(failure)
    const { status } = Problems.definitionOf(problem.code)
    const told = status < 500 ? Effect.void : note(failure)
    return Effect.andThen(told, refuse(problem))
  })

/** Asks on the caller's behalf. */
export const ask = <A, R>(question: (by: Principal) => Effect.Effect<A, Problems.Failure, R>) =>
  orProblem(Effect.flatMap(Caller, question))

/** Refuses what the law does not let the caller do of itself. */
export const permit = (by: Principal, deed: Authority.Deed): Effect.Effect<void, Problems.Problem> =>
  Authority.may(by.actor, by.roles, deed, { ownerId: by.actor.id })
    ? Effect.void
    : Effect.fail(Problems.make("Forbidden", `${by.actor.kind} ${by.actor.id} may not ${deed}`))

/** Sends a command on the caller's behalf, under its key; `reply` shapes the recorded answer. */
export const command = <A extends Answered<unknown>, B, R>(
  headers: Written["headers"],
  send: (by: Principal, key: string) => Effect.Effect<A, Problems.Failure, R>,
  reply: (answered: A) => B
) =>
  ask((by) =>
    send(by, headers["idempotency-key"]).pipe(
      Effect.provideService(CurrentCorrelationId, headers["x-correlation-id"]),
      Effect.map(reply)
    )
  )

/** A command that changes what is there. */
export const doing =
  <Request, B>(deed: Deeds.Command<Request, B>) =>
  (request: Request & Written) =>
    command(
      request.headers,
      (by, key) => deed(by, key, request),
      recorded((body: B) => body)
    )

/** A command that makes something, found at `location` afterwards. */
export const making =
  <Request, B>(deed: Deeds.Command<Request, B>, location: (body: B) => string) =>
  (request: Request & Written) =>
    command(
      request.headers,
      (by, key) => deed(by, key, request),
      created((body: B) => body, location)
    )

/** A question. */
export const asking =
  <Request, B>(question: Deeds.Question<Request, B>) =>
  (request: Request) =>
    ask((by) => question(by, request))

/** The answer of a command, marked where nothing happened now. */
export const recorded =
  <A, B>(show: (body: A) => B) =>
  (answered: Answered<A>) =>
    HttpApiSchema.withHeaders({ body: show(answered.body), headers: replayed(answered) })

/** And where what it made is found. */
export const created =
  <A, B>(show: (body: A) => B, location: (body: A) => string) =>
  (answered: Answered<A>) =>
    HttpApiSchema.withHeaders({
      body: show(answered.body),
      headers: { ...replayed(answered), location: location(answered.body) }
    })

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const replayed = (answered: Answered<unknown>): { readonly "idempotent-replayed"?: "true" } =>
  answered.repeated ? { "idempotent-replayed": "true" } : {}

const note = (failure: Problems.Failure) =>
  Effect.flatMap(Exchange.Current, ({ requestId }) =>
    Effect.annotateLogs(Effect.logWarning("a request could not be served", failure), { requestId })
  )
