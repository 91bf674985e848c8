/**
 * The bearer token, before anything else is read.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Identity } from "#src/ports/Identity.ts"
import { Authentication, Caller } from "../api/Doors.ts"
import * as Answers from "./Answers.ts"
import * as Exchange from "./Exchange.ts"

export const layer: Layer.Layer<Authentication, never, Identity> = Layer.effect(
  Authentication,
  Effect.map(Identity, (identity) =>
    Authentication.of({
      token: (door, { credential }) =>
        Effect.matchEffect(identity.authenticate(credential), {
          onFailure: (error) => Answers.orProblem(Effect.fail(error)),
          onSuccess: (principal) =>
            Effect.flatMap(Exchange.Current, (exchange) => {
              exchange.principal = principal.actor
              return Effect.provideService(door, Caller, principal)
            })
        })
    })
  )
)
