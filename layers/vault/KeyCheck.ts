/**
 * Whether the wrapping keys at hand are those of the journal at hand.
 *
 *   cell "wrapping-key-check" = a data key that protects nothing, wrapped like any other
 *
 * Owns that cell. A folder restored beside another store's keys would open no old word, and would seal new ones under
 * keys that nobody keeps for them: better not to start. Run once, before anything is sealed.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { WrappedKey } from "#src/kernel/Append.ts"
import { SubjectId } from "#src/kernel/Ids.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { KeyRing, KeyRingError } from "#src/ports/KeyRing.ts"

export const check = Effect.gen(function* () {
  const store = yield* EventStore
  const ring = yield* KeyRing

  const write = Effect.fnUntraced(function* (from: string | null) {
    const { key, wrapped } = yield* ring.create(subject)
    key.destroy()
    // Where another process wrote first, its keys are looked at instead.
    if (!(yield* store.setCell(cell, from, encode(wrapped)))) yield* look
  })

  const look: Effect.Effect<void, KeyRingError | Effect.Error<typeof store.head>> = Effect.gen(function* () {
    const held = yield* store.cell(cell)
    if (held === null) return yield* write(null)
    const wrapped = yield* Effect.orDie(decode(held))
    const opened = yield* Effect.result(ring.unwrap(wrapped))
    if (opened._tag === "Failure") {
      if (opened.failure.reason !== "KeyDamaged") return yield* opened.failure
      // Nothing was ever sealed here: these keys are as good as any.
      if ((yield* store.head) === 0) return yield* write(held)
      return yield* foreign(wrapped)
    }
    opened.success.destroy()
    const renewed = yield* ring.rewrap(wrapped)
    if (renewed !== null) yield* store.setCell(cell, held, encode(renewed))
  })

  yield* look
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const cell = "wrapping-key-check"

const subject = SubjectId.make("key-ring:check")

const Cell = Schema.fromJsonString(
  Schema.Struct({ subject: SubjectId, wrappingVersion: Schema.Int, wrapped: Schema.String })
)
const decode = Schema.decodeUnknownEffect(Cell)
const encode = Schema.encodeSync(Cell)

const foreign = ({ wrappingVersion }: WrappedKey) =>
  new KeyRingError({
    reason: "KeyDamaged",
    subject: null,
    detail:
      `wrapping-${wrappingVersion}.key is not the key that this journal's words are sealed under; ` +
      "restore the right one from a backup",
    retryable: false
  })
