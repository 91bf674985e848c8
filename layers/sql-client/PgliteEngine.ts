/**
 * PGlite (PostgreSQL compiled to WebAssembly) with the durability it leaves out.
 *
 *   absent --create beside, sync every file, rename--> closed --open, show an fsync--> running --abort--> dead
 *
 * PGlite starts with fsync off and its file layer ignores it even when on. So this module drops that flag, chooses
 * the one sync method that reaches the file layer, supplies the missing call, and counts: an engine whose counter
 * does not move with a commit is not opened.
 *
 * Owns the folder's content, opening, syncing and noticing an engine's death. Does not own who may open the folder
 * (`FolderLock`) nor what is said to the engine (`PglitePgClient`).
 *
 * Invariants: a half-made database is never opened; a dead engine is never called again (PGlite itself goes on
 * after a PANIC, with memory that contradicts the disk).
 */
import { PGlite, type PGliteOptions } from "@electric-sql/pglite"
import { NodeFS } from "@electric-sql/pglite/nodefs"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { join } from "node:path"
import * as SystemCode from "#src/kernel/SystemCode.ts"
import { EngineFailed } from "./OpenFailures.ts"

export interface Engine {
  /** Runs wire-protocol bytes to the end of their work; `onData` is handed the answer. Throws where the engine died. */
  readonly exec: (bytes: Uint8Array, onData: (answer: Buffer) => void) => void
  readonly inTransaction: () => boolean
  readonly dead: () => boolean
  /** True where a write found no space since the engine was opened. */
  readonly noSpace: () => boolean
  /** How often the engine synced a file to disk. */
  readonly syncs: () => number
  readonly close: () => Promise<void>
}

/** The database's own folder in the journal's. */
export const dataName = "pgdata"

/**
 * Without a folder the database lives in memory, for tests, and promises nothing about power cuts. `overrides` replaces
 * settings of PostgreSQL; a test shows with it that an engine without fsync is not opened.
 */
export const open = (
  folder: string | null,
  overrides: { readonly [setting: string]: string } = {}
): Effect.Effect<Engine, EngineFailed> =>
  Effect.tryPromise({
    try: async () => {
      if (folder !== null && !fs.existsSync(join(folder, dataName))) await create(folder)
      if (folder !== null) checkWhole(join(folder, dataName))
      const engine = await start(folder === null ? null : join(folder, dataName), overrides)
      if (folder !== null) await showDurable(folder, engine)
      return engine
    },
    catch: (cause) => failed(folder, cause)
  })

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const unfinishedName = "pgdata.new"

const settings = {
  wal_sync_method: "fsync",
  fsync: "on",
  synchronous_commit: "on",
  default_transaction_isolation: "read committed",
  plan_cache_mode: "force_generic_plan",
  jit: "off",
  // Plans are kept for the life of the session, and nobody counts rows here: every look-up goes by its index, also one
  // that was planned while its table was empty.
  enable_seqscan: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
  // A laptop's disk is better filled with other things than with old log.
  max_wal_size: "96MB",
  min_wal_size: "32MB"
}

const startParams = (overrides: { readonly [setting: string]: string }): Array<string> => [
  ...PGlite.defaultStartParams.filter((param) => param !== "-F"),
  ...Object.entries({ ...settings, ...overrides }).flatMap(([name, value]) => ["-c", `${name}=${value}`])
]

/** What a mount of Emscripten's host file system offers, as far as it is used here. */
interface HostStream {
  readonly nfd?: number
  readonly node: object
}
interface HostFiles {
  readonly realPath: (node: object) => string
  readonly stream_ops: {
    fsync?: (stream: HostStream) => number
    write: (stream: HostStream, ...rest: ReadonlyArray<unknown>) => number
  }
}

interface Watch {
  syncs: number
  noSpace: boolean
  dead: boolean
  module: WatchedModule | null
}
type WatchedModule = PGlite["Module"]

class DurableFiles extends NodeFS {
  readonly watch: Watch
  constructor(folder: string, watch: Watch) {
    super(folder)
    this.watch = watch
  }
  override async init(...[engine, options]: Parameters<NodeFS["init"]>) {
    const { emscriptenOpts } = await super.init(engine, options)
    const install = (module: WatchedModule) => watchFiles(module.NODEFS as unknown as HostFiles, this.watch)
    return { emscriptenOpts: { ...emscriptenOpts, preRun: [...(emscriptenOpts.preRun ?? []), install] } }
  }
}

const watchFiles = (files: HostFiles, watch: Watch): void => {
  const operations = files.stream_ops
  const write = operations.write
  operations.fsync = (stream) => {
    watch.syncs += 1
    if (stream.nfd !== undefined) fs.fsyncSync(stream.nfd)
    else syncPath(files.realPath(stream.node))
    return 0
  }
  operations.write = (stream, ...rest) => {
    try {
      return write(stream, ...rest)
    } catch (cause) {
      if (isNoSpace(cause)) watch.noSpace = true
      throw cause
    }
  }
}

/** WASI's numbers for ENOSPC and EDQUOT (wasi-libc, `bits/errno`). */
const isNoSpace = (cause: unknown): boolean =>
  typeof cause === "object" && cause !== null && "errno" in cause && (cause.errno === 51 || cause.errno === 19)

const start = async (data: string | null, overrides = {}): Promise<Engine> => {
  const watch: Watch = { syncs: 0, noSpace: false, dead: false, module: null }
  const options: PGliteOptions = {
    startParams: startParams(overrides),
    ...(data === null ? {} : { fs: new DurableFiles(data, watch) })
  }
  let pglite: PGlite
  try {
    pglite = await PGlite.create(options)
  } catch (cause) {
    throw watch.noSpace ? noSpace(data) : cause
  }
  const module = pglite.Module
  watch.module = module
  const once = module._PostgresMainLoopOnce
  module._PostgresMainLoopOnce = () => {
    try {
      once()
    } catch (cause) {
      if (!isStatementError(cause)) bury(watch)
      throw cause
    }
  }
  return {
    exec: (bytes, onData) => {
      if (watch.dead) throw new EngineDied()
      // The work is done when the call returns; the promise only reports what `bury` has noticed already.
      const onRawData = (data: Uint8Array) => onData(Buffer.from(data))
      void pglite.execProtocolRawStream(bytes, { syncToFs: false, onRawData }).catch(() => bury(watch))
      if (watch.dead) throw new EngineDied()
    },
    inTransaction: () => pglite.isInTransaction(),
    dead: () => watch.dead,
    noSpace: () => watch.noSpace,
    syncs: () => watch.syncs,
    close: async () => {
      if (!watch.dead) await pglite.close()
    }
  }
}

/** How PGlite reports a failed statement: the engine lives on. Everything else (abort, trap, exit) is its end. */
const isStatementError = (cause: unknown): boolean =>
  typeof cause === "object" && cause !== null && "status" in cause && cause.status === 100

class EngineDied extends Error {
  override readonly name = "EngineDied"
}

/**
 * PGlite's loop swallows what an abort throws and would call the engine again, which would then finish the very
 * commit it panicked in. It leaves the loop where restoring the stack throws.
 */
const bury = (watch: Watch): void => {
  watch.dead = true
  const nothing = () => undefined
  if (watch.module === null) return
  Object.assign(watch.module, {
    stackRestore: () => {
      throw new EngineDied()
    },
    _PostgresMainLoopOnce: () => {
      throw new EngineDied()
    },
    _PostgresSendReadyForQueryIfNecessary: nothing,
    _pgl_pq_flush: nothing
  })
}

/** PGlite takes a folder without these for an empty one, and makes a new database over what lies there. */
const vital = ["PG_VERSION", "global/pg_control"]

const checkWhole = (data: string): void => {
  fs.accessSync(data, fs.constants.R_OK | fs.constants.W_OK)
  const missing = vital.find((name) => !fs.existsSync(join(data, name)))
  if (missing === undefined) return
  throw new EngineFailed({
    reason: "NotWhole",
    folder: data,
    detail: `${data} is no whole database: ${missing} is missing; nothing was touched, restore a backup`,
    retryable: false
  })
}

/** Makes the database beside its place, so that a kill or a power cut in the middle leaves nothing that looks whole. */
const create = async (folder: string): Promise<void> => {
  const unfinished = join(folder, unfinishedName)
  fs.rmSync(unfinished, { recursive: true, force: true })
  fs.mkdirSync(unfinished, { mode: 0o700 })
  const engine = await start(unfinished)
  await engine.close()
  syncTree(unfinished)
  fs.renameSync(unfinished, join(folder, dataName))
  syncPath(folder)
}

/** One commit that must move the counter. The message lies in the log alone: nothing is left to clean up. */
const showDurable = async (folder: string, engine: Engine): Promise<void> => {
  const before = engine.syncs()
  engine.exec(simpleQuery("SELECT pg_logical_emit_message(true, 'keelson', 'shown')"), () => undefined)
  if (engine.syncs() > before) return
  await engine.close()
  throw new EngineFailed({
    reason: "NotDurable",
    folder,
    detail: `${folder}: a commit was not followed by an fsync, so nothing here would survive a power cut; not started`,
    retryable: false
  })
}

/** A `Query` message (PostgreSQL's protocol, "Message Formats"). */
const simpleQuery = (text: string): Buffer => {
  const message = Buffer.alloc(6 + Buffer.byteLength(text))
  message.write("Q", 0)
  message.writeInt32BE(message.length - 1, 1)
  message.write(text, 5)
  return message
}

const syncTree = (path: string): void => {
  for (const entry of fs.readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) syncTree(join(path, entry.name))
    else if (entry.isFile()) syncPath(join(path, entry.name))
  }
  syncPath(path)
}

const syncPath = (path: string): void => {
  const file = fs.openSync(path, "r")
  try {
    fs.fsyncSync(file)
  } finally {
    fs.closeSync(file)
  }
}

const noSpace = (folder: string | null): EngineFailed =>
  new EngineFailed({
    reason: "NoSpace",
    folder,
    detail: `no space left on the disk of ${folder ?? "memory"}`,
    retryable: true
  })

const unwritable = (folder: string | null, code: string): EngineFailed =>
  new EngineFailed({
    reason: "Broken",
    folder,
    detail: `the embedded database in ${folder ?? "memory"} can't be written by this user (${code})`,
    retryable: false
  })

const failed = (folder: string | null, cause: unknown): EngineFailed => {
  if (cause instanceof EngineFailed) return cause
  const code = SystemCode.of(cause)
  if (code === "ENOSPC") return noSpace(folder)
  if (code === "EACCES" || code === "EROFS") return unwritable(folder, code)
  return new EngineFailed({
    reason: "Broken",
    folder,
    detail: `the embedded database in ${folder ?? "memory"} can't be opened: ${String(cause)}`,
    retryable: false
  })
}
