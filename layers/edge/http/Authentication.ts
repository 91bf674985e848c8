/**
 * The bearer token, before anything else is read; and how often its principal may come.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Identity, type Principal } from "#src/ports/Identity.ts"
import { Authentication, Caller } from "../api/Doors.ts"
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
