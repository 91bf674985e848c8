/**
 * Ed25519 (RFC 8032) on `node:crypto`, over raw keys in hex.
 *
 * Owns the wrapping that Node wants around 32 bytes (PKCS #8 and SPKI, RFC 8410). A secret key is its 32-byte seed.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign as signBytes,
  verify as verifyBytes
} from "node:crypto"
import type { PublicKey } from "#src/kernel/Checkpoint.ts"

export const seedBytes = 32

/** A fresh seed. The caller overwrites it. */
export const freshSeed = (): Buffer =>
  generateKeyPairSync("ed25519").privateKey.export({ format: "der", type: "pkcs8" }).subarray(-seedBytes)

/** The public key of a seed, as hex. */
export const publicBytes = (seed: Buffer): string =>
  createPublicKey(secretOf(seed)).export({ format: "der", type: "spki" }).subarray(-32).toString("hex")

/** 64 bytes, as hex. */
export const sign = (seed: Buffer, text: string): string =>
  signBytes(null, Buffer.from(text), secretOf(seed)).toString("hex")

/** False for anything that is no signature of this text by this key. */
export const verify = (key: PublicKey, text: string, signature: string): boolean => {
  try {
    const spki = Buffer.from(spkiPrefix + key.bytes, "hex")
    const publicKey = createPublicKey({ key: spki, format: "der", type: "spki" })
    return verifyBytes(null, Buffer.from(text), publicKey, Buffer.from(signature, "hex"))
  } catch {
    // 32 bytes that are no point of the curve.
    return false
  }
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const spkiPrefix = "302a300506032b6570032100"
const pkcs8Prefix = "302e020100300506032b657004220420"

const secretOf = (seed: Buffer) =>
  createPrivateKey({
    key: Buffer.concat([Buffer.from(pkcs8Prefix, "hex"), seed]),
    format: "der",
    type: "pkcs8"
  })
