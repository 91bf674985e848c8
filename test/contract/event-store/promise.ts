/** One promise of the journal's contract, and how promises look at outcomes. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Append, Outcome, Refusal } from "#src/kernel/Append.ts"
import { EventStore, type EventStoreError, type Rows } from "#src/ports/EventStore.ts"

export interface Promise_ {
  readonly title: string
  readonly body: Effect.Effect<void, EventStoreError, EventStore | Rows | Scope.Scope>
}

export const promise = (title: string, body: Promise_["body"]): Promise_ => ({ title, body })

export const append = (...appends: ReadonlyArray<Append>) =>
  Effect.flatMap(EventStore, (store) => store.append(appends))

/** Short words for outcomes: positions relative to `base`, or why not. */
export const said = (outcomes: ReadonlyArray<Outcome>, base = 0): ReadonlyArray<unknown> =>
  outcomes.map((outcome) => {
    switch (outcome._tag) {
      case "Committed":
        return outcome.events.map(({ position }) => position - base)
      case "Refused":
        return refusalWord(outcome.refusal)
      case "Indeterminate":
        return `in doubt: ${outcome.cause}`
    }
  })

const refusalWord = (refusal: Refusal): string => {
  switch (refusal._tag) {
    case "VersionConflict":
      return `conflict ${refusal.expected}/${refusal.actual}`
    case "ReceiptExists":
      return `receipt ${refusal.receipt.key}`
    case "GuardFailed":
      return `guard ${refusal.guard._tag}`
    case "KeyConflict":
      return `key ${refusal.subject}`
  }
}

export const defect = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<string, never, R> =>
  effect.pipe(
    Effect.as("no defect"),
    Effect.catchDefect((cause) => Effect.succeed(cause instanceof Error ? cause.name : String(cause))),
    Effect.orDie
  )

export const head = Effect.flatMap(EventStore, (store) => store.head)

export const same = (actual: unknown, expected: unknown): void => assert.deepStrictEqual(actual, expected)
export const isNull = (actual: unknown): void => assert.isNull(actual)
export const isTrue = (actual: unknown): void => assert.isTrue(actual)
export const isFalse = (actual: unknown): void => assert.isFalse(actual)
