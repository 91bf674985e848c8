/** `SqlVerify` against a checkpoint: which sentence for which harm, with leaves and without; in an embedded store in memory. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import * as Layer from "effect/Layer"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as PgliteEventStore from "#layers/event-store/PgliteEventStore.ts"
import * as SqlVerify from "#layers/event-store/SqlVerify.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Checkpoint from "#src/kernel/Checkpoint.ts"
import type { Hash } from "#src/kernel/Ids.ts"
import * as Merkle from "#src/kernel/Merkle.ts"
import type { Digest } from "#src/ports/Digest.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { chain, start } from "#test/kit/appends.ts"

const { sha256, sha256OfHex } = NodeDigest

/** So many streams of one event, which follow from nothing and leave nothing. */
const fill = Effect.fnUntraced(function* (from: number, to: number) {
  const store = yield* EventStore
  for (let at = from; at < to; at += Bounds.batchAppendsMax) {
    const names = Array.from({ length: Math.min(Bounds.batchAppendsMax, to - at) }, (_, index) => `thing:${at + index}`)
    yield* store.append(names.flatMap((name) => chain(start(name), [{ receipt: false }]).appends))
  }
})

/** What a follower would have signed of the journal as it is. */
const sign = Effect.gen(function* () {
  const sql = yield* SqlClient
  const rows = yield* sql<{
    position: bigint
    hash: string
  }>`SELECT position, hash FROM keelson.event ORDER BY position`
  const leaves = rows.map(({ hash, position }) =>
    Merkle.leaf(sha256OfHex, Checkpoint.leafData(Number(position), hash as Hash))
  )
  return {
    size: rows.length,
    root: Merkle.root(sha256OfHex, Merkle.grow(sha256OfHex, Merkle.empty, leaves)),
    all: leaves
  }
})

const look = Effect.fnUntraced(function* (signed: Effect.Success<typeof sign>, withLeaves: boolean) {
  const { size, root, all } = signed
  const leaves = withLeaves ? (first: number, count: number) => Effect.succeed(all.slice(first, first + count)) : null
  const { problems } = yield* SqlVerify.verify({ signed: { size, root, leaves }, problemsMax: 10_000 })
  return problems.filter(({ table }) => table === "checkpoint").map(({ position, what }) => [position, what] as const)
})

const asOwner = Effect.fnUntraced(function* (...changes: ReadonlyArray<string>) {
  const sql = yield* SqlClient
  yield* sql.unsafe("ALTER TABLE keelson.event DISABLE TRIGGER ALL")
  for (const change of changes) yield* sql.unsafe(change)
})

const inMemory = <A, E>(work: Effect.Effect<A, E, EventStore | SqlClient | Digest>) =>
  Effect.provide(work, PgliteEventStore.layer().pipe(Layer.provideMerge(NodeDigest.layer)))

const general = (size: number) => new RegExp(`^the first ${size} events are not the ones that were signed`)

describe("a store held against a checkpoint", () => {
  it.live(
    "says nothing of one that is as it was signed, also where it has grown since, and finds in a grown one what is not",
    () =>
      inMemory(
        Effect.gen(function* () {
          yield* fill(0, 1_500)
          const signed = yield* sign
          assert.deepStrictEqual(yield* look(signed, true), [])
          yield* fill(1_500, 1_700)
          assert.deepStrictEqual(yield* look(signed, true), [])
          assert.deepStrictEqual(yield* look(signed, false), [])
          // What came since hides nothing of what was before.
          yield* asOwner(`UPDATE keelson.event SET hash = '${sha256("x")}' WHERE position = 17`)
          assert.match((yield* look(signed, false))[0]![1], general(1_500))
          assert.deepStrictEqual(yield* look(signed, true), [
            [17, "it is not the event that was signed at this position"]
          ])
        })
      )
  )

  it.live("names what was cut, and what was taken out, with leaves and without", () =>
    inMemory(
      Effect.gen(function* () {
        yield* fill(0, 1_200)
        const signed = yield* sign
        yield* asOwner(
          "DELETE FROM keelson.event WHERE position IN (1, 600, 1008, 1009)",
          "DELETE FROM keelson.event WHERE position >= 1199"
        )
        for (const withLeaves of [true, false]) {
          assert.deepStrictEqual(yield* look(signed, withLeaves), [
            [1, "position 1 was signed and taken out"],
            [600, "position 600 was signed and taken out"],
            [1008, "positions 1008 to 1009 were signed and taken out"],
            [1199, "the journal was cut at position 1198: positions 1199 to 1200 were signed"]
          ])
        }
        yield* asOwner("DELETE FROM keelson.event")
        assert.deepStrictEqual(yield* look(signed, true), [
          [1, "the journal was cut at position 0: positions 1 to 1200 were signed"]
        ])
      })
    )
  )

  it.live(
    "names each event that is another one, counts those beyond a bound, and knows only that where it has no leaves",
    () =>
      inMemory(
        Effect.gen(function* () {
          yield* fill(0, 600)
          const signed = yield* sign
          const hash = sha256("another history")
          yield* asOwner(`UPDATE keelson.event SET hash = '${hash}' WHERE position = 17`)
          assert.deepStrictEqual(yield* look(signed, true), [
            [17, "it is not the event that was signed at this position"]
          ])
          const [only, ...none] = yield* look(signed, false)
          assert.deepStrictEqual(none, [])
          assert.match(only![1], general(600))
          yield* asOwner(`UPDATE keelson.event SET hash = '${hash}'`)
          const all = yield* look(signed, true)
          assert.strictEqual(all.length, Bounds.checkpointDifferencesMax + 1)
          const rest = 600 - Bounds.checkpointDifferencesMax
          assert.deepStrictEqual(all.at(-1), [600, `${rest} more events are not the ones that were signed`])
        })
      )
  )

  it.live("says of events that changed places where each was signed", () =>
    inMemory(
      Effect.gen(function* () {
        yield* fill(0, 50)
        const signed = yield* sign
        // Three in a ring, and two of one page; their texts say nothing of positions.
        yield* asOwner(
          `UPDATE keelson.event e SET position = -t.place FROM (VALUES (3, 9), (9, 30), (30, 3), (40, 41), (41, 40))
             AS t (was, place) WHERE e.position = t.was`,
          "UPDATE keelson.event SET position = -position WHERE position < 0"
        )
        assert.deepStrictEqual(yield* look(signed, true), [
          [3, "it was signed at position 30: somebody moved it"],
          [9, "it was signed at position 3: somebody moved it"],
          [30, "it was signed at position 9: somebody moved it"],
          [40, "it was signed at position 41: somebody moved it"],
          [41, "it was signed at position 40: somebody moved it"]
        ])
        assert.match((yield* look(signed, false))[0]![1], general(50))
      })
    )
  )

  it.live("believes leaves as far as there are any, and the root for the rest", () =>
    inMemory(
      Effect.gen(function* () {
        yield* fill(0, 20)
        const signed = yield* sign
        yield* asOwner(`UPDATE keelson.event SET hash = '${sha256("x")}' WHERE position = 17`)
        const cut = { ...signed, all: signed.all.slice(0, 10) }
        assert.match((yield* look(cut, true))[0]![1], general(20))
      })
    )
  )
})
