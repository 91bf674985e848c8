/**
 * Checkpoints in a folder of the machine's own disk.
 *
 *   <folder>
 *     0000000000001204.checkpoint   a signed note, by how many events it covers
 *     public-keys.txt               what judges its signature: for copying, not for trusting where it lies
 *     leaves                        32 bytes an event: the hash of its leaf
 *     tree.json                     the tree's peaks, to go on from
 *
 * Owns the files. Each but `leaves` is written beside its place, brought to the disk and renamed; `leaves` grows, is
 * brought to the disk before a checkpoint that covers it is, and counts for nothing that a signed root does not confirm.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs/promises"
import { join } from "node:path"
import * as Bounds from "#src/kernel/Bounds.ts"
import { Hash } from "#src/kernel/Ids.ts"
import * as SystemCode from "#src/kernel/SystemCode.ts"
import { CheckpointFolder, CheckpointFolderError } from "#src/ports/CheckpointFolder.ts"
import { PrivateFiles } from "#src/ports/PrivateFiles.ts"

export interface Options {
  /** Created with mode 0700; refused where others may write into it. */
  readonly folder: string
}

/** Opens the folder for whoever writes; it is made where it is missing. */
export const layer = (options: Options): Layer.Layer<CheckpointFolder, CheckpointFolderError, PrivateFiles> =>
  Layer.effect(
    CheckpointFolder,
    Effect.gen(function* () {
      const files = yield* PrivateFiles
      yield* files.ensureFolder(options.folder, "ToWriters").pipe(
        Effect.andThen(files.removeStale(options.folder)),
        Effect.mapError(
          ({ detail, reason, retryable }) =>
            new CheckpointFolderError({
              reason: reason === "Insecure" ? "Insecure" : "Unavailable",
              detail,
              retryable
            })
        )
      )
      return over(options.folder)
    })
  )

/** The folder as it is, for whoever reads: nothing is made, and one that is missing holds nothing. */
export const over = (folder: string): CheckpointFolder["Service"] => {
  const path = (name: string) => join(folder, name)
  const sizes = attempt(folder, async () => {
    const names = await fs.readdir(folder).catch(nothing)
    return (names ?? []).flatMap((name) => sizeOf(name) ?? []).sort((one, other) => one - other)
  })
  return CheckpointFolder.of({
    sizes,
    read: (size) => attempt(folder, () => readText(path(fileName(size)))),
    keep: (size, note) =>
      Effect.flatMap(sizes, (before) =>
        attempt(folder, async () => {
          await replace(folder, fileName(size), note)
          const all = [...new Set([...before, size])].sort((one, other) => other - one)
          for (const old of all.slice(Bounds.checkpointsKept)) await fs.rm(path(fileName(old)), { force: true })
        })
      ),
    tree: attempt(folder, async () => {
      const text = await readText(path(treeName))
      return text === null ? null : Option.getOrNull(decodeTree(text))
    }),
    keepTree: (tree) => attempt(folder, () => replace(folder, treeName, `${JSON.stringify(tree)}\n`)),
    leaves: (first, count) => attempt(folder, () => readLeaves(path(leavesName), first, count)),
    keepLeaves: (first, leaves, signed) => attempt(folder, () => writeLeaves(path(leavesName), first, leaves, signed)),
    publish: (keys) => attempt(folder, () => replace(folder, keysName, keys))
  })
}

/** What stands beside the checkpoints for others to copy. */
export const keysName = "public-keys.txt"

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const treeName = "tree.json"
const leavesName = "leaves"
const leafBytes = 32

const decodeTree = Schema.decodeUnknownOption(
  Schema.fromJsonString(
    Schema.Struct({
      size: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
      peaks: Schema.Array(Hash).check(Schema.isMaxLength(64))
    })
  )
)

/** As wide as any size, so that names sort by it. */
const fileName = (size: number): string => `${String(size).padStart(16, "0")}.checkpoint`

const sizeOf = (name: string): number | null => {
  const match = /^(\d{16})\.checkpoint$/.exec(name)
  return match === null ? null : Number(match[1])
}

/** Null for a file that is not there; what is too large is cut, and so says nothing any more. */
const readText = async (path: string): Promise<string | null> => {
  const file = await fs.open(path).catch(nothing)
  if (file === null) return null
  try {
    const buffer = Buffer.alloc(Bounds.checkpointTextMax + 1)
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
    return buffer.toString("utf8", 0, bytesRead)
  } finally {
    await file.close()
  }
}

const replace = async (folder: string, name: string, text: string): Promise<void> => {
  const temporary = join(folder, `.${name}.${randomBytes(6).toString("hex")}.tmp`)
  const file = await fs.open(temporary, "wx", 0o644)
  try {
    await file.writeFile(text)
    await file.sync()
    await fs.rename(temporary, join(folder, name))
  } finally {
    await file.close()
    await fs.rm(temporary, { force: true })
  }
  await syncFolder(folder)
}

/** Windows has no such call. */
const syncFolder = async (folder: string): Promise<void> => {
  if (process.platform === "win32") return
  const handle = await fs.open(folder, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const readLeaves = async (path: string, first: number, count: number): Promise<ReadonlyArray<Hash>> => {
  const file = await fs.open(path).catch(nothing)
  if (file === null) return []
  try {
    const buffer = Buffer.alloc(count * leafBytes)
    const { bytesRead } = await file.read(buffer, 0, buffer.length, first * leafBytes)
    return Array.from(
      { length: Math.floor(bytesRead / leafBytes) },
      (_, index) => buffer.toString("hex", index * leafBytes, (index + 1) * leafBytes) as Hash
    )
  } finally {
    await file.close()
  }
}

const writeLeaves = async (path: string, first: number, leaves: ReadonlyArray<Hash>, signed: number): Promise<void> => {
  const file = await fs.open(path, "r+").catch(async (cause: unknown) => {
    if (codeOf(cause) !== "ENOENT") throw cause
    return await fs.open(path, "wx+", 0o644)
  })
  try {
    const there = Math.floor((await file.stat()).size / leafBytes)
    const from = Math.min(Math.max(first, Math.min(there, signed)), first + leaves.length)
    const bytes = Buffer.from(leaves.slice(from - first).join(""), "hex")
    if (bytes.length === 0) return
    const { bytesWritten } = await file.write(bytes, 0, bytes.length, from * leafBytes)
    if (bytesWritten < bytes.length) throw Object.assign(new Error("no space left"), { code: "ENOSPC" })
    await file.datasync()
  } finally {
    await file.close()
  }
}

const codeOf = (cause: unknown): string => SystemCode.of(cause) ?? "unknown error"

/** For what may be missing. */
const nothing = (cause: unknown): null => {
  if (codeOf(cause) === "ENOENT") return null
  throw cause
}

const attempt = <A>(folder: string, run: () => Promise<A>): Effect.Effect<A, CheckpointFolderError> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) =>
      new CheckpointFolderError({
        reason: "Unavailable",
        detail: `the checkpoints in ${folder} can't be used: ${codeOf(cause)}`,
        retryable: true
      })
  })
