/**
 * Waking up when something was committed.
 *
 * A hint, never a delivery: whoever wakes looks at the rows again. So a lost hint costs time, not truth.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export class Feed extends Context.Service<
  Feed,
  {
    /**
     * Registers for a stream's next commit; the effect inside completes when one happened after registration.
     * Register first, look at the rows, then wait.
     */
    readonly changed: (stream: string) => Effect.Effect<Effect.Effect<void>, never, Scope.Scope>
    /** Position the feed has seen. */
    readonly position: Effect.Effect<number>
  }
>()("keelson/ports/Feed") {}
