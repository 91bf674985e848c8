/**
 * Follows the journal and signs what it holds.
 *
 *   every interval:  is the journal still the one that was signed? --no--> nothing is signed until it is
 *                                                                  --yes-> grow the tree, sign its root, keep both
 *
 * Owns the Merkle tree over (position, hash), and when its root is signed. Does not own the key (`Signer`), the files
 * (`CheckpointFolder`) nor the search for what differs (`keelson verify --checkpoint`).
 *
 * Invariants: nothing is signed that contradicts the newest checkpoint in the folder; every look begins at the last
 * leaf that was signed, so a tail that was cut, or cut and grown again, is seen. The tree in memory is bounded by the
 * logarithm of the journal. Leaves are kept before the checkpoint, the checkpoint before the tree: a crash between two
 * of them is made good by the next look, which takes each leaf from the journal once.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as Bounds from "../kernel/Bounds.ts"
import * as Checkpoint from "../kernel/Checkpoint.ts"
import * as Merkle from "../kernel/Merkle.ts"
import { CheckpointFolder } from "../ports/CheckpointFolder.ts"
import { Digest } from "../ports/Digest.ts"
import type { EventStoreError } from "../ports/EventStore.ts"
import { JournalHashes, type Placed } from "../ports/JournalHashes.ts"
import { Signer } from "../ports/Signer.ts"
import type { CheckpointStatus } from "./Protocol.ts"

/** The journal, or what was kept of it, is not what was signed. */
export class Contradiction extends Schema.TaggedError<Contradiction>()("Contradiction", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

const numbers = {
  position: Metric.gauge("checkpoint_position", { description: "Events that the newest checkpoint covers." }),
  contradicted: Metric.gauge("checkpoint_contradicted", {
    description: "1 while the journal is not the one that was signed: nothing is signed."
  }),
  signed: Metric.counter("checkpoints_signed_total", {
    description: "Checkpoints that were signed and kept.",
    incremental: true
  }),
  failed: Metric.counter("checkpoints_failed_total", {
    description: "Looks that gave no checkpoint because of the folder, the key or the store.",
    incremental: true
  })
}

export const make = Effect.gen(function* () {
  const folder = yield* CheckpointFolder
  const signer = yield* Signer
  const journal = yield* JournalHashes
  const { sha256OfHex: sha } = yield* Digest
  const alone = yield* Semaphore.make(1)
  /** As far as it was signed, or as far as it was kept by whoever was here before; null until somebody looked. */
  let signed: Merkle.Tree | null = null
  let published = ""
  let status: CheckpointStatus = { size: 0, contradiction: null, failure: null }

  const leafOf = ({ hash, position }: Placed) => Merkle.leaf(sha, Checkpoint.leafData(position, hash))

  /** The newest checkpoint in the folder; another process may have put it there. */
  const newest = Effect.gen(function* () {
    const size = (yield* folder.sizes).at(-1)
    if (size === undefined) return null
    const checkpoint = Checkpoint.parse((yield* folder.read(size)) ?? "")
    if (checkpoint === null || checkpoint.size !== size) {
      return yield* new Contradiction({ detail: `the newest checkpoint, of ${size} events, is damaged` })
    }
    if (!Checkpoint.isSigned(checkpoint, yield* signer.publicKeys, signer.verify)) {
      return yield* new Contradiction({
        detail: `the newest checkpoint, of ${size} events, is not signed by this journal's key`
      })
    }
    return checkpoint
  })

  /** The tree that was kept, where a signed root confirms it. */
  const resume = Effect.gen(function* () {
    const tree = yield* folder.tree
    if (tree === null || tree.peaks.length !== Merkle.peakCount(tree.size)) return Merkle.empty
    const confirmed = Checkpoint.parse((yield* folder.read(tree.size)) ?? "")
    if (confirmed?.size !== tree.size || confirmed.root !== Merkle.root(sha, tree)) return Merkle.empty
    return Checkpoint.isSigned(confirmed, yield* signer.publicKeys, signer.verify) ? tree : Merkle.empty
  })

  /** Where to go on: behind the last leaf that was signed, which must stand where it stood; else at the first event. */
  const start = Effect.gen(function* () {
    const tree = signed ?? (yield* resume)
    if (tree.size === 0) return Merkle.empty
    const [kept] = yield* folder.leaves(tree.size - 1, 1)
    if (kept === undefined) return Merkle.empty
    const [last] = yield* journal.after(tree.size - 1, 1)
    if (last === undefined || last.position !== tree.size) return yield* cut(tree.size)
    return leafOf(last) === kept ? tree : yield* changed(tree.size)
  })

  /** Every event behind the tree, held against the newest checkpoint on the way. */
  const grown = Effect.fnUntraced(function* (from: Merkle.Tree, checkpoint: Checkpoint.Checkpoint | null) {
    const known = checkpoint?.size ?? 0
    let tree = from
    for (;;) {
      const before = tree.size < known ? Math.min(Bounds.readLimitMax, known - tree.size) : Bounds.readLimitMax
      const page = yield* journal.after(tree.size, before)
      if (page.length === 0) break
      const gap = page.findIndex(({ position }, index) => position !== tree.size + index + 1)
      if (gap >= 0)
        return yield* new Contradiction({ detail: `position ${tree.size + gap + 1} of the journal is missing` })
      const leaves = page.map(leafOf)
      yield* folder.keepLeaves(tree.size, leaves, known)
      tree = Merkle.grow(sha, tree, leaves)
      if (tree.size === known && Merkle.root(sha, tree) !== checkpoint?.root) return yield* changed(known)
    }
    return tree.size < known ? yield* cut(known) : tree
  })

  /** Puts new keys beside the checkpoints; answers the name that they all have. */
  const publish = Effect.gen(function* () {
    const keys = yield* signer.publicKeys
    const text = keys.map((key) => `${Checkpoint.keyText(key)}\n`).join("")
    if (text !== published) {
      yield* folder.publish(text)
      published = text
    }
    return keys[0]!.name
  })

  const sign = Effect.fnUntraced(function* (tree: Merkle.Tree) {
    const origin = yield* publish
    const text = Checkpoint.textOf({ origin, size: tree.size, root: Merkle.root(sha, tree) })
    yield* folder.keep(tree.size, Checkpoint.noteOf(text, [yield* signer.sign(text)]))
    yield* folder.keepTree(tree)
    yield* Metric.update(numbers.signed, 1)
  })

  const look = Effect.gen(function* () {
    const checkpoint = yield* newest
    const tree = yield* grown(yield* start, checkpoint)
    if (tree.size > (checkpoint?.size ?? 0)) yield* sign(tree)
    else yield* publish
    signed = tree
    return tree.size
  })

  const told = Effect.fnUntraced(function* (next: CheckpointStatus) {
    const before = status
    status = next
    yield* Metric.update(numbers.position, next.size)
    yield* Metric.update(numbers.contradicted, next.contradiction === null ? 0 : 1)
    if (next.failure !== null) yield* Metric.update(numbers.failed, 1)
    const said = next.contradiction ?? next.failure
    // Once for each thing that is wrong, not once an interval.
    if (said === null || said === (before.contradiction ?? before.failure)) return next
    yield* next.contradiction === null
      ? Effect.logWarning("no checkpoint was signed", { reason: said })
      : Effect.logError("the journal contradicts its checkpoint: nothing is signed", { reason: said })
    return next
  })

  const once = alone.withPermits(1)(
    look.pipe(
      Effect.matchEffect({
        onSuccess: (size) => told({ size, contradiction: null, failure: null }),
        onFailure: (error) => {
          if (error._tag === "Contradiction") return told({ ...status, contradiction: error.detail, failure: null })
          const failed = told({ ...status, failure: error.message })
          return error._tag === "EventStoreError" ? Effect.andThen(failed, Effect.fail(error)) : failed
        }
      })
    )
  )

  /** A store that does not answer is the supervisor's to wait for. */
  const process = (intervalMillis: number): Effect.Effect<never, EventStoreError> =>
    once.pipe(
      // What contradicts may have to be read from its first event, and seldom mends itself.
      Effect.map(({ contradiction }) =>
        contradiction === null ? intervalMillis : Math.max(intervalMillis, Bounds.checkpointContradictedMillis)
      ),
      Effect.flatMap((millis) => Effect.sleep(Duration.millis(millis))),
      Effect.forever
    )

  return {
    process,
    status: Effect.sync(() => status),
    take: Effect.catch(once, () => Effect.sync(() => status))
  }
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const cut = (size: number) =>
  new Contradiction({ detail: `${size} events were signed, and the journal ends before position ${size}` })

const changed = (size: number) =>
  new Contradiction({ detail: `the journal's first ${size} events are not the ${size} that were signed` })
