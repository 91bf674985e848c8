/**
 * How often one principal may come, by whichever door: a bucket each, of this process, that holds a second's worth and
 * fills as fast.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type { Principal } from "#src/ports/Identity.ts"
import * as Problems from "../Problems.ts"

export class Admission extends Context.Service<
  Admission,
  {
    /** Takes one from the caller's bucket, or fails with `LimitReached`. */
    readonly take: (by: Principal) => Effect.Effect<void, Problems.Problem>
  }
>()("keelson/edge/Admission") {}

export const layer = ({ requestsPerSecondMax }: { readonly requestsPerSecondMax: number }): Layer.Layer<Admission> =>
  Layer.effect(
    Admission,
    Effect.map(RateLimiter.make, (limiter) =>
      Admission.of({
        take: ({ actor }) =>
          limiter
            .consume({
              algorithm: "token-bucket",
              key: `${actor.kind}:${actor.id}`,
              limit: requestsPerSecondMax,
              window: "1 second"
            })
            .pipe(
              Effect.mapError(() =>
                Problems.limitReached(
                  "requestsPerSecond",
                  requestsPerSecondMax,
                  `one principal may send ${requestsPerSecondMax} requests in a second`
                )
              ),
              Effect.asVoid
            )
      })
    )
  ).pipe(Layer.provide(RateLimiter.layerStoreMemory))
