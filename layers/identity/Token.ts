/**
 * Bearer tokens: `kls_`, 256 random bits and a checksum, all base64url.
 *
 * The checksum is no secret: it lets a mistyped or made-up token be refused before anything is hashed or
 * compared, and a leaked one be told from noise. What is kept of a token is its SHA-256; random bits of this
 * length need no salt and no slow hash.
 */
import * as Redacted from "effect/Redacted"
import { hash, randomBytes, timingSafeEqual } from "node:crypto"
import { crc32 } from "node:zlib"

export const mint = (): Redacted.Redacted<string> => {
  const secret = randomBytes(32).toString("base64url")
  return Redacted.make(`${prefix}${secret}${checksum(secret)}`, { label: "token" })
}

export const isWellFormed = (text: string): boolean =>
  shape.test(text) && checksum(text.slice(prefix.length, -6)) === text.slice(-6)

/** What is kept of a token. */
export type Digest = Buffer

export const digest = (text: string): Digest => hash("sha256", text, "buffer")

/** In constant time. */
export const matches = (left: Digest, right: Digest): boolean => timingSafeEqual(left, right)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const prefix = "kls_"
const shape = /^kls_[A-Za-z0-9_-]{49}$/

const checksum = (secret: string): string => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32(secret))
  return bytes.toString("base64url")
}
