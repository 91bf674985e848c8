/**
 * Private files on `node:fs`.
 *
 *   absent --write temporary, fsync, link, fsync folder--> present for good
 *
 * `link` rather than `rename`: a rename would let the second of two creators destroy the first one's secret.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { randomBytes } from "node:crypto"
import { constants, type Stats } from "node:fs"
import * as fs from "node:fs/promises"
import { join } from "node:path"
import { privateFileBytesMax } from "#src/kernel/Bounds.ts"
import * as SystemCode from "#src/kernel/SystemCode.ts"
import { type Closed, damaged, PrivateFileError, PrivateFiles } from "#src/ports/PrivateFiles.ts"

export const make = PrivateFiles.of({
  ensureFolder: (folder, closed) =>
    attempt(folder, async () => {
      await fs.mkdir(folder, { recursive: true, mode: 0o700 })
      checkFolder(folder, await fs.stat(folder), closed)
    }),
  list: (folder, closed) =>
    attempt(folder, async () => {
      checkFolder(folder, await fs.stat(folder), closed)
      return (await fs.readdir(folder)).filter((name) => !isTemporary(name)).sort()
    }),
  read: (folder, name) => attempt(join(folder, name), () => readWhole(join(folder, name))),
  create: (folder, name, text) => attempt(join(folder, name), () => createWhole(folder, name, text)),
  removeStale: (folder) =>
    Effect.flatMap(Clock.currentTimeMillis, (nowMillis) => attempt(folder, () => sweep(folder, nowMillis))),
  state: (folder) =>
    attempt(folder, async () => {
      const stats = await fs.stat(folder, { bigint: true })
      return `${stats.ino}/${stats.mtimeNs}/${stats.ctimeNs}`
    })
})

export const layer: Layer.Layer<PrivateFiles> = Layer.succeed(PrivateFiles, make)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const temporarySuffix = ".tmp"

/** A creator needs milliseconds; what is older was left by a killed one. */
const staleAfterMillis = 60_000

/** What a creator that was killed half way leaves behind. */
const isTemporary = (name: string): boolean => name.startsWith(".") && name.endsWith(temporarySuffix)

const readWhole = async (path: string): Promise<string> => {
  const file = await fs.open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    checkFile(path, await file.stat())
    const buffer = Buffer.alloc(privateFileBytesMax + 1)
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
    if (bytesRead > privateFileBytesMax) throw damaged(path, `it is larger than ${privateFileBytesMax} bytes`)
    const text = buffer.toString("utf8", 0, bytesRead)
    buffer.fill(0)
    return text
  } finally {
    await file.close()
  }
}

const createWhole = async (folder: string, name: string, text: string): Promise<void> => {
  const temporary = join(folder, `.${name}.${randomBytes(6).toString("hex")}${temporarySuffix}`)
  const file = await fs.open(temporary, "wx", 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
    await fs.link(temporary, join(folder, name))
  } finally {
    await file.close()
    await fs.rm(temporary, { force: true })
  }
  await syncFolder(folder)
}

const sweep = async (folder: string, nowMillis: number): Promise<void> => {
  for (const name of await fs.readdir(folder)) {
    if (!isTemporary(name)) continue
    const path = join(folder, name)
    const stats = await fs.lstat(path).catch(() => undefined)
    if (stats !== undefined && nowMillis - stats.mtimeMs > staleAfterMillis) await fs.rm(path, { force: true })
  }
}

/** A new name is on the disk only when its folder is. Windows has no such call. */
const syncFolder = async (folder: string): Promise<void> => {
  if (ownUser === undefined) return
  const handle = await fs.open(folder, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const attempt = <A>(path: string, run: () => Promise<A>): Effect.Effect<A, PrivateFileError> =>
  Effect.tryPromise({ try: run, catch: (cause) => classified(path, cause) })

const classified = (path: string, cause: unknown): PrivateFileError => {
  if (cause instanceof PrivateFileError) return cause
  const code = SystemCode.of(cause) ?? "unknown error"
  const fail = (reason: PrivateFileError["reason"], detail: string, retryable = false) =>
    new PrivateFileError({ reason, path, detail, retryable })
  switch (code) {
    case "ENOENT":
      return fail("Missing", `${path} does not exist`)
    case "EEXIST":
      return fail("Exists", `${path} exists already`)
    case "ELOOP":
      return insecure(path, `${path} is a symbolic link; put the file itself there`)
    default:
      return fail("Unavailable", `${path}: ${code}`, true)
  }
}

const insecure = (path: string, detail: string): PrivateFileError =>
  new PrivateFileError({ reason: "Insecure", path, detail, retryable: false })

/** A word of a POSIX shell, so that a command from an error can be pasted. */
const shellWord = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

const octal = (stats: Stats): string => (stats.mode & 0o777).toString(8).padStart(4, "0")

/** Undefined on Windows, where neither owners nor modes mean this. */
const ownUser = process.getuid?.()

const checkOwner = (path: string, stats: Stats): void => {
  if (ownUser === undefined || stats.uid === ownUser) return
  throw insecure(path, `${path} belongs to user ${stats.uid}; run: chown ${ownUser} ${shellWord(path)}`)
}

const checkFile = (path: string, stats: Stats): void => {
  if (!stats.isFile()) throw insecure(path, `${path} is not a file`)
  checkOwner(path, stats)
  if (ownUser !== undefined && (stats.mode & 0o077) !== 0) {
    throw insecure(path, `${path} is open to others (mode ${octal(stats)}); run: chmod 600 ${shellWord(path)}`)
  }
}

const checkFolder = (path: string, stats: Stats, closed: Closed): void => {
  if (!stats.isDirectory()) throw insecure(path, `${path} is not a folder`)
  checkOwner(path, stats)
  if (ownUser === undefined) return
  if (closed === "ToReaders" && (stats.mode & 0o077) !== 0) {
    throw insecure(path, `${path} is open to others (mode ${octal(stats)}); run: chmod 700 ${shellWord(path)}`)
  }
  if ((stats.mode & 0o022) !== 0) {
    throw insecure(path, `others may write into ${path} (mode ${octal(stats)}); run: chmod go-w ${shellWord(path)}`)
  }
}
