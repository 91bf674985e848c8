/**
 * The one folder that tools may read and write, and the way into it that can't be talked out of it.
 *
 * Two ways of resolution, the better one taken where the system has it:
 * - `descriptor` (Linux with /proc): each part of a path is opened without following links, from the descriptor of
 *   the part before it (`/proc/self/fd/N/part`), and the file itself is judged before it is opened for use. Nothing
 *   is ever resolved by name twice, so there is no moment in which a rename or a new link could lead elsewhere.
 * - `checked` (elsewhere): parts are looked at one by one, the file is opened without following a link, and then its
 *   real path and identity are compared, before a byte is read or written. A weaker promise: it holds against every
 *   link that stands there, but a process beside us that swaps directories for links can hit the moments between the
 *   looks (it was tried: one append in a thousand got out). Let nothing untrusted run in such a workspace.
 *
 * Owns resolution and the kinds of file that may be used: directories and regular files with one name.
 * Does not own what is done with them (`FileTools`), nor which process may change the folder beside us.
 */
import { constants, type Stats } from "node:fs"
import { type FileHandle, lstat, mkdir, open as openFile, realpath } from "node:fs/promises"
import { isAbsolute, join, relative, sep } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SystemCode from "#src/kernel/SystemCode.ts"
import type { Parts } from "./WorkspacePath.ts"

export interface WorkspaceOptions {
  /** Absolute path; made, for its owner alone, where it is missing. */
  readonly root: string
  /** Folders that may neither hold the workspace nor lie in it, such as the service's own data folder. */
  readonly apartFrom?: ReadonlyArray<string>
  /** Default `auto`: the better one that works here. */
  readonly resolution?: "auto" | Resolution
}

export type Resolution = "descriptor" | "checked"

/** A folder that can't be the workspace, found at start. */
export class WorkspaceInvalid extends Schema.TaggedError<WorkspaceInvalid>()("WorkspaceInvalid", {
  root: Schema.String,
  detail: Schema.String,
  retryable: Schema.Literal(false)
}) {
  override get message() {
    return `workspace ${this.root}: ${this.detail}`
  }
}

/** What can go wrong with a file in the workspace. `detail` never holds a path outside it. */
export class FileFault extends Schema.TaggedError<FileFault>()("FileFault", {
  code: Schema.Literals([
    "NotFound",
    "NotADirectory",
    "NotAFile",
    "LinkRefused",
    "PermissionDenied",
    "Exists",
    "NameTooLong",
    "NoSpace",
    "Busy",
    "NotText",
    "TooLarge",
    "Moved",
    "Failed"
  ]),
  detail: Schema.String,
  retryable: Schema.Boolean
}) {
  override get message() {
    return this.detail
  }
}

export const fault = (code: FileFault["code"], detail: string, retryable = false): FileFault =>
  new FileFault({ code, detail, retryable })

/** A directory in hand. Names under `at` are resolved from it, wherever it has been moved to meanwhile. */
export interface Directory {
  /** A path that means this directory until `close`. */
  readonly path: string
  readonly at: (name: string) => string
  /** Throws `Moved` where the handle is not what stands at `name` in this directory, in the workspace. */
  readonly verify: (name: string, handle: FileHandle) => Promise<void>
  readonly close: () => Promise<void>
}

export interface Workspace {
  /** Real path of the root. */
  readonly root: string
  /** A path that means the root for as long as the workspace is open, even when its name comes to mean another folder. */
  readonly rootHandle: string
  readonly resolution: Resolution
  /** Opens the directory that these parts lead to. Throws `FileFault`. Close it. */
  readonly directory: (parts: Parts) => Promise<Directory>
  /** What stands at `name`, or null. Throws `FileFault` where it is neither directory nor regular file with one name. */
  readonly look: (directory: Directory, name: string) => Promise<Stats | null>
  /** Opens an existing regular file that has one name. Never blocks on a pipe, never opens a device. Close it. */
  readonly file: (directory: Directory, name: string, flags: number) => Promise<FileHandle>
}

/** Runs file work; what is thrown becomes a `FileFault`, by its error code. */
export const attempt = <A>(work: () => Promise<A>): Effect.Effect<A, FileFault> =>
  Effect.tryPromise({ try: work, catch: toFault })

/** Opens the workspace for as long as the scope lives. */
export const open = Effect.fnUntraced(function* (options: WorkspaceOptions) {
  const refuse = (detail: string) => new WorkspaceInvalid({ root: options.root, detail, retryable: false })
  if (process.platform === "win32") return yield* refuse("file tools are not supported on Windows")
  if (!isAbsolute(options.root)) return yield* refuse("write an absolute path")
  const root = yield* Effect.tryPromise({
    try: () => mkdir(options.root, { recursive: true, mode: 0o700 }).then(() => realpath(options.root)),
    catch: (cause) => refuse(`can't be made or opened (${errorCode(cause)})`)
  })
  if (root === sep) return yield* refuse("is the root of the file system")
  for (const path of options.apartFrom ?? []) {
    const real = yield* Effect.promise(() => realpath(path).catch(() => path))
    if (within(root, real) || within(real, root))
      return yield* refuse(`and ${path} lie in one another; keep them apart`)
  }
  const handle = yield* Effect.acquireRelease(
    Effect.tryPromise({
      try: () => openFile(root, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW),
      catch: (cause) => refuse(`can't be opened (${errorCode(cause)})`)
    }),
    (handle) => Effect.promise(() => handle.close())
  )
  const works = yield* Effect.promise(() => descriptorsWork(handle))
  if (options.resolution === "descriptor" && !works) return yield* refuse("this system has no /proc/self/fd")
  const resolution: Resolution = works && options.resolution !== "checked" ? "descriptor" : "checked"
  return resolution === "descriptor" ? byDescriptor(root, handle) : byCheck(root)
})

/** True where `path` is `folder` or lies in it. Both real paths. */
export const within = (folder: string, path: string): boolean => {
  const way = relative(folder, path)
  return way === "" || (way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way))
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Linux's O_PATH, which Node does not name: a descriptor that means a file without opening it (man 2 open). */
const O_PATH = 0o10000000

const ownPath = (handle: FileHandle) => `/proc/self/fd/${handle.fd}`

const descriptorsWork = async (handle: FileHandle): Promise<boolean> => {
  if (process.platform !== "linux") return false
  try {
    const again = await openFile(ownPath(handle), O_PATH | constants.O_DIRECTORY)
    try {
      return sameFile(await again.stat(), await handle.stat())
    } finally {
      await again.close()
    }
  } catch {
    return false
  }
}

const sameFile = (a: Stats, b: Stats) => a.dev === b.dev && a.ino === b.ino

const byDescriptor = (root: string, rootHandle: FileHandle): Workspace => {
  const pin = (path: string) => openFile(path, O_PATH | constants.O_NOFOLLOW)

  const directory = async (parts: Parts) => {
    let current = await openFile(ownPath(rootHandle), O_PATH | constants.O_DIRECTORY)
    try {
      for (const part of parts) {
        const next = await pin(`${ownPath(current)}/${part}`)
        await current.close()
        current = next
        requireDirectory(await current.stat())
      }
    } catch (cause) {
      await current.close()
      throw cause
    }
    const path = ownPath(current)
    return { path, at: (name: string) => `${path}/${name}`, verify: async () => {}, close: () => current.close() }
  }

  const look = async ({ at }: Directory, name: string) => {
    const pinned = await pin(at(name)).catch(nullWhereMissing)
    if (pinned === null) return null
    try {
      return requireUsable(await pinned.stat())
    } finally {
      await pinned.close()
    }
  }

  const file = async ({ at }: Directory, name: string, flags: number) => {
    const pinned = await pin(at(name))
    try {
      requireFile(await pinned.stat())
      // The same file again, by its descriptor: what was judged is what is opened.
      return await openFile(ownPath(pinned), flags | quietly)
    } finally {
      await pinned.close()
    }
  }

  return { root, rootHandle: ownPath(rootHandle), resolution: "descriptor", directory, look, file }
}

const byCheck = (root: string): Workspace => {
  const directory = async (parts: Parts): Promise<Directory> => {
    let path = root
    for (const part of parts) {
      path = join(path, part)
      requireDirectory(await lstat(path))
    }
    if ((await realpath(path)) !== path) throw moved()
    const verify = async (name: string, handle: FileHandle) => {
      const expected = join(path, name)
      if ((await realpath(expected)) !== expected) throw moved()
      if (!sameFile(await lstat(expected), await handle.stat())) throw moved()
    }
    return { path, at: (name) => join(path, name), verify, close: async () => {} }
  }

  const look = async ({ at }: Directory, name: string) => {
    const stats = await lstat(at(name)).catch(nullWhereMissing)
    return stats === null ? null : requireUsable(stats)
  }

  const file = async ({ at, verify }: Directory, name: string, flags: number) => {
    requireFile(await lstat(at(name)))
    const handle = await openFile(at(name), flags | quietly | constants.O_NOFOLLOW)
    try {
      requireFile(await handle.stat())
      await verify(name, handle)
      return handle
    } catch (cause) {
      await handle.close()
      throw cause
    }
  }

  return { root, rootHandle: root, resolution: "checked", directory, look, file }
}

/** No waiting for the other end of a pipe, no terminal taken over. */
const quietly = constants.O_NONBLOCK | constants.O_NOCTTY

const requireDirectory = (stats: Stats): Stats => {
  if (stats.isSymbolicLink())
    throw fault("LinkRefused", "a part of the path is a symbolic link; links are not followed")
  if (!stats.isDirectory()) throw fault("NotADirectory", "a part of the path is not a directory")
  return stats
}

const requireFile = (stats: Stats): Stats => {
  if (stats.isSymbolicLink()) throw fault("LinkRefused", "is a symbolic link; links are not followed")
  if (stats.isDirectory()) throw fault("NotAFile", "is a directory")
  if (!stats.isFile()) throw fault("NotAFile", "is a device, a pipe or a socket")
  // A second name may stand outside the workspace, so the file is not the workspace's alone.
  if (stats.nlink > 1) throw fault("LinkRefused", "has more than one name (hard link)")
  return stats
}

const requireUsable = (stats: Stats): Stats => (stats.isDirectory() ? stats : requireFile(stats))

const moved = () => fault("Moved", "something was renamed on the way; nothing was done", true)

const errorCode = (cause: unknown): string => SystemCode.of(cause) ?? "unknown"

const nullWhereMissing = (cause: unknown): null => {
  if (errorCode(cause) === "ENOENT") return null
  throw cause
}

const toFault = (cause: unknown): FileFault => {
  if (cause instanceof FileFault) return cause
  const code = errorCode(cause)
  return faults[code]?.() ?? fault("Failed", `the file system refused (${code})`)
}

const faults: { readonly [code: string]: () => FileFault } = {
  ENOENT: () => fault("NotFound", "there is no such file or directory"),
  ENOTDIR: () => fault("NotADirectory", "a part of the path is not a directory"),
  ELOOP: () => fault("LinkRefused", "is a symbolic link; links are not followed"),
  EACCES: () => fault("PermissionDenied", "the service may not do this to the file"),
  EPERM: () => fault("PermissionDenied", "the service may not do this to the file"),
  EROFS: () => fault("PermissionDenied", "the file system is read-only"),
  EISDIR: () => fault("NotAFile", "is a directory"),
  ENXIO: () => fault("NotAFile", "is a device, a pipe or a socket"),
  EEXIST: () => fault("Exists", "exists already"),
  ENOTEMPTY: () => fault("Exists", "exists already"),
  ENAMETOOLONG: () => fault("NameTooLong", "the file system takes no name as long as this"),
  ENOSPC: () => fault("NoSpace", "there is no space left", true),
  EDQUOT: () => fault("NoSpace", "there is no space left", true),
  EFBIG: () => fault("NoSpace", "there is no space left", true),
  EMFILE: () => fault("Busy", "too many files are open", true),
  ENFILE: () => fault("Busy", "too many files are open", true),
  ETXTBSY: () => fault("Busy", "the file is in use", true)
}
