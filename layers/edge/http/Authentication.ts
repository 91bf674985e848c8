/**
 * The bearer token, before anything else is read, wherever it stands; and how often its principal may come.
 */
import * as Effect from "effect/Effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import { Identity, type Principal } from "#src/ports/Identity.ts"
import { Authentication, Caller } from "../api/Doors.ts"
import { tokenSubprotocol } from "../api/Frames.ts"
import { Admission } from "./Admission.ts"
import * as Answers from "./Answers.ts"
import * as Exchange from "./Exchange.ts"

export const layer: Layer.Layer<Authentication, never, Identity | Admission> = Layer.effect(
  Authentication,
  Effect.gen(function* () {
    const identity = yield* Identity
    const { take } = yield* Admission

    /** Known by name to the log before it is counted: an operator looks for who floods. */
    const admitted = (principal: Principal) =>
      Effect.flatMap(Exchange.Current, (exchange) => {
        exchange.principal = principal.actor
        return take(principal)
      })

    return Authentication.of({
      token: (door, { credential }) =>
        Effect.matchEffect(Effect.tap(identity.authenticate(credential), admitted), {
          onFailure: (error) => Answers.orProblem(Effect.fail(error)),
          onSuccess: (principal) => Effect.provideService(door, Caller, principal)
        })
    })
  })
)

/** The request, with the token as a header where it stands beside the subprotocol. */
export const withToken = (request: HttpServerRequest): HttpServerRequest => {
  const { authorization, "sec-websocket-protocol": offered } = request.headers
  if (authorization !== undefined || offered === undefined) return request
  const token = offered.split(",").find((name) => name.trim().startsWith(tokenSubprotocol))
  if (token === undefined) return request
  const credential = token.trim().slice(tokenSubprotocol.length)
  return request.modify({ headers: { ...request.headers, authorization: `Bearer ${credential}` } })
}
