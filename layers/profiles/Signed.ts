/**
 * What was signed of a journal, read from files by whoever doubts it: checkpoints, the keys that judge them, and leaves.
 *
 * Owns what is believed: a checkpoint whose signature holds under a key that was named, and leaves whose root is the
 * checkpoint's. Everything else is refused with a sentence.
 */
import { readFileSync } from "node:fs"
import { dirname, resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as NodeCheckpointFolder from "#layers/checkpoint-folder/NodeCheckpointFolder.ts"
import { sha256OfHex } from "#layers/digest/NodeDigest.ts"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as NodePrivateFiles from "#layers/private-files/NodePrivateFiles.ts"
import * as Ed25519 from "#layers/signer/Ed25519.ts"
import * as FileSigner from "#layers/signer/FileSigner.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Checkpoint from "#src/kernel/Checkpoint.ts"
import type { Hash } from "#src/kernel/Ids.ts"
import * as Merkle from "#src/kernel/Merkle.ts"
import * as SystemCode from "#src/kernel/SystemCode.ts"
import { keyFolder } from "./Checkpointing.ts"
import type { Settings } from "./Settings.ts"

/** A checkpoint, a key or a proof can't be believed, or is not there. `wrong`: it was looked at, and is not true. */
export class NotSigned extends Schema.TaggedError<NotSigned>()("NotSigned", {
  detail: Schema.String,
  wrong: Schema.Boolean
}) {
  override get message() {
    return this.detail
  }
}

/** The keys in a file, one a line; without one those of the data folder. */
export const keys = Effect.fnUntraced(function* (settings: Settings, file: string | null) {
  if (file !== null) {
    const found = Checkpoint.parseKeys(sha256OfHex, yield* text(file))
    return found ?? (yield* refused(`${file} holds no public keys`))
  }
  const folder = keyFolder(settings)
  const found = yield* FileSigner.published(folder).pipe(
    Effect.provide([NodePrivateFiles.layer, NodeDigest.layer]),
    Effect.orElseSucceed((): ReadonlyArray<Checkpoint.PublicKey> => [])
  )
  return found.length > 0
    ? found
    : yield* refused(`there are no public keys in ${folder}; name a file of them with --keys`)
})

/** A checkpoint that one of the keys signed. */
export const checkpoint = Effect.fnUntraced(function* (file: string, keys: ReadonlyArray<Checkpoint.PublicKey>) {
  const found = Checkpoint.parse(yield* text(file))
  if (found === null) return yield* refused(`${file} is no checkpoint`, true)
  return yield* judged(found, file, keys)
})

/** Fails where none of the keys signed it. */
export const judged = Effect.fnUntraced(function* (
  found: Checkpoint.Checkpoint,
  file: string,
  keys: ReadonlyArray<Checkpoint.PublicKey>
) {
  if (Checkpoint.isSigned(found, keys, Ed25519.verify)) return found
  return yield* refused(`${file} is not signed by ${keys.length === 1 ? "the key" : "any of the keys"} given`, true)
})

/** The newest checkpoint of the deployment, or null. Its signature is not judged. */
export const newest = Effect.fnUntraced(function* ({ checkpointFolder }: Settings) {
  const folder = NodeCheckpointFolder.over(resolve(checkpointFolder))
  const size = (yield* folder.sizes).at(-1)
  if (size === undefined) return null
  const found = Checkpoint.parse((yield* folder.read(size)) ?? "")
  return found ?? (yield* refused(`the newest checkpoint in ${resolve(checkpointFolder)} is damaged`, true))
})

/** Leaves whose root is the checkpoint's, in the deployment's folder or beside the file; null where there are none. */
export const leaves = Effect.fnUntraced(function* (
  settings: Settings,
  file: string,
  head: Pick<Checkpoint.Head, "root" | "size">
) {
  for (const path of [resolve(settings.checkpointFolder), dirname(resolve(file))]) {
    const folder = NodeCheckpointFolder.over(path)
    const read = (first: number, count: number) =>
      Effect.orElseSucceed(folder.leaves(first, count), (): ReadonlyArray<Hash> => [])
    let tree = Merkle.empty
    while (tree.size < head.size) {
      const page = yield* read(tree.size, Math.min(pageLeaves, head.size - tree.size))
      if (page.length === 0) break
      tree = Merkle.grow(sha256OfHex, tree, page)
    }
    if (tree.size === head.size && Merkle.root(sha256OfHex, tree) === head.root) return read
  }
  return null
})

/** The text of a file of at most `Bounds.proofTextMax` units. */
export const text = (file: string): Effect.Effect<string, NotSigned> =>
  Effect.try({
    try: () => readFileSync(file, "utf8"),
    catch: (cause) => cause
  }).pipe(
    Effect.catch((cause) => refused(`${file} can't be read${codeOf(cause)}`)),
    Effect.filterOrElse(
      (read) => read.length <= Bounds.proofTextMax,
      () => refused(`${file} is too large`)
    )
  )

export const refused = (detail: string, wrong = false) => Effect.fail(new NotSigned({ detail, wrong }))

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const pageLeaves = 16 * 1024

const codeOf = (cause: unknown): string => {
  const code = SystemCode.of(cause)
  return code === null ? "" : ` (${code})`
}
