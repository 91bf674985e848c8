/**
 * How often something may fail before it stays down.
 *
 * Durable: the count lives in a store cell, so a service that crashes and restarts does not start counting anew.
 * Fails closed: while the store does not answer nothing starts again, and what can't be decoded counts as spent.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Bounds from "#src/kernel/Bounds.ts"
import { EventStore } from "#src/ports/EventStore.ts"

const Spent = Schema.fromJsonString(Schema.Struct({ restartsAtMillis: Schema.Array(Schema.Int) }))

export interface Allowance {
  readonly allowed: boolean
  /** How long to wait before the restart. */
  readonly backoffMillis: number
}

const cellOf = (name: string): string => `restarts:${name}`

const refused: Allowance = { allowed: false, backoffMillis: 0 }

export const make = Effect.gen(function* () {
  const store = yield* EventStore

  /** Counts one failure of `name`; answers whether it may start again, and after which pause. */
  const spend = (name: string): Effect.Effect<Allowance> => {
    const attempt = Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const cell = cellOf(name)
      const before = yield* store.cell(cell)
      const known = before === null ? [] : (yield* Schema.decodeEffect(Spent)(before)).restartsAtMillis
      const recent = known.filter((at) => at > now - Bounds.restartWindowMillis)
      if (recent.length >= Bounds.restartBudget) return refused
      const after = JSON.stringify({ restartsAtMillis: [...recent, now] })
      const won = yield* store.setCell(cell, before, after)
      return won ? { allowed: true, backoffMillis: backoffMillis(recent.length) } : null
    })
    // Another process counting the same name at once is the only reason to look again; each look sees a higher count.
    const counted = Effect.gen(function* () {
      for (let round = 0; round <= Bounds.restartBudget; round++) {
        const allowance = yield* attempt
        if (allowance !== null) return allowance
      }
      return refused
    })
    return counted.pipe(
      Effect.tapError((error) => Effect.logWarning(`the restart budget of ${name} can't be read`, error)),
      Effect.retry({
        while: (error) => error._tag === "EventStoreError" && error.retryable,
        schedule: Schedule.spaced(Duration.millis(Bounds.restartBackoffMaxMillis / 5))
      }),
      Effect.catch((error) =>
        Effect.as(Effect.logError(`the restart budget of ${name} can't be read: it stays down`, error), refused)
      )
    )
  }

  /** Restarts of `name` that count at this moment. */
  const used = Effect.fnUntraced(function* (name: string) {
    const now = yield* Clock.currentTimeMillis
    const text = yield* store.cell(cellOf(name))
    if (text === null) return 0
    const { restartsAtMillis } = yield* Schema.decodeEffect(Spent)(text)
    return restartsAtMillis.filter((at) => at > now - Bounds.restartWindowMillis).length
  })

  return { spend, used }
})

export const backoffMillis = (restarts: number): number =>
  Math.min(Bounds.restartBackoffMaxMillis, Bounds.restartBackoffBaseMillis * 2 ** restarts)
