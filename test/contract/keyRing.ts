/**
 * What every key ring promises. Run against each implementation by `test/unit/key-ring/contract.test.ts`.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { join } from "node:path"
import { inspect } from "node:util"
import * as FileKeyRing from "#layers/key-ring/FileKeyRing.ts"
import * as VolatileKeyRing from "#layers/key-ring/VolatileKeyRing.ts"
import * as NodePrivateFiles from "#layers/private-files/NodePrivateFiles.ts"
import { SubjectId } from "#src/kernel/Ids.ts"
import { KeyRing, type KeyRingError } from "#src/ports/KeyRing.ts"
import * as TemporaryFolder from "../kit/TemporaryFolder.ts"

/** Each build is a new, empty ring. */
export const implementations: ReadonlyMap<string, Layer.Layer<KeyRing, KeyRingError>> = new Map([
  ["volatile", VolatileKeyRing.layer],
  ["seeded", VolatileKeyRing.layerSeeded({ seed: "contract" })],
  [
    "file",
    Layer.unwrap(
      Effect.map(TemporaryFolder.make, (folder) =>
        FileKeyRing.layer({ folder: join(folder, "keys"), createIfEmpty: true })
      )
    ).pipe(Layer.provide(NodePrivateFiles.layer))
  ]
])

/** Throws on an unknown name, so that a renamed implementation can't silently test nothing. */
export const implementation = (name: string): Layer.Layer<KeyRing, KeyRingError> => {
  const found = implementations.get(name)
  if (found === undefined)
    throw new Error(`no key ring is called ${name}; known: ${[...implementations.keys()].join()}`)
  return found
}

/** What an inspector prints where bytes or key objects lie open. */
export const visibleKey = /Buffer|Uint8Array|KeyObject/

const one = SubjectId.make("session:one")
const two = SubjectId.make("session:two")

export const suite = (name: string): void => {
  const layer = implementation(name)
  /** Every test has a ring of its own. */
  const promise = <E>(title: string, body: Effect.Effect<void, E, KeyRing>) =>
    it.effect(title, () => Effect.provide(body, layer))

  describe(`key ring: ${name}`, () => {
    promise(
      "opens what it sealed, at the same place only",
      Effect.gen(function* () {
        const { key } = yield* (yield* KeyRing).create(one)
        const box = key.seal("here", "wörds \u{1f600}")
        assert.strictEqual(key.open("here", box), "wörds \u{1f600}")
        assert.isNull(key.open("there", box))
        assert.strictEqual(key.open("here", key.seal("here", "")), "")
      })
    )

    promise(
      "gives every subject, and every creation, a key of its own",
      Effect.gen(function* () {
        const ring = yield* KeyRing
        const keys = yield* Effect.forEach([one, one, two], (subject) => ring.create(subject))
        const [first, second, third] = keys.map(({ key }) => key)
        const box = first!.seal("here", "words")
        assert.isNull(second!.open("here", box))
        assert.isNull(third!.open("here", box))
        assert.strictEqual(new Set(keys.map(({ key }) => key.hmac("words"))).size, 3)
        assert.strictEqual(new Set(keys.map(({ wrapped }) => wrapped.wrapped)).size, 3)
      })
    )

    promise(
      "unwraps to the very key it wrapped",
      Effect.gen(function* () {
        const ring = yield* KeyRing
        const { key, wrapped } = yield* ring.create(one)
        const again = yield* ring.unwrap(wrapped)
        assert.strictEqual(again.open("here", key.seal("here", "words")), "words")
        assert.strictEqual(again.hmac("words"), key.hmac("words"))
        assert.strictEqual(again.subject, one)
        assert.match(key.hmac("words"), /^[0-9a-f]{64}$/)
      })
    )

    promise(
      "refuses a wrapped key in another subject's row, changed or relabelled",
      Effect.gen(function* () {
        const ring = yield* KeyRing
        const { wrapped } = yield* ring.create(one)
        yield* ring.rotate
        const changed = (wrapped.wrapped.startsWith("A") ? "B" : "A") + wrapped.wrapped.slice(1)
        const forged = [
          { ...wrapped, subject: two },
          { ...wrapped, wrapped: changed },
          { ...wrapped, wrapped: "" },
          { ...wrapped, wrappingVersion: 2 }
        ]
        for (const each of forged) {
          const error = yield* Effect.flip(ring.unwrap(each))
          assert.deepInclude(error, { reason: "KeyDamaged", subject: each.subject, retryable: false })
        }
      })
    )

    promise(
      "says that a wrapping key is missing, and opens nothing",
      Effect.gen(function* () {
        const ring = yield* KeyRing
        const { wrapped } = yield* ring.create(one)
        const error = yield* Effect.flip(ring.unwrap({ ...wrapped, wrappingVersion: 7 }))
        assert.deepInclude(error, { reason: "KeyMissing", subject: one, retryable: false })
        assert.include(error.message, "wrapping key 7 is missing")
      })
    )

    promise(
      "rotates: new keys by the new version, old ones still readable, re-wrapped on demand",
      Effect.gen(function* () {
        const ring = yield* KeyRing
        const old = yield* ring.create(one)
        assert.isNull(yield* ring.rewrap(old.wrapped))
        assert.strictEqual(yield* ring.rotate, 2)
        assert.strictEqual(yield* ring.rotate, 3)
        assert.deepStrictEqual(yield* ring.versions, [1, 2, 3])
        assert.strictEqual((yield* ring.create(two)).wrapped.wrappingVersion, 3)

        const renewed = yield* ring.rewrap(old.wrapped)
        assert.strictEqual(renewed?.wrappingVersion, 3)
        assert.isNull(yield* ring.rewrap(renewed!))
        const box = old.key.seal("here", "words")
        for (const wrapped of [old.wrapped, renewed!]) {
          assert.strictEqual((yield* ring.unwrap(wrapped)).open("here", box), "words")
        }
      })
    )

    promise(
      "uses no nonce twice",
      Effect.gen(function* () {
        const { key } = yield* (yield* KeyRing).create(one)
        const nonces = Array.from({ length: 2_000 }, () => key.seal("here", "").slice(0, 16))
        assert.strictEqual(new Set(nonces).size, 2_000)
      })
    )

    promise(
      "answers nothing once a key is destroyed",
      Effect.gen(function* () {
        const ring = yield* KeyRing
        const { key, wrapped } = yield* ring.create(one)
        const other = yield* ring.unwrap(wrapped)
        const box = key.seal("here", "words")
        assert.isFalse(key.destroyed())
        key.destroy()
        key.destroy()
        assert.isTrue(key.destroyed())
        assert.throws(() => key.seal("here", "words"), "was destroyed")
        assert.throws(() => key.open("here", box), "was destroyed")
        assert.throws(() => key.hmac("words"), "was destroyed")
        assert.strictEqual(other.open("here", box), "words")
      })
    )

    promise(
      "shows no key to an inspector, a logger or an encoder",
      Effect.gen(function* () {
        const ring = yield* KeyRing
        const { key, wrapped } = yield* ring.create(one)
        key.seal("here", "words")
        key.hmac("words")
        const shown = inspect({ ring, key }, { depth: 12, showHidden: true, getters: true })
        assert.notMatch(shown, visibleKey)
        assert.strictEqual(JSON.stringify(key), JSON.stringify({ subject: one }))
        const error = yield* Effect.flip(ring.unwrap({ ...wrapped, wrappingVersion: 9 }))
        assert.notInclude(inspect(error, { depth: 12, showHidden: true }), wrapped.wrapped)
      })
    )
  })
}
