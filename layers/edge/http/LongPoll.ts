/**
 * Waiting for a row to reach an end, without asking again and again.
 *
 * Invariants: registered before looked at, so nothing is missed; ends after the time asked for, when the door
 * closes, or with the caller's connection; what is answered is what the rows said last.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Feed } from "#src/ports/Feed.ts"
import { Drain } from "./Drain.ts"

export class LongPoll extends Context.Service<
  LongPoll,
  {
    /** Asks `look` until what it found is `over`, or `waitMillis` are spent. */
    readonly until: <A, E, R>(
      stream: string,
      waitMillis: number,
      look: Effect.Effect<A, E, R>,
      over: (found: A) => boolean
    ) => Effect.Effect<A, E, R>
  }
>()("keelson/edge/LongPoll") {}

export const make = Effect.gen(function* () {
  const feed = yield* Feed
  const drain = yield* Drain

  /** Looks once; null where it is worth looking again. */
  const round = <A, E, R>(
    stream: string,
    endsAtMillis: number,
    look: Effect.Effect<A, E, R>,
    over: (found: A) => boolean
  ) =>
    Effect.scoped(
      Effect.gen(function* () {
        const changed = yield* feed.changed(stream)
        const found = yield* look
        const leftMillis = endsAtMillis - (yield* Clock.currentTimeMillis)
        if (over(found) || leftMillis <= 0 || drain.begun()) return { found }
        yield* Effect.timeoutOption(Effect.raceFirst(changed, drain.signal), Duration.millis(leftMillis))
        return null
      })
    )

  return LongPoll.of({
    until: (stream, waitMillis, look, over) =>
      waitMillis === 0
        ? look
        : Effect.gen(function* () {
            const endsAtMillis = (yield* Clock.currentTimeMillis) + waitMillis
            for (;;) {
              const ended = yield* round(stream, endsAtMillis, look, over)
              if (ended !== null) return ended.found
            }
          })
  })
})
