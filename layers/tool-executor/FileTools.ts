/**
 * file.read, file.list, file.write: text files inside the workspace.
 *
 * Owns what the three do and say. Does not own the way to a file (`Workspace`) or its spelling (`WorkspacePath`).
 *
 * Invariants: nothing outside the workspace is read, written or named; a text that is given is the file's own
 * UTF-8, uncut or marked `truncated`; `replace` leaves the old content or the new one, whatever crashes; a write that
 * failed leaves the file as it was; a write is never interrupted half way, so its answer is true.
 */
import { randomBytes } from "node:crypto"
import { constants } from "node:fs"
import { type FileHandle, lstat, opendir, open as openPath, rename, unlink } from "node:fs/promises"
import * as Tool from "effect/ai/Tool"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as Bounds from "#src/kernel/Bounds.ts"
import { failed, register, type RegisteredTool } from "./ToolRegistry.ts"
import {
  attempt,
  type Directory,
  fault,
  type FileFault,
  open,
  type Workspace,
  type WorkspaceOptions
} from "./Workspace.ts"
import { nameFault, ownPrefix, parse, type Parts } from "./WorkspacePath.ts"

const Path = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(Bounds.pathUnitsMax)).annotate({
  description: "Path from the workspace's root, parts divided by /, no . or .. parts; . alone is the root itself"
})

export const FileRead = Tool.make("file.read", {
  description: "Reads a text file (UTF-8) of the workspace. Longer files are cut and marked as truncated.",
  parameters: Schema.Struct({
    path: Path,
    maxBytes: Schema.optionalKey(
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Bounds.fileBytesMax })).annotate({
        description: `Most bytes to read; ${Bounds.fileBytesMax} if not given`
      })
    )
  }),
  success: Schema.Struct({
    path: Schema.String,
    text: Schema.String,
    /** Of the whole file, when it was opened. */
    sizeBytes: Schema.Int,
    truncated: Schema.Boolean
  })
})
  .annotate(Tool.Readonly, true)
  .annotate(Tool.Destructive, false)
  .annotate(Tool.Idempotent, true)

export const FileList = Tool.make("file.list", {
  description: "Lists one directory of the workspace by name, without what is inside its directories.",
  parameters: Schema.Struct({ path: Path }),
  success: Schema.Struct({
    path: Schema.String,
    entries: Schema.Array(
      Schema.Struct({
        name: Schema.String,
        /** `link` is a symbolic link, `other` a device, a pipe or a socket: no file tool opens them. */
        type: Schema.Literals(["file", "directory", "link", "other"]),
        sizeBytes: Schema.NullOr(Schema.Int)
      })
    ),
    /** Entries whose names no path can hold, such as names with invisible characters. */
    unlisted: Schema.Int,
    truncated: Schema.Boolean
  })
})
  .annotate(Tool.Readonly, true)
  .annotate(Tool.Destructive, false)
  .annotate(Tool.Idempotent, true)

export const FileWrite = Tool.make("file.write", {
  description:
    "Writes a text file of the workspace. Mode create (default): the file must not exist. Mode replace: the whole " +
    "content is put in place at once, whether or not the file exists. Mode append: added to the end of an existing file.",
  parameters: Schema.Struct({
    path: Path,
    content: Schema.String.check(Schema.isMaxLength(Bounds.fileBytesMax)).annotate({
      description: `The text; at most ${Bounds.fileBytesMax} bytes of UTF-8`
    }),
    mode: Schema.Literals(["create", "replace", "append"]).pipe(
      Schema.withDecodingDefaultKey(Effect.succeed("create" as const))
    )
  }),
  success: Schema.Struct({
    path: Schema.String,
    writtenBytes: Schema.Int,
    /** Of the whole file, afterwards. */
    sizeBytes: Schema.Int,
    created: Schema.Boolean
  })
})

/** The three tools over one workspace, open for as long as the scope lives. */
export const make = Effect.fnUntraced(function* (options: WorkspaceOptions) {
  return over(yield* open(options))
})

/** The three tools over a workspace that is open already. */
export const over = (workspace: Workspace): ReadonlyArray<RegisteredTool> => {
  // One write at a time, so that an append that fails can be taken back.
  const writing = Semaphore.makeUnsafe(1)
  return [
    register(FileRead, ({ path, maxBytes }) =>
      onPath(FileRead.name, path, (parts) => read(workspace, parts, maxBytes ?? Bounds.fileBytesMax)).pipe(
        Effect.map((found) => ({ path, ...found }))
      )
    ),
    register(FileList, ({ path }) =>
      onPath(FileList.name, path, (parts) => list(workspace, parts)).pipe(Effect.map((found) => ({ path, ...found })))
    ),
    register(FileWrite, ({ path, content, mode }) =>
      onPath(FileWrite.name, path, (parts) => write(workspace, parts, content, mode)).pipe(
        Effect.uninterruptible,
        (writes) => writing.withPermit(writes),
        Effect.map((done) => ({ path, ...done }))
      )
    )
  ]
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

type Mode = "create" | "replace" | "append"

const onPath = <A>(tool: string, path: string, work: (parts: Parts) => Effect.Effect<A, FileFault>) => {
  const parts = parse(path)
  if (Result.isFailure(parts)) return Effect.fail(failed(tool, "PathRefused", `the path ${parts.failure}`))
  return work(parts.success).pipe(
    Effect.mapError(({ code, detail, retryable }) => failed(tool, code, `${path}: ${detail}`, retryable))
  )
}

/** Works in the directory that holds the file, and lets go of it whatever happens. */
const inParent = <A>(workspace: Workspace, parts: Parts, work: (parent: Directory, name: string) => Promise<A>) =>
  attempt(async () => {
    const name = parts.at(-1)
    if (name === undefined) throw fault("NotAFile", "is the workspace itself")
    return await closing(await workspace.directory(parts.slice(0, -1)), (parent) => work(parent, name))
  })

const closing = async <H extends { readonly close: () => Promise<void> }, A>(
  handle: H,
  work: (handle: H) => Promise<A>
): Promise<A> => {
  try {
    return await work(handle)
  } finally {
    await handle.close()
  }
}

const read = (workspace: Workspace, parts: Parts, bytesMax: number) =>
  inParent(workspace, parts, async (parent, name) =>
    closing(await workspace.file(parent, name, constants.O_RDONLY), async (file) => {
      const { size } = await file.stat()
      const bytes = await readUpTo(file, bytesMax + 1)
      const truncated = bytes.length > bytesMax
      const text = decode(truncated ? bytes.subarray(0, bytesMax) : bytes, truncated)
      return { text, sizeBytes: Math.max(size, bytes.length), truncated }
    })
  )

const readUpTo = async (file: FileHandle, bytesMax: number): Promise<Buffer> => {
  const buffer = Buffer.allocUnsafe(bytesMax)
  let length = 0
  while (length < bytesMax) {
    const { bytesRead } = await file.read(buffer, length, bytesMax - length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return buffer.subarray(0, length)
}

/** A cut may go through a character: `stream` keeps its first bytes back instead of calling them wrong. */
const decode = (bytes: Buffer, cut: boolean): string => {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, { stream: cut })
    if (!text.includes("\0")) return text
  } catch {
    // Said below.
  }
  throw fault("NotText", "is not text in UTF-8")
}

const list = (workspace: Workspace, parts: Parts) =>
  attempt(async () =>
    closing(await workspace.directory(parts), async (directory) => {
      const { names, unlisted } = await readNames(directory)
      const entries: Array<Entry> = []
      let bytes = 0
      for (const name of names) {
        bytes += Buffer.byteLength(name) + entryBytes
        if (entries.length === Bounds.listEntriesMax || bytes > Bounds.toolOutputBytesMax) {
          return { entries, unlisted, truncated: true }
        }
        const entry = await describe(directory, name)
        if (entry !== null) entries.push(entry)
      }
      return { entries, unlisted, truncated: false }
    })
  )

/** What an entry's JSON takes beside its name. */
const entryBytes = 64

type Entry = (typeof FileList.successSchema.Type)["entries"][number]

const readNames = async (directory: Directory) => {
  const names: Array<string> = []
  let unlisted = 0
  let seen = 0
  // As bytes: a name that is not UTF-8 must not come out as another name. Closed by the loop itself.
  for await (const found of await opendir(directory.path, { encoding: "buffer" as BufferEncoding })) {
    if (++seen > Bounds.listScanMax) throw fault("TooLarge", `holds more than ${Bounds.listScanMax} entries`)
    const bytes = found.name as unknown as Buffer
    const name = bytes.toString("utf8")
    if (name.toLowerCase().startsWith(ownPrefix)) continue
    if (bytes.equals(Buffer.from(name)) && nameFault(name) === null) names.push(name)
    else unlisted++
  }
  return { names: names.sort(), unlisted }
}

const describe = async (directory: Directory, name: string): Promise<Entry | null> => {
  const stats = await lstat(directory.at(name)).catch(() => null)
  if (stats === null) return null
  if (stats.isDirectory()) return { name, type: "directory", sizeBytes: null }
  if (stats.isSymbolicLink()) return { name, type: "link", sizeBytes: null }
  return stats.isFile() ? { name, type: "file", sizeBytes: stats.size } : { name, type: "other", sizeBytes: null }
}

const write = (workspace: Workspace, parts: Parts, content: string, mode: Mode) =>
  inParent(workspace, parts, async (parent, name) => {
    const bytes = Buffer.from(content)
    if (bytes.length > Bounds.fileBytesMax) {
      throw fault("TooLarge", `the content has ${bytes.length} bytes; at most ${Bounds.fileBytesMax} at once`)
    }
    switch (mode) {
      case "create":
        return await create(parent, name, bytes)
      case "replace":
        return await replace(workspace, parent, name, bytes)
      case "append":
        return await append(workspace, parent, name, bytes)
    }
  })

const newFile = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

/** Puts bytes into a file that did not exist; takes the file away again where that fails. */
const fill = async (parent: Directory, name: string, bytes: Buffer, mode: number | null) =>
  closing(await openPath(parent.at(name), newFile, 0o644), async (file) => {
    try {
      await parent.verify(name, file)
      if (mode !== null) await file.chmod(mode)
      await file.writeFile(bytes)
      await file.sync()
    } catch (cause) {
      await removeSame(parent, name, file).catch(() => undefined)
      throw cause
    }
  })

/** Takes away what stands at `name` only where it is still this file. */
const removeSame = async (parent: Directory, name: string, file: FileHandle) => {
  const [there, ours] = [await lstat(parent.at(name)), await file.stat()]
  if (there.dev === ours.dev && there.ino === ours.ino) await unlink(parent.at(name))
}

const create = async (parent: Directory, name: string, bytes: Buffer) => {
  await fill(parent, name, bytes, null)
  await syncDirectory(parent)
  return { writtenBytes: bytes.length, sizeBytes: bytes.length, created: true }
}

const replace = async (workspace: Workspace, parent: Directory, name: string, bytes: Buffer) => {
  const existing = await workspace.look(parent, name)
  if (existing?.isDirectory()) throw fault("NotAFile", "is a directory")
  // A rename asks the directory only; the file's own "read-only" counts here too.
  if (existing !== null && (existing.mode & 0o222) === 0) throw fault("PermissionDenied", "is read-only")
  await sweep(parent)
  const unfinished = `${ownPrefix}${randomBytes(12).toString("hex")}.tmp`
  await fill(parent, unfinished, bytes, existing === null ? null : existing.mode & 0o777)
  try {
    await rename(parent.at(unfinished), parent.at(name))
  } catch (cause) {
    await unlink(parent.at(unfinished)).catch(() => undefined)
    throw cause
  }
  await syncDirectory(parent)
  return { writtenBytes: bytes.length, sizeBytes: bytes.length, created: existing === null }
}

const append = async (workspace: Workspace, parent: Directory, name: string, bytes: Buffer) =>
  closing(await workspace.file(parent, name, constants.O_WRONLY | constants.O_APPEND), async (file) => {
    const { size } = await file.stat()
    try {
      await file.writeFile(bytes)
      await file.sync()
    } catch (cause) {
      await file.truncate(size)
      throw cause
    }
    return { writtenBytes: bytes.length, sizeBytes: size + bytes.length, created: false }
  })

/** A rename is durable once its directory is. */
const syncDirectory = async (directory: Directory) =>
  closing(await openPath(directory.path, constants.O_RDONLY | constants.O_DIRECTORY), (handle) => handle.sync())

/** Longer than any run may take. */
const leftoverMillis = 10 * Bounds.toolMillisMax

/** Takes away what a `replace` left that was killed. Other services may be writing here: young ones stay. */
const sweep = async (directory: Directory) => {
  let seen = 0
  for await (const { name } of await opendir(directory.path)) {
    if (++seen > Bounds.listScanMax) return
    if (!leftover.test(name)) continue
    const stats = await lstat(directory.at(name)).catch(() => null)
    if (stats?.isFile() && stats.mtimeMs < Date.now() - leftoverMillis) {
      await unlink(directory.at(name)).catch(() => undefined)
    }
  }
}

const leftover = new RegExp(`^\\${ownPrefix}[0-9a-f]{24}\\.tmp$`)
