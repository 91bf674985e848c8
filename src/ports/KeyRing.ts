/**
 * Wrapping keys and what they protect.
 *
 * Owns wrapping keys, their versions and their rotation. Does not own wrapped data keys:
 * those are rows that an append commits (`kernel/Append.WrappedKey`).
 *
 * Fails closed: no key, no seal; no answer is better than clear text.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { WrappedKey } from "../kernel/Append.ts"
import type { Hash, SubjectId } from "../kernel/Ids.ts"

/** The key ring can't do what was asked. `retryable` says whether the same call may succeed later. */
export class KeyRingError extends Schema.TaggedError<KeyRingError>()("KeyRingError", {
  reason: Schema.Literals(["KeyMissing", "KeyDamaged", "Insecure", "Unavailable"]),
  subject: Schema.NullOr(Schema.String),
  detail: Schema.String,
  retryable: Schema.Boolean
}) {
  override get message() {
    return this.detail
  }
}

/** A box that does not open: its key was destroyed, it was moved, or a byte of it changed. */
export class NotOpened extends Schema.TaggedError<NotOpened>()("NotOpened", {
  subject: Schema.String,
  reason: Schema.Literals(["KeyDestroyed", "Damaged"])
}) {}

/** One subject's data key, in hand. Synchronous: the append path seals thousands of fields a second. */
export interface SubjectKey {
  readonly subject: SubjectId
  /** AES-256-GCM; answers base64url of nonce, ciphertext and tag. Throws once destroyed. */
  readonly seal: (aad: string, text: string) => string
  /** The inverse, or null where the box was moved or changed. Throws once destroyed. */
  readonly open: (aad: string, box: string) => string | null
  /** HMAC-SHA-256 under a key derived from the data key (HKDF), so commitments die with it. */
  readonly hmac: (text: string) => Hash
  /** Overwrites the key bytes; everything after fails. */
  readonly destroy: () => void
  readonly destroyed: () => boolean
}

export class KeyRing extends Context.Service<
  KeyRing,
  {
    /** A fresh data key, wrapped by the newest wrapping key with the subject as AAD. */
    readonly create: (subject: SubjectId) => Effect.Effect<{ key: SubjectKey; wrapped: WrappedKey }, KeyRingError>
    readonly unwrap: (wrapped: WrappedKey) => Effect.Effect<SubjectKey, KeyRingError>
    /** The same data key under the newest wrapping key, or null where it already is. */
    readonly rewrap: (wrapped: WrappedKey) => Effect.Effect<WrappedKey | null, KeyRingError>
    /** Adds a wrapping key; answers its version. Old versions stay readable. */
    readonly rotate: Effect.Effect<number, KeyRingError>
    readonly versions: Effect.Effect<ReadonlyArray<number>, KeyRingError>
  }
>()("keelson/ports/KeyRing") {}
