/**
 * A key that wraps data keys: AES-256-GCM, with the subject and its own version as AAD, so that a wrapped
 * key moved to another subject's row, or relabelled with another version, does not open.
 *
 * Invariants: the bytes live in closures only; after `destroy` every use throws, so nothing is ever wrapped
 * by a key that was overwritten.
 */
import type { WrappedKey } from "#src/kernel/Append.ts"
import type { SubjectId } from "#src/kernel/Ids.ts"
import { keyBytes, openBytes, sealBytes } from "./AesSubjectKey.ts"

export interface WrappingKey {
  readonly version: number
  readonly wrap: (subject: SubjectId, dataKey: Uint8Array, nonce: Uint8Array) => WrappedKey
  /** The data key, which the caller then owns; null where this key did not wrap it for this subject. */
  readonly unwrap: (wrapped: WrappedKey) => Buffer | null
  readonly destroy: () => void
}

/** Takes the bytes over: they are overwritten by `destroy`. */
export const make = (version: number, bytes: Buffer): WrappingKey => {
  let destroyed = false
  const alive = (): void => {
    if (destroyed) throw new Error(`wrapping key ${version} was destroyed`)
  }
  const aad = (subject: SubjectId): string => `keelson/wrapped-key/1#${version}#${subject}`
  return Object.freeze({
    version,
    wrap: (subject: SubjectId, dataKey: Uint8Array, nonce: Uint8Array): WrappedKey => {
      alive()
      return { subject, wrappingVersion: version, wrapped: sealBytes(bytes, nonce, aad(subject), dataKey) }
    },
    unwrap: (wrapped: WrappedKey): Buffer | null => {
      alive()
      if (wrapped.wrappingVersion !== version) return null
      const dataKey = openBytes(bytes, aad(wrapped.subject), wrapped.wrapped)
      return dataKey?.length === keyBytes ? dataKey : null
    },
    destroy: (): void => {
      destroyed = true
      bytes.fill(0)
    }
  })
}
