import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as VolatileKeyRing from "#layers/key-ring/VolatileKeyRing.ts"
import * as StoreVault from "#layers/vault/StoreVault.ts"
import type { WrappedKey } from "#src/kernel/Append.ts"
import type { Json } from "#src/kernel/Canonical.ts"
import * as Envelope from "#src/kernel/Envelope.ts"
import { StreamId, SubjectId } from "#src/kernel/Ids.ts"
import * as Sealed from "#src/kernel/Sealed.ts"
import { EventStore, EventStoreError } from "#src/ports/EventStore.ts"
import { KeyRing } from "#src/ports/KeyRing.ts"
import { sealer, Vault } from "#src/ports/Vault.ts"

const one = SubjectId.make("session:one")
const stream = StreamId.make("session:one")
const unavailable = new EventStoreError({
  reason: "Unavailable",
  operation: "test",
  detail: "the database is away",
  retryable: true
})

/** The journal's wrapped keys as a table; everything else of the store dies when it is touched. */
class Table {
  readonly rows = new Map<SubjectId, WrappedKey>()
  reads = 0
  /** What stands in a read's way: waited for after the row was read. */
  gate: Effect.Effect<void, EventStoreError> = Effect.void
  rewrapFails = false
  readonly layer = Layer.mock(EventStore, {
    wrappedKey: (subject) =>
      Effect.suspend(() => {
        this.reads++
        const row = this.rows.get(subject) ?? null
        return Effect.as(this.gate, row)
      }),
    rewrapKey: (from, to) =>
      Effect.suspend(() => {
        if (this.rewrapFails) return Effect.fail(unavailable)
        if (this.rows.get(from.subject)?.wrapped !== from.wrapped) return Effect.succeed(false)
        this.rows.set(to.subject, to)
        return Effect.succeed(true)
      })
  })
}

const world = <A, E>(
  body: (context: {
    readonly table: Table
    readonly vault: typeof Vault.Service
    readonly ring: typeof KeyRing.Service
    readonly subject: (name: string) => Effect.Effect<SubjectId, E>
  }) => Effect.Effect<A, E>,
  options: StoreVault.Options = {}
) =>
  Effect.suspend(() => {
    const table = new Table()
    const layer = StoreVault.layerOptions(options).pipe(Layer.provideMerge([table.layer, VolatileKeyRing.layer]))
    return Effect.gen(function* () {
      const vault = yield* Vault
      const ring = yield* KeyRing
      /** A subject whose key was committed by somebody else. */
      const subject = (name: string) =>
        Effect.map(Effect.orDie(ring.create(SubjectId.make(name))), ({ key, wrapped }) => {
          table.rows.set(key.subject, wrapped)
          return key.subject
        })
      return yield* body({ table, vault, ring, subject })
    }).pipe(Effect.provide(layer))
  })

const payloadOf = (value: unknown) => value as Envelope.Envelope["payload"]

describe("vault", () => {
  it.effect("has no key for a subject that never had one, and asks again the next time", () =>
    world(({ table, vault, subject }) =>
      Effect.gen(function* () {
        assert.isNull(yield* vault.key(one))
        yield* subject("session:one")
        assert.isNotNull(yield* vault.key(one))
        assert.strictEqual(table.reads, 2)
      })
    )
  )

  it.effect("loads a key once, however many ask at once", () =>
    world(({ table, vault, subject }) =>
      Effect.gen(function* () {
        const id = yield* subject("session:one")
        const keys = yield* Effect.all(
          Array.from({ length: 50 }, () => vault.key(id)),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(new Set(keys).size, 1)
        assert.strictEqual(table.reads, 1)
      })
    )
  )

  it.effect("shows a created key to nobody before it is adopted", () =>
    world(({ table, vault }) =>
      Effect.gen(function* () {
        const { key, wrapped } = yield* vault.create(one)
        assert.isNull(yield* vault.key(one))
        table.rows.set(one, wrapped)
        yield* vault.adopt(key)
        assert.strictEqual(yield* vault.key(one), key)
        assert.strictEqual(table.reads, 1)
      })
    )
  )

  it.effect("holds no more keys than its bound, and loads the oldest again", () =>
    world(
      ({ table, vault, subject }) =>
        Effect.gen(function* () {
          const [first, second, third] = yield* Effect.forEach(["session:1", "session:2", "session:3"], subject)
          const box = sealer((yield* vault.key(first!))!)("session:1#1#/a", "words")
          for (const id of [second!, third!, third!]) yield* vault.key(id)
          assert.strictEqual(table.reads, 3)
          assert.strictEqual(yield* vault.open(box), "words")
          assert.strictEqual(table.reads, 4)
        }),
      { capacity: 2 }
    )
  )

  it.effect("passes on the store's and the ring's failures, and recovers from them", () =>
    world(({ table, vault, subject }) =>
      Effect.gen(function* () {
        const id = yield* subject("session:one")
        table.gate = Effect.fail(unavailable)
        assert.strictEqual(yield* Effect.flip(vault.key(id)), unavailable)
        table.gate = Effect.void
        const row = table.rows.get(id)!
        table.rows.set(id, { ...row, wrappingVersion: 9 })
        assert.deepInclude(yield* Effect.flip(vault.key(id)), { reason: "KeyMissing" })
        table.rows.set(id, row)
        assert.isNotNull(yield* vault.key(id))
      })
    )
  )

  it.effect(
    "puts a data key under the newest wrapping key when it is first used, and reads it even if that fails",
    () =>
      world(({ table, vault, ring, subject }) =>
        Effect.gen(function* () {
          const [first, second] = yield* Effect.forEach(["session:1", "session:2"], subject)
          yield* ring.rotate
          assert.isNotNull(yield* vault.key(first!))
          assert.strictEqual(table.rows.get(first!)?.wrappingVersion, 2)
          table.rewrapFails = true
          assert.isNotNull(yield* vault.key(second!))
          assert.strictEqual(table.rows.get(second!)?.wrappingVersion, 1)
        })
      )
  )
})

describe("forgetting", () => {
  it.effect("destroys the key in every hand and never brings it back", () =>
    world(({ table, vault, subject }) =>
      Effect.gen(function* () {
        const id = yield* subject("session:one")
        const inHand = (yield* vault.key(id))!
        const box = sealer(inHand)("session:one#1#/a", "words")
        yield* vault.scrub(id)
        assert.isTrue(inHand.destroyed())
        assert.isNull(yield* vault.key(id))
        assert.isTrue(table.rows.has(id))
        assert.deepStrictEqual(yield* vault.open({ a: box }), { a: { redacted: true } })
      })
    )
  )

  it.effect("reaches a key that the cache let go while somebody still holds it", () =>
    world(
      ({ vault, subject }) =>
        Effect.gen(function* () {
          const [first, second] = yield* Effect.forEach(["session:1", "session:2"], subject)
          const inHand = (yield* vault.key(first!))!
          yield* vault.key(second!)
          yield* vault.scrub(first!)
          assert.isTrue(inHand.destroyed())
        }),
      { capacity: 1 }
    )
  )

  it.effect("wins over a load that is under way", () =>
    world(({ table, vault, subject }) =>
      Effect.gen(function* () {
        const id = yield* subject("session:one")
        const [reached, release] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        table.gate = Effect.andThen(Deferred.succeed(reached, undefined), Deferred.await(release))
        const loading = yield* Effect.forkChild(vault.key(id))
        yield* Deferred.await(reached)
        yield* vault.scrub(id)
        yield* Deferred.succeed(release, undefined)
        assert.isNull(yield* Fiber.join(loading))
        assert.isNull(yield* vault.key(id))
      })
    )
  )

  it.effect("wins over an adoption that comes late", () =>
    world(({ vault }) =>
      Effect.gen(function* () {
        const { key } = yield* vault.create(one)
        yield* vault.scrub(one)
        yield* vault.adopt(key)
        assert.isTrue(key.destroyed())
        assert.isNull(yield* vault.key(one))
      })
    )
  )

  it.effect("leaves other subjects alone", () =>
    world(({ vault, subject }) =>
      Effect.gen(function* () {
        const [first, second] = yield* Effect.forEach(["session:1", "session:2"], subject)
        const boxes = yield* Effect.forEach([first!, second!], (id) =>
          Effect.map(vault.key(id), (key) => sealer(key!)("session:1#1#/a", id))
        )
        yield* vault.scrub(first!)
        assert.deepStrictEqual(yield* vault.open(boxes), [{ redacted: true }, "session:2"])
      })
    )
  )

  it.effect("destroys every key when the vault's scope closes", () =>
    Effect.gen(function* () {
      const inHand = yield* world(({ vault, subject }) => Effect.flatMap(subject("session:one"), vault.key))
      assert.isTrue(inHand?.destroyed())
    })
  )
})

describe("opening", () => {
  const seal = (vault: typeof Vault.Service, id: SubjectId, at: string, words: Json) =>
    Effect.map(vault.key(id), (key) => sealer(key!)(at, words))

  it.effect("gives rows their words, wherever a rule put the handle", () =>
    world(({ vault, subject }) =>
      Effect.gen(function* () {
        const id = yield* subject("session:one")
        const box = yield* seal(vault, id, Envelope.aad(stream, 3, "/input"), { text: "hello" })
        assert.deepStrictEqual(yield* vault.open({ row: [{ input: box, at: 3 }], plain: Sealed.plain("now") }), {
          row: [{ input: { text: "hello" }, at: 3 }],
          plain: "now"
        })
      })
    )
  )

  it.effect("fails on a box that was changed, and gives no part of the value", () =>
    world(({ vault, subject }) =>
      Effect.gen(function* () {
        const id = yield* subject("session:one")
        const good = yield* seal(vault, id, "session:one#1#/a", "good")
        const bad = { sealed: { ...good.sealed, at: "session:one#1#/b" } }
        const error = yield* Effect.flip(vault.open([good, bad]))
        assert.deepInclude(error, { _tag: "NotOpened", subject: id, reason: "Damaged" })
      })
    )
  )

  it.effect("holds an event's own boxes to their fields", () =>
    world(({ vault, subject }) =>
      Effect.gen(function* () {
        const id = yield* subject("session:one")
        const a = yield* seal(vault, id, Envelope.aad(stream, 2, "/a"), "A")
        const b = yield* seal(vault, id, Envelope.aad(stream, 2, "/b"), "B")
        const old = yield* seal(vault, id, Envelope.aad(stream, 1, "/x"), "old")
        const event = { stream, version: 2 }
        assert.deepStrictEqual(yield* vault.openPayload({ ...event, payload: payloadOf({ a, b, old }) }), {
          a: "A",
          b: "B",
          old: "old"
        })
        const swapped = yield* Effect.flip(vault.openPayload({ ...event, payload: payloadOf({ a: b, b: a }) }))
        assert.deepInclude(swapped, { _tag: "NotOpened", reason: "Damaged" })
      })
    )
  )
})
