/**
 * The bearer token, before anything else is read; and how often its principal may come.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import { Identity, type Principal } from "#src/ports/Identity.ts"
import { Authentication, Caller } from "../api/Doors.ts"
import * as Problems from "../Problems.ts"
import * as Answers from "./Answers.ts"
import * as Exchange from "./Exchange.ts"

export const layer = ({
  requestsPerSecondMax
}: {
  readonly requestsPerSecondMax: number
}): Layer.Layer<Authentication, never, Identity> =>
  Layer.effect(
    Authentication,
    Effect.gen(function* () {
      const identity = yield* Identity
      const limiter = yield* RateLimiter.make

      /** A bucket per principal, of this process: it holds a second's worth, and fills as fast. */
      const within = ({ actor }: Principal) =>
        Effect.mapError(
          limiter.consume({
            algorithm: "token-bucket",
            key: `${actor.kind}:${actor.id}`,
            limit: requestsPerSecondMax,
            window: "1 second"
          }),
          () =>
            Problems.make("LimitReached", `one principal may send ${requestsPerSecondMax} requests in a second`, {
              limit: "requestsPerSecond",
              maximum: requestsPerSecondMax
            })
        )

      /** Known by name to the log before it is counted: an operator looks for who floods. */
      const admitted = (principal: Principal) =>
        Effect.flatMap(Exchange.Current, (exchange) => {
          exchange.principal = principal.actor
          return within(principal)
        })

      return Authentication.of({
        token: (door, { credential }) =>
          Effect.matchEffect(Effect.tap(identity.authenticate(credential), admitted), {
            onFailure: (error) => Answers.orProblem(Effect.fail(error)),
            onSuccess: (principal) => Effect.provideService(door, Caller, principal)
          })
      })
    })
  ).pipe(Layer.provide(RateLimiter.layerStoreMemory))
