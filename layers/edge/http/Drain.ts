/**
 * Whether the door is closing, and a way to wait for it.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

export class Drain extends Context.Service<
  Drain,
  {
    readonly begun: () => boolean
    readonly begin: Effect.Effect<void>
    /** Completes when the door begins to close. */
    readonly signal: Effect.Effect<void>
  }
>()("keelson/edge/Drain") {}

export const make = Effect.sync(() => {
  const closing = Deferred.makeUnsafe<void>()
  let begun = false
  return Drain.of({
    begun: () => begun,
    begin: Effect.suspend(() => {
      begun = true
      return Effect.asVoid(Deferred.succeed(closing, undefined))
    }),
    signal: Deferred.await(closing)
  })
})
