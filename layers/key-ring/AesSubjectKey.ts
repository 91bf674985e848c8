/**
 * A subject's data key on `node:crypto`: AES-256-GCM for words, HMAC-SHA-256 for commitments.
 *
 * Invariants: the key's bytes live in closures only, so no inspector, logger or encoder reaches them;
 * a nonce is used once; after `destroy` the bytes are zeros and every use throws.
 * Random 96-bit nonces allow 2^32 seals under one key (NIST SP 800-38D); a subject's streams hold
 * at most `Bounds.streamEventsTotalMax` events each.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomFillSync } from "node:crypto"
import type { Hash, SubjectId } from "#src/kernel/Ids.ts"
import type { SubjectKey } from "#src/ports/KeyRing.ts"

export const keyBytes = 32
export const nonceBytes = 12
export const tagBytes = 16

/** Where keys and nonces come from: the platform's generator, or a seed in simulation. */
export interface Randomness {
  /** Fresh bytes, valid until the next call. */
  readonly nonce: () => Uint8Array
  /** Fresh bytes that the caller owns. */
  readonly key: () => Buffer
}

/** The platform's generator; nonces are drawn from a pool, because a call per nonce costs more than the seal. */
export const systemRandomness = (): Randomness => {
  const pool = Buffer.allocUnsafeSlow(nonceBytes * 512)
  let offset = pool.length
  return {
    nonce: () => {
      if (offset === pool.length) {
        randomFillSync(pool)
        offset = 0
      }
      offset += nonceBytes
      return pool.subarray(offset - nonceBytes, offset)
    },
    key: () => randomFillSync(Buffer.allocUnsafeSlow(keyBytes))
  }
}

/** Same seed, same bytes: HMAC-SHA-256 of a counter. For simulation only. */
export const seededRandomness = (seed: string): Randomness => {
  let counter = 0
  const next = (): Buffer => createHmac("sha256", seed).update(`keelson/seeded/${counter++}`).digest()
  return { nonce: () => next().subarray(0, nonceBytes), key: next }
}

/** base64url of nonce, ciphertext and tag. */
export const sealBytes = (key: Buffer, nonce: Uint8Array, aad: string, clear: string | Uint8Array): string => {
  const cipher = createCipheriv("aes-256-gcm", key, nonce)
  cipher.setAAD(Buffer.from(aad))
  const body = typeof clear === "string" ? cipher.update(clear, "utf8") : cipher.update(clear)
  cipher.final()
  return Buffer.concat([nonce, body, cipher.getAuthTag()]).toString("base64url")
}

/** The inverse; null where the text is not the canonical base64url of something sealed under this key and AAD. */
export const openBytes = (key: Buffer, aad: string, box: string): Buffer | null => {
  const bytes = Buffer.from(box, "base64url")
  // Decoding forgives stray characters and loose last bits; a changed character must never open.
  if (bytes.length < nonceBytes + tagBytes || bytes.toString("base64url") !== box) return null
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
  decipher.setAAD(Buffer.from(aad))
  decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes))
  const clear = decipher.update(bytes.subarray(nonceBytes, bytes.length - tagBytes))
  try {
    decipher.final()
  } catch {
    clear.fill(0)
    return null
  }
  return clear
}

/** Takes the bytes over: they are overwritten by `destroy`. */
export const make = (subject: SubjectId, bytes: Buffer, randomness: Randomness): SubjectKey => {
  let commitments: Buffer | null = null
  let destroyed = false
  const alive = (): void => {
    if (destroyed) throw new Error(`the data key of ${subject} was destroyed`)
  }
  return Object.freeze({
    subject,
    seal: (aad: string, text: string): string => {
      alive()
      return sealBytes(bytes, randomness.nonce(), aad, text)
    },
    open: (aad: string, box: string): string | null => {
      alive()
      return openBytes(bytes, aad, box)?.toString("utf8") ?? null
    },
    hmac: (text: string): Hash => {
      alive()
      commitments ??= Buffer.from(hkdfSync("sha256", bytes, "", "keelson/commitment/1", keyBytes))
      return createHmac("sha256", commitments).update(text).digest("hex") as Hash
    },
    destroy: (): void => {
      destroyed = true
      bytes.fill(0)
      commitments?.fill(0)
    },
    destroyed: () => destroyed
  })
}
