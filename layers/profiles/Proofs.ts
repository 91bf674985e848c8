/**
 * Proofs about a deployment's journal, for people who have no access to it; and what `keelson checkpoint` asks.
 *
 * Composes the store, the folder of checkpoints and the tree. A proof is given only where the journal has the very root
 * that was signed: what would not hold is not handed out.
 */
import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as SqlFailure from "#layers/event-store/SqlFailure.ts"
import * as SqlJournalHashes from "#layers/event-store/SqlJournalHashes.ts"
import * as NodePrivateFiles from "#layers/private-files/NodePrivateFiles.ts"
import * as CheckpointFollower from "#src/assurance/CheckpointFollower.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Checkpoint from "#src/kernel/Checkpoint.ts"
import { EventType } from "#src/kernel/Envelope.ts"
import { EventId, type Hash, StreamId } from "#src/kernel/Ids.ts"
import * as Merkle from "#src/kernel/Merkle.ts"
import { JournalHashes } from "#src/ports/JournalHashes.ts"
import { Signer } from "#src/ports/Signer.ts"
import * as Checkpointing from "./Checkpointing.ts"
import type { Settings } from "./Settings.ts"
import * as Signed from "./Signed.ts"
import * as StoreOutside from "./StoreOutside.ts"

const { sha256, sha256OfHex } = NodeDigest

/** The newest checkpoint's note, or null. */
export const newest = (settings: Settings) => Effect.map(Signed.newest(settings), (found) => found?.note ?? null)

/** Signs what the store holds, as the service would; answers the newest note, or null where the journal is empty. */
export const take = Effect.fnUntraced(function* (settings: Settings) {
  const { contradiction, failure } = yield* StoreOutside.using(
    settings,
    Effect.flatMap(CheckpointFollower.make, (follower) => follower.take).pipe(
      Effect.provide(Layer.provide(Checkpointing.ports(settings), NodePrivateFiles.layer))
    )
  )
  const wrong = contradiction ?? failure
  return wrong === null ? yield* newest(settings) : yield* Signed.refused(wrong, contradiction !== null)
}, Effect.scoped)

/** The public keys that are published, one a line. */
export const keys = (settings: Settings) =>
  Effect.map(Signed.keys(settings, null), (found) => found.map((key) => Checkpoint.keyText(key)))

/** Adds a signing key; the next checkpoint is signed with it. Answers its version. */
export const rotate = Effect.fnUntraced(function* (settings: Settings) {
  const world = Layer.merge(NodePrivateFiles.layer, NodeDigest.layer)
  return yield* Effect.flatMap(Signer, (signer) => signer.rotate).pipe(
    Effect.provide(Layer.provide(Checkpointing.signer(settings), world))
  )
}, Effect.scoped)

/** The proof that an event, by id or by position, stands in the journal that a checkpoint speaks of; the newest unless told. */
export const inclusion = Effect.fnUntraced(function* (settings: Settings, event: string, file: string | null) {
  const checkpoint = yield* trusted(settings, file)
  return yield* StoreOutside.using(
    settings,
    Effect.gen(function* () {
      const { hash, position, text } = yield* find(StoreOutside.schemaOf(settings), event)
      if (sha256(text) !== hash) {
        return yield* Signed.refused(
          `the event at position ${position} does not have its hash; see keelson verify`,
          true
        )
      }
      if (position > checkpoint.size) {
        return yield* Signed.refused(
          `the event stands at position ${position}, and the checkpoint covers ${checkpoint.size} events; take one with keelson checkpoint --now`
        )
      }
      const path = yield* proven(Merkle.inclusionRanges(position - 1, checkpoint.size), [checkpoint])
      return Checkpoint.inclusionText({ event: text, position, path, checkpoint })
    }).pipe(Effect.provide(hashes(settings)))
  )
}, Effect.scoped)

/** The proof that the journal that a newer checkpoint speaks of begins with that of an older one. */
export const consistency = Effect.fnUntraced(function* (settings: Settings, from: string, to: string | null) {
  const newer = yield* trusted(settings, to)
  const older = yield* Signed.checkpoint(from, yield* Signed.keys(settings, null))
  if (older.size > newer.size || older.size === 0) {
    return yield* Signed.refused(
      `${from} covers ${older.size} events, and the newer one ${newer.size}: there is nothing to prove`
    )
  }
  const path = yield* StoreOutside.using(
    settings,
    Effect.provide(proven(Merkle.consistencyRanges(older.size, newer.size), [older, newer]), hashes(settings))
  )
  return Checkpoint.consistencyText({ fromSize: older.size, path, checkpoint: newer })
}, Effect.scoped)

/** Judges a proof with public keys alone: no store, no service. Answers what it proves, in a sentence. */
export const check = Effect.fnUntraced(function* (
  settings: Settings,
  file: string,
  options: { readonly from: string | null; readonly keys: string | null }
) {
  const keys = yield* Signed.keys(settings, options.keys)
  const text = yield* Signed.text(file)
  const one = Checkpoint.parseInclusion(text)
  if (one !== null) {
    const { root, size } = yield* Signed.judged(one.checkpoint, file, keys)
    const leaf = Merkle.leaf(sha256OfHex, Checkpoint.leafData(one.position, sha256(one.event)))
    const holds = Merkle.includes(sha256OfHex, { index: one.position - 1, leaf, path: one.path }, { size, root })
    if (!holds) return yield* Signed.refused(`${file} does not lead to the signed root: it proves nothing`, true)
    const { eventId, stream, type } = yield* Effect.fromOption(decodeEvent(one.event)).pipe(
      Effect.catch(() => Signed.refused(`${file} holds no event of Keelson`, true))
    )
    return `${eventId}, ${type} of ${stream}, stands at position ${one.position} of ${one.checkpoint.origin}, whose first ${size} events were signed`
  }
  const two = Checkpoint.parseConsistency(text)
  if (two === null) return yield* Signed.refused(`${file} is no proof`, true)
  if (options.from === null) return yield* Signed.refused("name the older checkpoint with --from")
  const newer = yield* Signed.judged(two.checkpoint, file, keys)
  const older = yield* Signed.checkpoint(options.from, keys)
  const holds =
    older.origin === newer.origin &&
    older.size === two.fromSize &&
    Merkle.extendsTree(sha256OfHex, older, newer, two.path)
  if (!holds)
    return yield* Signed.refused(`${file} does not lead from the older root to the newer one: it proves nothing`, true)
  return `the first ${older.size} of the ${newer.size} events of ${newer.origin} are the same in both checkpoints`
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const decodeEvent = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ eventId: EventId, stream: StreamId, type: EventType }))
)

const hashes = (settings: Settings) =>
  SqlJournalHashes.layer({ schema: StoreOutside.schemaOf(settings), timeoutMillis: null })

/** The checkpoint of a file, or the newest one, signed by the deployment's own keys. */
const trusted = Effect.fnUntraced(function* (settings: Settings, file: string | null) {
  const known = yield* Signed.keys(settings, null)
  if (file !== null) return yield* Signed.checkpoint(file, known)
  const place = resolve(settings.checkpointFolder)
  const found = yield* Signed.newest(settings)
  return found === null
    ? yield* Signed.refused(`there is no checkpoint in ${place}; take one with keelson checkpoint --now`)
    : yield* Signed.judged(found, `the newest checkpoint in ${place}`, known)
})

const find = Effect.fnUntraced(function* (schema: string, event: string) {
  const sql = yield* SqlClient
  const place = /^[1-9][0-9]{0,15}$/.test(event)
  const text = `SELECT position, hash, body FROM ${schema}.event WHERE ${place ? "position = $1" : "event_id = $1"}`
  // No index knows an event by its id: a large journal is read through, for as long as it takes.
  const found = yield* sql`SELECT set_config('statement_timeout', '0', true)`.pipe(
    Effect.andThen(sql.unsafe<{ position: bigint; hash: string; body: string }>(text, [place ? BigInt(event) : event])),
    sql.withTransaction,
    Effect.mapError((error) => SqlFailure.toError("prove", error))
  )
  const [row] = found
  if (row === undefined) return yield* Signed.refused(`the journal has no event ${event}`)
  return { position: Number(row.position), hash: row.hash as Hash, text: row.body }
})

/** The roots of the ranges, from a journal that has the root of each of these heads. */
const proven = Effect.fnUntraced(function* (
  ranges: ReadonlyArray<Merkle.Range>,
  heads: ReadonlyArray<Pick<Checkpoint.Head, "root" | "size">>
) {
  const journal = yield* JournalHashes
  const size = Math.max(...heads.map((head) => head.size))
  const parts = Merkle.gather(sha256OfHex, ranges)
  let tree = Merkle.empty
  while (tree.size < size) {
    const next = Math.min(...heads.map((head) => head.size).filter((end) => end > tree.size))
    const page = yield* journal.after(tree.size, Math.min(Bounds.readLimitMax, next - tree.size))
    const leaves = page.map(({ hash, position }) => Merkle.leaf(sha256OfHex, Checkpoint.leafData(position, hash)))
    if (leaves.length === 0) return yield* other(size)
    parts.take(leaves)
    tree = Merkle.grow(sha256OfHex, tree, leaves)
    const head = heads.find((one) => one.size === tree.size)
    if (head !== undefined && head.root !== Merkle.root(sha256OfHex, tree)) return yield* other(head.size)
  }
  return parts.roots()
})

const other = (size: number) =>
  Signed.refused(
    `the journal's first ${size} events are not the ones that were signed; keelson verify --checkpoint names them`,
    true
  )
