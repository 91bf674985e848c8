/** A history verified and opened, and the same bytes through the same two primitives with nothing around them. */
import { createCipheriv, createDecipheriv, hash, randomBytes } from "node:crypto"
import { sha256 } from "#layers/digest/NodeDigest.ts"
import { nonceBytes, tagBytes } from "#layers/key-ring/AesSubjectKey.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import { type Envelope, genesis, type StoredEvent } from "#src/kernel/Envelope.ts"
import * as Sealed from "#src/kernel/Sealed.ts"
import { openPayloadWith } from "#src/ports/Vault.ts"
import type { History } from "./history.ts"

export interface Opening {
  readonly boxes: number
  /** Throws where a hash, a chain or a box is not what it must be. */
  readonly once: () => void
  readonly floor: () => void
}

export const make = ({ events, keys }: History): Opening => {
  const once = (of: ReadonlyArray<StoredEvent> = events): number => {
    const heads = new Map<string, string>()
    let opened = 0
    for (const event of of) {
      if (sha256(event.text) !== event.hash) throw new Error(`event ${event.position} does not have its hash`)
      const envelope = Canonical.decode(event.text) as unknown as Envelope
      if (envelope.prevHash !== (heads.get(envelope.stream) ?? genesis)) {
        throw new Error(`event ${event.position} is not chained to the one before it`)
      }
      heads.set(envelope.stream, event.hash)
      const words = openPayloadWith(envelope, keys)
      if (words._tag === "Failure") throw words.failure
      opened += countOf(words.success)
    }
    return opened
  }
  const boxes = boxesOf(events)
  if (once() !== 0) throw new Error("a sealed field did not open to words")
  if (!falls(() => once(events.map(altered)))) throw new Error("a changed text was not found")
  const copies = boxes.map(copyOf)
  const floor = (): void => {
    for (const { text } of events) hash("sha256", text, "hex")
    for (const { aad, body, key, nonce, tag } of copies) {
      const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes })
      decipher.setAAD(aad)
      decipher.setAuthTag(tag)
      decipher.update(body)
      decipher.final()
    }
  }
  return { boxes: boxes.length, once: () => void once(), floor }
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const boxesOf = (events: ReadonlyArray<StoredEvent>): ReadonlyArray<Sealed.Box> => {
  const found: Array<Sealed.Box> = []
  for (const { envelope } of events) {
    Sealed.mapHandles(envelope.payload, (handle) => {
      if (Sealed.isBox(handle)) found.push(handle)
      return null
    })
  }
  return found
}

/** How many redaction marks there are in it: none, where every key is at hand. */
const countOf = (value: unknown): number => {
  if (Sealed.isRedacted(value)) return 1
  if (value === null || typeof value !== "object") return 0
  return Object.values(value).reduce((sum: number, member: unknown) => sum + countOf(member), 0)
}

const altered = (event: StoredEvent): StoredEvent => ({
  ...event,
  text: event.text.replace("occurredAt", "occurredat")
})

const falls = (work: () => void): boolean => {
  try {
    work()
    return false
  } catch {
    return true
  }
}

/** A box of the same length, under a key of its own. */
const copyOf = ({ sealed }: Sealed.Box) => {
  const length = Buffer.from(sealed.box, "base64url").length - nonceBytes - tagBytes
  const aad = Buffer.from(sealed.at)
  const [key, nonce] = [randomBytes(32), randomBytes(nonceBytes)]
  const cipher = createCipheriv("aes-256-gcm", key, nonce)
  cipher.setAAD(aad)
  const body = Buffer.concat([cipher.update(Buffer.alloc(length, "x")), cipher.final()])
  return { aad, body, key, nonce, tag: cipher.getAuthTag() }
}
