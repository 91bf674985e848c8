/**
 * The subject keys in hand, and what they open.
 *
 *   create -> (append commits the wrapped key) -> adopt -> key, open -> (append commits the shred) -> scrub
 *
 * Owns the way from a subject to its key through the store and the key ring, and the one rule for opening:
 * every box becomes its words, or the redaction mark where its key is gone. Does not own keys at rest.
 *
 * Invariants: a subject that was scrubbed is never opened again by this process; what can't be opened for
 * any reason other than a destroyed key is an error, never a redaction mark and never clear text.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { WrappedKey } from "../kernel/Append.ts"
import * as Canonical from "../kernel/Canonical.ts"
import * as Envelope from "../kernel/Envelope.ts"
import type { SubjectId } from "../kernel/Ids.ts"
import * as Sealed from "../kernel/Sealed.ts"
import type { EventStoreError } from "./EventStore.ts"
import { type KeyRingError, NotOpened, type SubjectKey } from "./KeyRing.ts"

export type OpenError = NotOpened | KeyRingError | EventStoreError

export class Vault extends Context.Service<
  Vault,
  {
    /** The subject's key, or null where it never had one or was forgotten. Loaded once, then kept in a bounded cache. */
    readonly key: (subject: SubjectId) => Effect.Effect<SubjectKey | null, KeyRingError | EventStoreError>
    /** A fresh key; nobody else sees it until `adopt`. Destroy it where its append does not commit. */
    readonly create: (
      subject: SubjectId
    ) => Effect.Effect<{ readonly key: SubjectKey; readonly wrapped: WrappedKey }, KeyRingError>
    /** Puts a created key into the cache, once the append that carries its wrapped form has committed. */
    readonly adopt: (key: SubjectKey) => Effect.Effect<void>
    /** Destroys every key of the subject that this process holds, cached or handed out. Call once its shred has committed. */
    readonly scrub: (subject: SubjectId) => Effect.Effect<void>
    /** Opens every box at any depth, wherever it stands: rows, states, lists of them. */
    readonly open: (value: unknown) => Effect.Effect<Canonical.Json, OpenError>
    /** Opens an event's payload; a box sealed in this very event must stand in the field it was sealed in. */
    readonly openPayload: (
      envelope: Pick<Envelope.Envelope, "stream" | "version" | "payload">
    ) => Effect.Effect<Canonical.Json, OpenError>
  }
>()("keelson/ports/Vault") {}

/** What `Envelope.assemble` asks for, by one subject's key. */
export const sealer =
  (key: SubjectKey) =>
  (at: string, words: Canonical.Json): Sealed.Box => ({
    sealed: { subject: key.subject, at, box: key.seal(at, Canonical.encode(words)) }
  })

/** Keys by subject; null stands for a key that is gone. */
export type Keys = ReadonlyMap<SubjectId, SubjectKey | null>

/**
 * Opens a value with the keys of its `Sealed.subjects`. Words not yet sealed open as themselves.
 * `mayStand` says whether a box may stand where it was found.
 */
export const openWith = (
  value: unknown,
  keys: Keys,
  mayStand: (box: Sealed.Box, pointer: string) => boolean = () => true
): Result.Result<Canonical.Json, NotOpened> => {
  let failure: NotOpened | null = null
  const opened = Sealed.mapHandles(value, (handle, pointer) => {
    if (Sealed.isPlain(handle)) return handle.value
    const { subject, at, box } = handle.sealed
    const key = keys.get(subject) ?? null
    if (key === null || key.destroyed()) return Sealed.redacted
    const text = mayStand(handle, pointer) ? key.open(at, box) : null
    if (text !== null) return Canonical.decode(text)
    failure ??= new NotOpened({ subject, reason: "Damaged" })
    return Sealed.redacted
  })
  return failure === null ? Result.succeed(opened) : Result.fail(failure)
}

/** `openWith` for an event's payload. */
export const openPayloadWith = (
  envelope: Pick<Envelope.Envelope, "stream" | "version" | "payload">,
  keys: Keys
): Result.Result<Canonical.Json, NotOpened> =>
  openWith(envelope.payload, keys, (box, pointer) => Envelope.mayStand(envelope, box, pointer))
