/**
 * An event store that breaks the first promise: it says `Committed` and commits a moment later.
 *
 * The control of the crash kit: with it, a kill loses what was acknowledged, and the audit must say so.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Outcome } from "#src/kernel/Append.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { KeyRing } from "#src/ports/KeyRing.ts"

/** How long after its answer an append reaches the journal. */
const lateMillis = 40

export const layer: Layer.Layer<EventStore | KeyRing, never, EventStore | KeyRing> = Layer.effectContext(
  Effect.gen(function* () {
    const store = yield* EventStore
    const ring = yield* KeyRing
    const append: EventStore["Service"]["append"] = (appends) =>
      Effect.gen(function* () {
        const late = Effect.delay(store.append(appends), lateMillis)
        yield* Effect.forkDetach(Effect.ignore(late))
        // Positions nobody looks at before the events are read again.
        return appends.map(({ events }): Outcome => ({
          _tag: "Committed",
          events: events.map((event) => ({ ...event, position: Number.MAX_SAFE_INTEGER }))
        }))
      })
    return Context.make(EventStore, EventStore.of({ ...store, append })).pipe(Context.add(KeyRing, ring))
  })
)
