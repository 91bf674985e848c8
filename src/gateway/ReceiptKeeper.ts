/**
 * Forgets receipts that nobody repeats any more.
 *
 * Owns when: a receipt lives as long as its stream and `Bounds.receiptRetentionMillis` beyond. A stream that still goes
 * on is not quiet for so long, but for an action that stays `Unknown` until a person looks, and for principals, declared
 * tools and the halt. A repeat of one of their commands, so long after, is judged anew like any other command.
 *
 * Any number of processes may sweep at once.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Bounds from "../kernel/Bounds.ts"
import { EventStore } from "../ports/EventStore.ts"
import { Stamps } from "../ports/Stamps.ts"

export const make = Effect.gen(function* () {
  const store = yield* EventStore
  const stamps = yield* Stamps

  const sweep = Effect.gen(function* () {
    const quietSinceMillis = (yield* stamps.nowMillis) - Bounds.receiptRetentionMillis
    yield* store
      .forgetReceipts(quietSinceMillis, Bounds.readLimitMax)
      .pipe(Effect.repeat({ while: (forgotten) => forgotten === Bounds.readLimitMax }))
  })

  return Effect.forever(Effect.andThen(sweep, Effect.sleep(Duration.millis(Bounds.receiptSweepMillis))))
})
