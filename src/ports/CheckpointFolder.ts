/**
 * Where checkpoints are kept, outside of the database that they speak of.
 *
 * Owns that each is there whole or not at all, and how many there are. Does not own what they say, nor whether it is
 * true: whoever reads here judges signatures and roots.
 *
 * Invariant: a checkpoint that was kept is on the disk, and stays the newest until a larger one is.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Hash } from "../kernel/Ids.ts"
import type { Tree } from "../kernel/Merkle.ts"

/** `detail` is a sentence for the operator. */
export class CheckpointFolderError extends Schema.TaggedError<CheckpointFolderError>()("CheckpointFolderError", {
  reason: Schema.Literals(["Insecure", "Unavailable"]),
  detail: Schema.String,
  retryable: Schema.Boolean
}) {
  override get message() {
    return this.detail
  }
}

export class CheckpointFolder extends Context.Service<
  CheckpointFolder,
  {
    /** Sizes of the checkpoints that are kept, ascending. */
    readonly sizes: Effect.Effect<ReadonlyArray<number>, CheckpointFolderError>
    /** The checkpoint of this size, or null. At most `Bounds.checkpointTextMax`. */
    readonly read: (size: number) => Effect.Effect<string | null, CheckpointFolderError>
    /** Keeps a checkpoint and forgets those beyond the newest `Bounds.checkpointsKept`. */
    readonly keep: (size: number, note: string) => Effect.Effect<void, CheckpointFolderError>
    /** The tree as far as somebody kept it, so that nobody has to begin at the first event; null where there is none. */
    readonly tree: Effect.Effect<Tree | null, CheckpointFolderError>
    readonly keepTree: (tree: Tree) => Effect.Effect<void, CheckpointFolderError>
    /** Hashes of leaves from an index on, fewer where no more are kept: which event differs is found with them. */
    readonly leaves: (first: number, count: number) => Effect.Effect<ReadonlyArray<Hash>, CheckpointFolderError>
    /** Keeps hashes of leaves from an index on. Those below `signed` that are there already stay as they are. */
    readonly keepLeaves: (
      first: number,
      leaves: ReadonlyArray<Hash>,
      signed: number
    ) => Effect.Effect<void, CheckpointFolderError>
    /** Puts public keys beside the checkpoints, one a line. */
    readonly publish: (keys: string) => Effect.Effect<void, CheckpointFolderError>
  }
>()("keelson/ports/CheckpointFolder") {}
