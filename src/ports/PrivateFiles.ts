/**
 * Small secret files on the machine's own disk: wrapping keys, the owner's token.
 *
 * Owns what must hold around such a file: modes, owner, whole writes. Does not own what stands in it.
 *
 * Invariants: a reader sees a whole file or none; a file is created once and never replaced, so of two creators
 * at once one wins and the other is told `Exists`; secrets never stand in errors.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** `detail` is a sentence for the operator; where a command mends it, the command stands in it. */
export class PrivateFileError extends Schema.TaggedError<PrivateFileError>()("PrivateFileError", {
  /** `Insecure`: others can read or change it, or it is a link. `Damaged`: it is not what was written. */
  reason: Schema.Literals(["Missing", "Exists", "Insecure", "Damaged", "Unavailable"]),
  path: Schema.String,
  detail: Schema.String,
  retryable: Schema.Boolean
}) {
  override get message() {
    return this.detail
  }
}

/** What others may not do with a folder: look into it at all, or only change it. */
export type Closed = "ToReaders" | "ToWriters"

export class PrivateFiles extends Context.Service<
  PrivateFiles,
  {
    /** Makes the folder (mode 0700, parents included) where it is missing; refuses one that is open to others. */
    readonly ensureFolder: (folder: string, closed: Closed) => Effect.Effect<void, PrivateFileError>
    /** Names in the folder, sorted. */
    readonly list: (folder: string, closed: Closed) => Effect.Effect<ReadonlyArray<string>, PrivateFileError>
    /** The file's text, at most `Bounds.privateFileBytesMax`. */
    readonly read: (folder: string, name: string) => Effect.Effect<string, PrivateFileError>
    /** Creates the file with mode 0600 and brings it and its name to the disk before it answers. */
    readonly create: (folder: string, name: string, text: string) => Effect.Effect<void, PrivateFileError>
    /** Removes what killed creators left in the folder, once it is too old to belong to a living one. */
    readonly removeStale: (folder: string) => Effect.Effect<void, PrivateFileError>
    /** A text that changes when a name is added to the folder or removed from it, or its mode changes. */
    readonly state: (folder: string) => Effect.Effect<string, PrivateFileError>
  }
>()("keelson/ports/PrivateFiles") {}

/** A file that does not hold what was written into it; `remedy` says what an operator can do. */
export const damaged = (path: string, remedy: string): PrivateFileError =>
  new PrivateFileError({ reason: "Damaged", path, detail: `${path} is damaged; ${remedy}`, retryable: false })
