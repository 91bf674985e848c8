/**
 * What a journal says of itself to the outside, as text: checkpoints, the keys they are signed with, and proofs.
 *
 *   <origin>                          a checkpoint: C2SP tlog-checkpoint, a signed note
 *   <size>                            how many events it covers: positions 1 to size
 *   <base64 root>                     RFC 6962, over `leafData` of each
 *
 *   — <origin> <base64 key id || Ed25519 signature over the three lines>
 *
 * Owns these texts, both ways: `c2sp.org/tlog-checkpoint`, `c2sp.org/signed-note` (Ed25519 alone, type 0x01),
 * `c2sp.org/tlog-proof@v1` for one event, and the body of `c2sp.org/tlog-witness` for two checkpoints. Does not own
 * hashing and signatures (handed in) nor the tree (`Merkle`).
 *
 * Invariant: reading is strict. A text has one meaning or none (`null`), so that what was signed is what is said.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { checkpointTextMax, proofTextMax } from "./Bounds.ts"
import type { Hash } from "./Ids.ts"
import type { Sha256OfHex } from "./Merkle.ts"

/** What is hashed for one event: its position as eight bytes, then its hash. 40 bytes, as hex. */
export const leafData = (position: number, hash: Hash): string => position.toString(16).padStart(16, "0") + hash

/** A key that signatures are judged by. Bytes as hex. */
export interface PublicKey {
  /** Of the signer: a checkpoint's origin. */
  readonly name: string
  /** Tells a signer's keys apart: 4 bytes. */
  readonly id: string
  /** Ed25519, 32 bytes. */
  readonly bytes: string
}

/** Id by the rule of signed notes: SHA-256(name || 0x0A || 0x01 || key), its first four bytes. */
export const publicKey = (sha: Sha256OfHex, name: string, bytes: string): PublicKey => ({
  name,
  id: sha(`${hexOfText(name)}0a01${bytes}`).slice(0, 8),
  bytes
})

/** `<name>+<id>+<base64 of 0x01 and the key>`: how keys are published. */
export const keyText = ({ bytes, id, name }: PublicKey): string => `${name}+${id}+${toBase64(`01${bytes}`)}`

/** The inverse, or null where it is no Ed25519 key or its id is another one's. */
export const parseKey = (sha: Sha256OfHex, text: string): PublicKey | null => {
  const [, name = "", id = "", encoded = ""] = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/u.exec(text) ?? []
  const bytes = fromBase64(encoded)
  if (bytes?.length !== 66 || !bytes.startsWith("01")) return null
  const key = publicKey(sha, name, bytes.slice(2))
  return key.id === id ? key : null
}

/** One key a line; empty lines and lines that begin with `#` are passed over. Null where any other line is no key. */
export const parseKeys = (sha: Sha256OfHex, text: string): ReadonlyArray<PublicKey> | null => {
  const lines = text.split(/\r?\n/u).filter((line) => line.trim() !== "" && !line.startsWith("#"))
  const keys = lines.map((line) => parseKey(sha, line.trim()))
  return keys.length > 0 && keys.every((key) => key !== null) ? keys : null
}

/** The head of a journal's tree. */
export interface Head {
  readonly origin: string
  readonly size: number
  readonly root: Hash
}

/** 64 bytes, as hex, and which key made it. */
export interface Signature {
  readonly name: string
  readonly id: string
  readonly bytes: string
}

export interface Checkpoint extends Head {
  /** The whole note. */
  readonly note: string
  /** What is signed. */
  readonly text: string
  readonly signatures: ReadonlyArray<Signature>
}

/** What is signed. */
export const textOf = ({ origin, root, size }: Head): string => `${origin}\n${size}\n${toBase64(root)}\n`

export const noteOf = (text: string, signatures: ReadonlyArray<Signature>): string =>
  `${text}\n${signatures.map(({ bytes, id, name }) => `— ${name} ${toBase64(id + bytes)}\n`).join("")}`

/** Null where the text is no checkpoint. Signatures of other kinds are passed over; these are not judged either. */
export const parse = (note: string): Checkpoint | null => {
  if (note.length > checkpointTextMax || hasControls(note)) return null
  const end = note.lastIndexOf("\n\n")
  const text = note.slice(0, end + 1)
  const [origin = "", size = "", encoded = "", ...more] = text.split("\n")
  const root = fromBase64(encoded)
  // What may follow the root is for the signer's own readers; only an empty line would be another text.
  if (end < 0 || origin === "" || more.slice(0, -1).includes("") || root?.length !== 64) return null
  const count = parseCount(size)
  const lines = note.slice(end + 2).split("\n")
  if (count === null || lines.pop() !== "" || lines.length === 0) return null
  const signatures: Array<Signature> = []
  for (const line of lines) {
    const [, name, signature] = /^— ([^+\s]+) (\S+)$/u.exec(line) ?? []
    const bytes = fromBase64(signature ?? "")
    if (name === undefined || bytes === null || bytes.length < 8) return null
    if (bytes.length === 136) signatures.push({ name, id: bytes.slice(0, 8), bytes: bytes.slice(8) })
  }
  return { origin, size: count, root: root as Hash, note, text, signatures }
}

/** Whether one of the keys signed it. A signature of a known key that does not hold refuses the whole. */
export const isSigned = (
  checkpoint: Checkpoint,
  keys: ReadonlyArray<PublicKey>,
  verify: (key: PublicKey, text: string, signature: string) => boolean
): boolean => {
  const known = checkpoint.signatures.flatMap((signature) =>
    keys
      .filter(({ id, name }) => id === signature.id && name === signature.name)
      .map((key) => [key, signature] as const)
  )
  // A signer speaks for its own journal alone.
  const own = known.filter(([{ name }]) => name === checkpoint.origin)
  return own.length > 0 && known.every(([key, { bytes }]) => verify(key, checkpoint.text, bytes))
}

/** That one event stands in a journal. */
export interface InclusionProof {
  /** The event's canonical text; its hash and its position make the leaf. */
  readonly event: string
  readonly position: number
  readonly path: ReadonlyArray<Hash>
  readonly checkpoint: Checkpoint
}

export const inclusionText = ({ checkpoint, event, path, position }: InclusionProof): string =>
  [
    inclusionMark,
    `extra ${base64OfText(event)}`,
    `index ${position - 1}`,
    ...path.map(toBase64),
    "",
    checkpoint.note
  ].join("\n")

/** Null where the text is no proof of one event. Nothing is judged. */
export const parseInclusion = (text: string): InclusionProof | null => {
  const parts = parseProof(text, 3)
  if (parts === null || parts.head[0] !== inclusionMark) return null
  const event = decodeText(/^extra (\S+)$/u.exec(parts.head[1] ?? "")?.[1] ?? "")
  const index = parseCount(/^index (\S+)$/u.exec(parts.head[2] ?? "")?.[1] ?? "")
  return event === null || index === null
    ? null
    : { event, position: index + 1, path: parts.path, checkpoint: parts.checkpoint }
}

/** That a journal is the continuation of what an older checkpoint says of it. */
export interface ConsistencyProof {
  readonly fromSize: number
  readonly path: ReadonlyArray<Hash>
  /** The newer one. */
  readonly checkpoint: Checkpoint
}

export const consistencyText = ({ checkpoint, fromSize, path }: ConsistencyProof): string =>
  [`old ${fromSize}`, ...path.map(toBase64), "", checkpoint.note].join("\n")

/** Null where the text is no proof of two checkpoints. Nothing is judged. */
export const parseConsistency = (text: string): ConsistencyProof | null => {
  const parts = parseProof(text, 1)
  const fromSize = parseCount(/^old (\S+)$/u.exec(parts?.head[0] ?? "")?.[1] ?? "")
  return parts === null || fromSize === null ? null : { fromSize, path: parts.path, checkpoint: parts.checkpoint }
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const inclusionMark = "c2sp.org/tlog-proof@v1"

const bytesOfHex = Schema.decodeSync(Schema.Uint8ArrayFromHex)
const hexOfBytes = Schema.encodeSync(Schema.Uint8ArrayFromHex)
const base64OfBytes = Schema.encodeSync(Schema.Uint8ArrayFromBase64)
const bytesOfBase64 = Schema.decodeOption(Schema.Uint8ArrayFromBase64)
const hexOfText = Schema.encodeSync(Schema.StringFromHex)
const base64OfText = Schema.encodeSync(Schema.StringFromBase64)
const textOfBase64 = Schema.decodeOption(Schema.StringFromBase64)

const toBase64 = (hex: string): string => base64OfBytes(bytesOfHex(hex))

/** As hex; null unless it is the very text that the bytes are written as. */
const fromBase64 = (text: string): string | null => {
  const bytes = Option.getOrNull(bytesOfBase64(text))
  return bytes !== null && base64OfBytes(bytes) === text ? hexOfBytes(bytes) : null
}

const decodeText = (encoded: string): string | null => {
  const text = Option.getOrNull(textOfBase64(encoded))
  return text !== null && base64OfText(text) === encoded ? text : null
}

/** As a signer writes it: no sign, no leading zero, exact as a number. */
const parseCount = (text: string): number | null => {
  const count = /^(0|[1-9][0-9]{0,15})$/u.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(count) ? count : null
}

/** Every control character but the newline. */
const hasControls = (text: string): boolean => /(?!\n)\p{Cc}/u.test(text)

/** Lines, hashes, an empty line, a checkpoint. */
const parseProof = (text: string, headLines: number) => {
  if (text.length > proofTextMax) return null
  const end = text.indexOf("\n\n")
  const checkpoint = end < 0 ? null : parse(text.slice(end + 2))
  if (checkpoint === null) return null
  const lines = text.slice(0, end).split("\n")
  const path = lines.slice(headLines).map((line) => fromBase64(line) ?? "")
  return path.every((hash) => hash.length === 64)
    ? { head: lines.slice(0, headLines), path: path as unknown as ReadonlyArray<Hash>, checkpoint }
    : null
}
