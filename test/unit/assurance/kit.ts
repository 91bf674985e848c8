/** A journal of hashes that a test may tamper with, a follower of it, and what it left in its folder. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeCheckpointFolder from "#layers/checkpoint-folder/NodeCheckpointFolder.ts"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as NodePrivateFiles from "#layers/private-files/NodePrivateFiles.ts"
import * as FileSigner from "#layers/signer/FileSigner.ts"
import * as CheckpointFollower from "#src/assurance/CheckpointFollower.ts"
import * as Checkpoint from "#src/kernel/Checkpoint.ts"
import type { Hash } from "#src/kernel/Ids.ts"
import * as Merkle from "#src/kernel/Merkle.ts"
import { CheckpointFolder } from "#src/ports/CheckpointFolder.ts"
import { EventStoreError } from "#src/ports/EventStore.ts"
import { JournalHashes, type Placed } from "#src/ports/JournalHashes.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

export const { sha256, sha256OfHex } = NodeDigest

/** What the journal holds, to be changed by hand; `reads` are the positions that were asked from. */
export interface Journal {
  rows: Array<Placed>
  reads: Array<number>
  down: boolean
}

export const grow = (journal: Journal, count: number, word = "event"): void => {
  for (let at = 0; at < count; at++) {
    const position = journal.rows.length + 1
    journal.rows.push({ position, hash: sha256(`${word} ${position}`) })
  }
}

export const emptyJournal = (): Journal => ({ rows: [], reads: [], down: false })

const hashes = (journal: Journal) =>
  Layer.succeed(JournalHashes, {
    after: (position, limit) =>
      Effect.suspend(() => {
        journal.reads.push(position)
        if (journal.down) {
          return Effect.fail(
            new EventStoreError({ reason: "Unavailable", operation: "hashes", detail: "down", retryable: true })
          )
        }
        return Effect.succeed(journal.rows.filter((row) => row.position > position).slice(0, limit))
      })
  })

export interface World {
  readonly folder: string
  readonly journal: Journal
  /** Stands between the follower and its folder. */
  readonly faults?: (folder: CheckpointFolder["Service"]) => CheckpointFolder["Service"]
}

export const newWorld = Effect.map(TemporaryFolder.make, (folder): World => ({ folder, journal: emptyJournal() }))

export const keyFolder = ({ folder }: World) => join(folder, "keys")
export const checkpointFolder = ({ folder }: World) => join(folder, "checkpoints")

/** A follower as one process holds it. */
export const start = (world: World) =>
  CheckpointFollower.make.pipe(
    Effect.provide(
      Layer.effect(
        CheckpointFolder,
        Effect.map(CheckpointFolder, (real) => world.faults?.(real) ?? real)
      ).pipe(
        Layer.provideMerge(FileSigner.layer({ folder: keyFolder(world), createIfEmpty: true })),
        Layer.provideMerge(NodeCheckpointFolder.layer({ folder: checkpointFolder(world) })),
        Layer.provideMerge(Layer.mergeAll(hashes(world.journal), NodePrivateFiles.layer, NodeDigest.layer))
      )
    )
  )

/** One look of a process of its own. */
export const look = (world: World) => Effect.flatMap(start(world), (follower) => follower.take)

export const rotate = (world: World) =>
  Effect.flatMap(FileSigner.make({ folder: keyFolder(world), createIfEmpty: false }), (signer) => signer.rotate).pipe(
    Effect.provide([NodePrivateFiles.layer, NodeDigest.layer])
  )

/** The root of what the journal holds up to a size, computed anew. */
export const rootOf = (rows: ReadonlyArray<Placed>, size: number): Hash =>
  Merkle.root(
    sha256OfHex,
    Merkle.grow(
      sha256OfHex,
      Merkle.empty,
      rows.slice(0, size).map(({ hash, position }) => Merkle.leaf(sha256OfHex, Checkpoint.leafData(position, hash)))
    )
  )

/** Every checkpoint in the folder, by size. */
export const kept = (world: World): ReadonlyArray<Checkpoint.Checkpoint> =>
  readdirSync(checkpointFolder(world))
    .filter((name) => name.endsWith(".checkpoint"))
    .sort()
    .map((name) => Checkpoint.parse(readFileSync(join(checkpointFolder(world), name), "utf8"))!)

export const sizes = (world: World) => kept(world).map(({ size }) => size)

export const publishedKeys = (world: World) =>
  Checkpoint.parseKeys(sha256OfHex, readFileSync(join(checkpointFolder(world), "public-keys.txt"), "utf8"))!

/** The leaves file against the journal: each event once, in its place. */
export const leavesAreTrue = (world: World): boolean => {
  const bytes = readFileSync(join(checkpointFolder(world), "leaves"))
  const expected = world.journal.rows.map(({ hash, position }) =>
    Merkle.leaf(sha256OfHex, Checkpoint.leafData(position, hash))
  )
  return bytes.toString("hex") === expected.join("")
}
