/**
 * Any event store, failing on demand: what tests and simulation put between an actor and its journal.
 *
 * Owns the faults and when they strike. The store behind it stays honest.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Append, Outcome } from "#src/kernel/Append.ts"
import { EventStore, EventStoreError } from "#src/ports/EventStore.ts"

/**
 * `LoseAnswer`: commits, then says `Indeterminate`. `LoseCall`: says `Indeterminate` without having committed.
 * `Refuse`: fails as a full or absent database does; nothing is written.
 */
export type Fault =
  | { readonly _tag: "LoseAnswer" }
  | { readonly _tag: "LoseCall" }
  | { readonly _tag: "Refuse"; readonly reason: "Unavailable" | "Full" | "Overloaded" }
  /** Runs something of the test's own before the append, such as a rival's append or a wait. */
  | { readonly _tag: "Before"; readonly effect: Effect.Effect<void> }
  /** Runs something between the commit and its answer. */
  | { readonly _tag: "After"; readonly effect: Effect.Effect<void> }

export class Faults extends Context.Service<
  Faults,
  {
    /** Strikes the next appends, one fault each, in order. */
    readonly plan: (...faults: ReadonlyArray<Fault>) => void
    /** Lets go of every fault that has not struck yet. */
    readonly clear: () => void
    /** Every call of `append` so far. */
    readonly appends: Array<ReadonlyArray<Append>>
  }
>()("keelson/layers/Faults") {}

const lost = (appends: ReadonlyArray<Append>): ReadonlyArray<Outcome> =>
  appends.map(() => ({ _tag: "Indeterminate", cause: "planned fault" }))

export const layer: Layer.Layer<EventStore | Faults, never, EventStore> = Layer.effectContext(
  Effect.gen(function* () {
    const store = yield* EventStore
    const planned: Array<Fault> = []
    const seen: Array<ReadonlyArray<Append>> = []
    const append: EventStore["Service"]["append"] = (appends) => {
      seen.push(appends)
      const fault = planned.shift()
      switch (fault?._tag) {
        case undefined:
          return store.append(appends)
        case "LoseAnswer":
          return Effect.as(store.append(appends), lost(appends))
        case "LoseCall":
          return Effect.succeed(lost(appends))
        case "Before":
          return Effect.andThen(fault.effect, store.append(appends))
        case "After":
          return Effect.tap(store.append(appends), fault.effect)
        case "Refuse":
          return Effect.fail(
            new EventStoreError({ reason: fault.reason, operation: "append", detail: "planned fault", retryable: true })
          )
      }
    }
    return Context.make(EventStore, EventStore.of({ ...store, append })).pipe(
      Context.add(Faults, {
        plan: (...faults) => void planned.push(...faults),
        clear: () => void (planned.length = 0),
        appends: seen
      })
    )
  })
)
