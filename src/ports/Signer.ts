/**
 * Who speaks for this journal to the outside.
 *
 * Owns Ed25519 signing keys, their versions, their rotation, and the public keys that are given away. Does not own what
 * is signed (`kernel/Checkpoint`).
 *
 * Invariants: one name for all versions, for ever: it is the origin of every checkpoint. A signature is made with the
 * newest version; what older ones signed stays to be judged by their public keys, also where their secret is gone.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { PublicKey, Signature } from "../kernel/Checkpoint.ts"

/** `detail` is a sentence for the operator; it holds no secret. */
export class SignerError extends Schema.TaggedError<SignerError>()("SignerError", {
  reason: Schema.Literals(["KeyMissing", "KeyDamaged", "Insecure", "Unavailable"]),
  detail: Schema.String,
  retryable: Schema.Boolean
}) {
  override get message() {
    return this.detail
  }
}

export interface PublishedKey extends PublicKey {
  readonly version: number
}

export class Signer extends Context.Service<
  Signer,
  {
    /** Signs the text's UTF-8 bytes with the newest key (RFC 8032, Ed25519: the same text, the same signature). */
    readonly sign: (text: string) => Effect.Effect<Signature, SignerError>
    /** Whether the holder of the key signed this very text. Synchronous; false for anything that is no signature. */
    readonly verify: (key: PublicKey, text: string, signature: string) => boolean
    /** Every version there ever was, ascending; at least one. */
    readonly publicKeys: Effect.Effect<ReadonlyArray<PublishedKey>, SignerError>
    /** Adds a key of the same name, which signs from now on; answers its version. */
    readonly rotate: Effect.Effect<number, SignerError>
  }
>()("keelson/ports/Signer") {}
