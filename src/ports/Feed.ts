/**
 * Waking up when something was committed, and hearing what.
 *
 * `changed` is a hint, never a delivery: whoever wakes looks at the rows again, so a lost hint costs time, not truth.
 * `listen` is a delivery, from one reader of the journal for all who listen in this process.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { StoredEvent } from "../kernel/Envelope.ts"

export class Feed extends Context.Service<
  Feed,
  {
    /**
     * Registers for a stream's next commit; the effect inside completes when one happened after registration.
     * Register first, look at the rows, then wait.
     */
    readonly changed: (stream: string) => Effect.Effect<Effect.Effect<void>, never, Scope.Scope>
    /**
     * Hears each event after the position at which it is registered, once, in order: after `position` names it and
     * before a waiter for its stream is woken. The next event waits until this one was heard, so be short.
     */
    readonly listen: (hear: (stored: StoredEvent) => Effect.Effect<void>) => Effect.Effect<void, never, Scope.Scope>
    /** Position the feed has seen. */
    readonly position: Effect.Effect<number>
  }
>()("keelson/ports/Feed") {}
