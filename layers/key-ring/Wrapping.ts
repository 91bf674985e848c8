/**
 * What a key ring does once it holds wrapping keys, whichever way it keeps them.
 *
 *   wrapping key v --AES-256-GCM, AAD = subject and v--> wrapped data key (a row)
 *
 * Owns wrapping, unwrapping and re-wrapping. Does not own where wrapping keys lie.
 */
import * as Effect from "effect/Effect"
import type { WrappedKey } from "#src/kernel/Append.ts"
import type { SubjectId } from "#src/kernel/Ids.ts"
import { KeyRing, KeyRingError } from "#src/ports/KeyRing.ts"
import * as AesSubjectKey from "./AesSubjectKey.ts"

export interface WrappingKey {
  readonly version: number
  /** Never leaves the ring. */
  readonly bytes: Buffer
}

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
  const wrap = (by: WrappingKey, subject: SubjectId, bytes: Buffer): WrappedKey => ({
    subject,
    wrappingVersion: by.version,
    wrapped: AesSubjectKey.sealBytes(by.bytes, randomness.nonce(), aad(subject, by.version), bytes)
  })

  const unwrapped = Effect.fnUntraced(function* (wrapped: WrappedKey) {
    const by = yield* keeper.find(wrapped.wrappingVersion)
    if (by === null) return yield* missing(wrapped)
    const bytes = AesSubjectKey.openBytes(by.bytes, aad(wrapped.subject, wrapped.wrappingVersion), wrapped.wrapped)
    if (bytes === null || bytes.length !== AesSubjectKey.keyBytes) return yield* damaged(wrapped)
    return bytes
  })

  return KeyRing.of({
    create: (subject) =>
      Effect.map(keeper.newest, (by) => {
        const bytes = randomness.key()
        return { key: AesSubjectKey.make(subject, bytes, randomness), wrapped: wrap(by, subject, bytes) }
      }),
    unwrap: (wrapped) =>
      Effect.map(unwrapped(wrapped), (bytes) => AesSubjectKey.make(wrapped.subject, bytes, randomness)),
    rewrap: Effect.fnUntraced(function* (wrapped) {
      const by = yield* keeper.newest
      if (wrapped.wrappingVersion === by.version) return null
      const bytes = yield* unwrapped(wrapped)
      const again = wrap(by, wrapped.subject, bytes)
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

/** A wrapped key moved to another subject's row, or relabelled with another version, does not open. */
const aad = (subject: SubjectId, version: number): string => `keelson/wrapped-key/1#${version}#${subject}`

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
