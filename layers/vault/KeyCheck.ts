/**
 * Whether the wrapping keys at hand are those of the journal at hand.
 *
 *   cell "wrapping-key-check":  none --begin--> "" --keys made, check--> a data key that protects nothing, wrapped
 *
 * Owns that cell. A journal restored beside another one's keys would open no old word, and would seal new ones under
 * keys that nobody keeps for them; keys beside a journal that never began had another one, which is lost. Better not to
 * start. Run at every start: `begin` before keys may be made, `check` before anything is sealed.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { WrappedKey } from "#src/kernel/Append.ts"
import { SubjectId } from "#src/kernel/Ids.ts"
import { EventStore, type EventStoreError } from "#src/ports/EventStore.ts"
import { KeyRing, KeyRingError } from "#src/ports/KeyRing.ts"

/** The keys were made for a journal, and this is not it. */
export class JournalMissing extends Schema.TaggedError<JournalMissing>()("JournalMissing", {
  detail: Schema.String,
  retryable: Schema.Literal(false)
}) {
  override get message() {
    return this.detail
  }
}

/** Answers whether the journal holds nothing, so that keys may be made for it. `keys` says where there are some already. */
export const begin = Effect.fnUntraced(function* (keys: string | null) {
  const store = yield* EventStore
  const empty = (yield* store.head) === 0
  if ((yield* store.cell(cell)) !== null) return empty
  if (empty && keys !== null) {
    const detail = `the journal is new, but ${keys} are not: restore the journal they belong to, or begin anew in another data folder`
    return yield* new JournalMissing({ detail, retryable: false })
  }
  yield* store.setCell(cell, null, "")
  return empty
})

export const check = Effect.gen(function* () {
  const store = yield* EventStore
  const ring = yield* KeyRing

  const write = Effect.fnUntraced(function* (from: string | null) {
    const { key, wrapped } = yield* ring.create(subject)
    key.destroy()
    // Where another process wrote first, its keys are looked at instead.
    if (!(yield* store.setCell(cell, from, encode(wrapped)))) yield* look
  })

  const look: Effect.Effect<void, KeyRingError | EventStoreError> = Effect.gen(function* () {
    const held = yield* store.cell(cell)
    if (held === null || held === "") return yield* write(held)
    const wrapped = yield* Effect.orDie(decode(held))
    const opened = yield* Effect.result(ring.unwrap(wrapped))
    if (opened._tag === "Failure") {
      // Also where nothing was sealed yet: of two first starts on one database, only one keeps its keys.
      return yield* opened.failure.reason === "KeyDamaged" ? foreign(wrapped) : opened.failure
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
      `wrapping-${wrappingVersion}.key is not the key of this journal: its words are sealed under another one; ` +
      "restore that one from a backup, or begin anew with another data folder and, on PostgreSQL, another schema",
    retryable: false
  })
