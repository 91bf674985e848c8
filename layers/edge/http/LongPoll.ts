/**
 * Waiting for a row to reach an end, without asking again and again.
 *
 * Invariants: registered before looked at, so nothing is missed; ends after the time asked for, when the door
 * closes, with the caller's connection, or once the caller's key is revoked; what is answered is what the rows said
 * last, judged by the roles that the caller has then; no more wait than have places, in all and of one principal.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { EventStoreError } from "#src/ports/EventStore.ts"
import { Feed } from "#src/ports/Feed.ts"
import { Identity, type Principal, type Unauthenticated } from "#src/ports/Identity.ts"
import type * as Problems from "../Problems.ts"
import { Drain } from "./Drain.ts"
import * as Places from "./Places.ts"

export interface Limits {
  readonly waitsMax: number
  readonly waitsPerPrincipalMax: number
}

export class LongPoll extends Context.Service<
  LongPoll,
  {
    /** Asks `look` until what it found is `over`, or `waitMillis` are spent. */
    readonly until: <A, E, R>(
      by: Principal,
      stream: string,
      waitMillis: number,
      look: (by: Principal) => Effect.Effect<A, E, R>,
      over: (found: A) => boolean
    ) => Effect.Effect<A, E | Unauthenticated | EventStoreError | Problems.Problem, R>
  }
>()("keelson/edge/LongPoll") {}

export const make = Effect.fnUntraced(function* (limits: Limits) {
  const feed = yield* Feed
  const drain = yield* Drain
  const identity = yield* Identity
  const place = Places.make({
    allMax: limits.waitsMax,
    perPrincipalMax: limits.waitsPerPrincipalMax,
    limit: "waitsPerPrincipal",
    deed: "waits"
  })

  /** Looks once; null where it is worth looking again. */
  const round = <A, E, R>(
    by: Principal,
    stream: string,
    endsAtMillis: number,
    look: (by: Principal) => Effect.Effect<A, E, R>,
    over: (found: A) => boolean
  ) =>
    Effect.scoped(
      Effect.gen(function* () {
        const changed = yield* feed.changed(stream)
        const changedKeys = by.keyId === undefined ? Effect.never : yield* feed.changed(`principal:${by.actor.id}`)
        const found = yield* look(yield* identity.renew(by))
        const leftMillis = endsAtMillis - (yield* Clock.currentTimeMillis)
        if (over(found) || leftMillis <= 0 || drain.begun()) return { found }
        yield* Effect.timeoutOption(
          Effect.raceAllFirst([changed, changedKeys, drain.signal]),
          Duration.millis(leftMillis)
        )
        return null
      })
    )

  return LongPoll.of({
    until: (by, stream, waitMillis, look, over) =>
      waitMillis === 0
        ? look(by)
        : Effect.gen(function* () {
            yield* place(by)
            const endsAtMillis = (yield* Clock.currentTimeMillis) + waitMillis
            for (;;) {
              const ended = yield* round(by, stream, endsAtMillis, look, over)
              if (ended !== null) return ended.found
            }
          }).pipe(Effect.scoped)
  })
})
