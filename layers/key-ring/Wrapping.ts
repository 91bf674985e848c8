/**
 * What a key ring does once it holds wrapping keys, whichever way it keeps them.
 *
 * Owns creating, unwrapping and re-wrapping data keys. Does not own where wrapping keys lie.
 */
import * as Effect from "effect/Effect"
import type { WrappedKey } from "#src/kernel/Append.ts"
import { KeyRing, KeyRingError } from "#src/ports/KeyRing.ts"
import * as AesSubjectKey from "./AesSubjectKey.ts"
import type { WrappingKey } from "./AesWrappingKey.ts"

/** Where wrapping keys lie. */
export interface Keeper {
  readonly newest: Effect.Effect<WrappingKey, KeyRingError>
  /** Null where there is no such version. */
  readonly find: (version: number) => Effect.Effect<WrappingKey | null, KeyRingError>
  readonly rotate: Effect.Effect<number, KeyRingError>
  /** Ascending. */
  readonly versions: Effect.Effect<ReadonlyArray<number>, KeyRingError>
}

export const make = (keeper: Keeper, randomness: AesSubjectKey.Randomness): typeof KeyRing.Service => {
  const unwrapped = Effect.fnUntraced(function* (wrapped: WrappedKey) {
    const by = yield* keeper.find(wrapped.wrappingVersion)
    if (by === null) return yield* missing(wrapped)
    const bytes = by.unwrap(wrapped)
    return bytes === null ? yield* damaged(wrapped) : bytes
  })

  return KeyRing.of({
    create: (subject) =>
      Effect.map(keeper.newest, (by) => {
        const bytes = randomness.key()
        const wrapped = by.wrap(subject, bytes, randomness.nonce())
        return { key: AesSubjectKey.make(subject, bytes, randomness), wrapped }
      }),
    unwrap: (wrapped) =>
      Effect.map(unwrapped(wrapped), (bytes) => AesSubjectKey.make(wrapped.subject, bytes, randomness)),
    rewrap: Effect.fnUntraced(function* (wrapped) {
      const by = yield* keeper.newest
      if (wrapped.wrappingVersion === by.version) return null
      const bytes = yield* unwrapped(wrapped)
      const again = by.wrap(wrapped.subject, bytes, randomness.nonce())
      bytes.fill(0)
      return again
    }),
    rotate: keeper.rotate,
    versions: keeper.versions
  })
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const missing = ({ subject, wrappingVersion }: WrappedKey) =>
  new KeyRingError({
    reason: "KeyMissing",
    subject,
    detail: `wrapping key ${wrappingVersion} is missing, so the data key of ${subject} can't be unwrapped`,
    retryable: false
  })

const damaged = ({ subject, wrappingVersion }: WrappedKey) =>
  new KeyRingError({
    reason: "KeyDamaged",
    subject,
    detail: `the wrapped data key of ${subject} does not open with wrapping key ${wrappingVersion}`,
    retryable: false
  })
