/**
 * The vault over the journal's wrapped keys: read a row, unwrap, keep in an LRU cache.
 *
 * Invariants: one load per subject at a time; a scrub wins over a load or an adoption in flight; a scrub
 * reaches keys that the cache has let go but somebody still holds; a rotation's re-wrap happens on first
 * use, and its failure never keeps anybody from reading.
 */
import * as Cache from "effect/Cache"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Result from "effect/Result"
import type { WrappedKey } from "#src/kernel/Append.ts"
import { subjectKeysMax } from "#src/kernel/Bounds.ts"
import type { Json } from "#src/kernel/Canonical.ts"
import type { SubjectId } from "#src/kernel/Ids.ts"
import * as Sealed from "#src/kernel/Sealed.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { KeyRing, type NotOpened, type SubjectKey } from "#src/ports/KeyRing.ts"
import { type Keys, openPayloadWith, openWith, Vault } from "#src/ports/Vault.ts"

export interface Options {
  /** Keys in the cache, and forgotten subjects remembered. Default `Bounds.subjectKeysMax`. */
  readonly capacity?: number
}

export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const store = yield* EventStore
  const ring = yield* KeyRing
  const capacity = options.capacity ?? subjectKeysMax
  const hands = makeHands()
  const forgotten = makeForgotten(capacity)
  yield* Effect.addFinalizer(() => Effect.sync(hands.destroyAll))

  const renew = Effect.fnUntraced(function* (wrapped: WrappedKey) {
    const renewed = yield* ring.rewrap(wrapped)
    if (renewed !== null) yield* store.rewrapKey(wrapped, renewed)
  })

  const load = Effect.fnUntraced(function* (subject: SubjectId) {
    if (forgotten.has(subject)) return null
    const wrapped = yield* store.wrappedKey(subject)
    if (wrapped === null) return null
    const key = yield* ring.unwrap(wrapped)
    hands.hold(key)
    yield* renew(wrapped).pipe(
      Effect.catch((error) => Effect.logWarning("a data key stays under its old wrapping key for now", error))
    )
    if (!forgotten.has(subject)) return key
    key.destroy()
    return null
  })

  const cache = yield* Cache.makeWith(load, {
    capacity,
    // "None" is not kept: another process may commit the subject's first key at any time.
    timeToLive: (exit) => (Exit.isSuccess(exit) && exit.value !== null ? Duration.infinity : Duration.zero)
  })
  const key = (subject: SubjectId) => Cache.get(cache, subject)

  const opening = Effect.fnUntraced(function* (value: unknown, open: (keys: Keys) => Result.Result<Json, NotOpened>) {
    const keys = new Map<SubjectId, SubjectKey | null>()
    yield* Effect.forEach(
      Sealed.subjects(value),
      (subject) => Effect.map(key(subject), (found) => void keys.set(subject, found)),
      { concurrency: loadsMax, discard: true }
    )
    return yield* Effect.fromResult(open(keys))
  })

  return Vault.of({
    key,
    create: ring.create,
    adopt: (key) =>
      Effect.suspend(() => {
        hands.hold(key)
        if (!forgotten.has(key.subject)) return Cache.set(cache, key.subject, key)
        return Effect.sync(key.destroy)
      }),
    scrub: (subject) =>
      Effect.suspend(() => {
        forgotten.add(subject)
        hands.destroy(subject)
        return Cache.invalidate(cache, subject)
      }),
    open: (value) => opening(value, (keys) => openWith(value, keys)),
    openPayload: (envelope) => opening(envelope.payload, (keys) => openPayloadWith(envelope, keys))
  })
})

export const layer: Layer.Layer<Vault, never, EventStore | KeyRing> = Layer.effect(Vault, make())

export const layerOptions = (options: Options): Layer.Layer<Vault, never, EventStore | KeyRing> =>
  Layer.effect(Vault, make(options))

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Keys one opening loads at once: a page of rows may name a subject each. */
const loadsMax = 8

/** Every key this process still holds anywhere, without keeping any of them alive. */
const makeHands = () => {
  const held = new Map<SubjectId, Set<WeakRef<SubjectKey>>>()
  const collected = new FinalizationRegistry<{ subject: SubjectId; ref: WeakRef<SubjectKey> }>(({ subject, ref }) => {
    const refs = held.get(subject)
    refs?.delete(ref)
    if (refs?.size === 0) held.delete(subject)
  })
  const destroy = (subject: SubjectId): void => {
    for (const ref of held.get(subject) ?? []) ref.deref()?.destroy()
    held.delete(subject)
  }
  return {
    hold: (key: SubjectKey): void => {
      const ref = new WeakRef(key)
      const refs = held.get(key.subject)
      if (refs === undefined) held.set(key.subject, new Set([ref]))
      else refs.add(ref)
      collected.register(key, { subject: key.subject, ref })
    },
    destroy,
    destroyAll: (): void => {
      for (const subject of held.keys()) destroy(subject)
    }
  }
}

/** The latest forgotten subjects. Older ones cost a look into the store, which has no key for them either. */
const makeForgotten = (capacity: number) => {
  const subjects = new Set<SubjectId>()
  return {
    has: (subject: SubjectId): boolean => subjects.has(subject),
    add: (subject: SubjectId): void => {
      subjects.delete(subject)
      subjects.add(subject)
      if (subjects.size > capacity) subjects.delete(subjects.values().next().value!)
    }
  }
}
