/**
 * SHA-256 and derived ids on `node:crypto`.
 *
 * Owns the framing of derived ids, which may never change: ids of stored things depend on it.
 * One-shot `crypto.hash` costs about half a microsecond; WebCrypto sixty times that.
 */
import * as Layer from "effect/Layer"
import { hash } from "node:crypto"
import type { Hash, IdPrefix } from "#src/kernel/Ids.ts"
import { Digest } from "#src/ports/Digest.ts"

/** SHA-256 of the text's UTF-8 bytes, as 64 lower-case hex digits. */
export const sha256 = (text: string): Hash => hash("sha256", text, "hex") as Hash

/** SHA-256 of the bytes that hex digits name. */
export const sha256OfHex = (hex: string): Hash => hash("sha256", Buffer.from(hex, "hex"), "hex") as Hash

/**
 * The same 26 characters for the same parts, whatever the prefix: `act_X` and `cfm_X` belong together.
 * Each part is framed by its length in UTF-8 bytes, so ("ab", "c") and ("a", "bc") differ.
 */
export const derive = (prefix: IdPrefix, ...parts: ReadonlyArray<string>): string => {
  let framed = ""
  for (const part of parts) framed += `${Buffer.byteLength(part)}:${part}`
  return `${prefix}_${base32(hash("sha256", framed, "latin1"))}`
}

export const layer: Layer.Layer<Digest> = Layer.succeed(Digest, { sha256, sha256OfHex, derive })

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Crockford's alphabet in lower case: no i, l, o, u. */
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

/** The first 130 bits, five to a character, highest first. One byte per character of `bytes`: a string costs less than a buffer. */
const base32 = (bytes: string): string => {
  let text = ""
  let held = 0
  let bits = 0
  for (let index = 0; text.length < 26; index++) {
    held = (held << 8) | bytes.charCodeAt(index)
    bits += 8
    while (bits >= 5 && text.length < 26) {
      bits -= 5
      text += alphabet[(held >>> bits) & 31]
    }
    held &= (1 << bits) - 1
  }
  return text
}
