/**
 * One process per data folder: PGlite itself lets two open it, and neither would see the other's rows.
 *
 *   write lock-<pid>-<start> --> look at every other lock --> none of a living process: held
 *                                                        \--> one of a living process: take mine away, refuse
 *
 * Owns the lock files and the question whether their writers live. Does not own what is locked: whoever writes there
 * asks `held` before.
 *
 * Invariants: of two processes at least the later one sees the other's file, so never both hold the folder;
 * a file's name contains the start time of its process, so removing a dead one's file never removes a living one's,
 * and a process id that was used again is not taken for its predecessor.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs"
import { join } from "node:path"
import * as SystemCode from "#src/kernel/SystemCode.ts"

/** Another process works in the folder, or the folder can't be used. Nothing was changed. */
export class FolderLocked extends Schema.TaggedError<FolderLocked>()("FolderLocked", {
  folder: Schema.String,
  /** The process that holds the folder; null where the folder itself is the trouble. */
  holderPid: Schema.NullOr(Schema.Int),
  detail: Schema.String,
  retryable: Schema.Boolean
}) {
  override get message() {
    return this.detail
  }
}

export interface Lock {
  /**
   * False once the file was taken away, for good: another process may have been in the folder since, and what this one
   * has in memory of it may be old. Nothing more may be read or written there.
   */
  readonly held: () => boolean
}

/** Creates the folder (0700) where it is missing, and holds it until the scope closes. */
export const acquire = (folder: string): Effect.Effect<Lock, FolderLocked, Scope.Scope> =>
  Effect.acquireRelease(Effect.try({ try: () => take(folder), catch: (cause) => refused(folder, cause) }), (lock) =>
    Effect.sync(() => lock.release())
  )

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** How long a lock stays fresh whose writer lives where we can't look for it (another container on the same volume). */
const heartbeatMillis = 2_000
const heartbeatMissedMillis = 15_000

interface Holder {
  readonly pid: number
  /** When the process started, in the kernel's own words, or null where the system doesn't say. */
  readonly start: string | null
  /** The kernel's boot and the process namespace: a pid means nothing outside them. */
  readonly place: string | null
}

const take = (folder: string): Lock & { readonly release: () => void } => {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
  checkPrivate(folder)
  const me: Holder = { pid: process.pid, start: startOf("self"), place: placeOf() }
  const name = `lock-${me.pid}-${me.start ?? "unknown"}-${Math.trunc(performance.timeOrigin)}`
  const path = join(folder, name)
  write(folder, name, me)
  let lost = false
  const held = (): boolean => {
    if (lost) return false
    try {
      fs.statSync(path)
      return true
    } catch (cause) {
      lost = SystemCode.of(cause) === "ENOENT"
      return false
    }
  }
  const heartbeat = setInterval(() => held() && touch(path), heartbeatMillis)
  heartbeat.unref()
  return {
    held,
    release: () => {
      clearInterval(heartbeat)
      fs.rmSync(path, { force: true })
    }
  }
}

/** Mine first, then a look at the others': of two at once, at least one sees the other. */
const write = (folder: string, name: string, me: Holder): void => {
  const path = join(folder, name)
  try {
    fs.writeFileSync(path, `${JSON.stringify(me)}\n`, { flag: "wx", mode: 0o600 })
  } catch (cause) {
    throw SystemCode.of(cause) === "EEXIST" ? inUse(folder, me, me) : cause
  }
  try {
    for (const other of fs.readdirSync(folder)) {
      if (!other.startsWith("lock-") || other === name) continue
      const holder = read(join(folder, other))
      if (holder !== null && lives(holder, me, join(folder, other))) throw inUse(folder, holder, me)
      fs.rmSync(join(folder, other), { force: true })
    }
  } catch (cause) {
    fs.rmSync(path, { force: true })
    throw cause
  }
}

/** The holder a file names; null where its writer was killed before it wrote anything. */
const read = (path: string): Holder | null => {
  try {
    return decodeHolder(JSON.parse(fs.readFileSync(path, "utf8")))
  } catch {
    // Gone, empty or half written: a writer writes it whole before it looks at others, and then refuses because of us.
    return null
  }
}

const decodeHolder = Schema.decodeUnknownSync(
  Schema.Struct({ pid: Schema.Int, start: Schema.NullOr(Schema.String), place: Schema.NullOr(Schema.String) })
)

const lives = (holder: Holder, me: Holder, path: string): boolean => {
  if (holder.place !== me.place) return Date.now() - modifiedMillis(path) < heartbeatMissedMillis
  if (!exists(holder.pid) || isOver(holder.pid)) return false
  const start = holder.pid === process.pid ? me.start : startOf(String(holder.pid))
  return start === null || holder.start === null || start === holder.start
}

const exists = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    // EPERM: it lives, and belongs to someone else.
    return SystemCode.of(cause) === "EPERM"
  }
}

/** Fields 3 and on of `/proc/<pid>/stat` (proc(5)). The name before them may hold spaces and brackets. */
const statOf = (pid: string): ReadonlyArray<string> => {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8")
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  } catch {
    return []
  }
}

/** Field 22: ticks since boot. */
const startOf = (pid: string): string | null => statOf(pid)[19] ?? null

/** A process that was killed and whose parent never asked about it: it has a number, and nothing else. */
const isOver = (pid: number): boolean => ["Z", "X"].includes(statOf(String(pid))[0] ?? "")

const placeOf = (): string | null => {
  try {
    const boot = fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()
    return `${boot} ${fs.readlinkSync("/proc/self/ns/pid")}`
  } catch {
    return null
  }
}

const modifiedMillis = (path: string): number => {
  try {
    return fs.statSync(path).mtimeMs
  } catch {
    return 0
  }
}

const touch = (path: string): void => {
  try {
    const now = new Date()
    fs.utimesSync(path, now, now)
  } catch {
    // The folder went away; whoever writes there next will say so.
  }
}

const checkPrivate = (folder: string): void => {
  const stats = fs.statSync(folder)
  if (process.getuid === undefined || (stats.mode & 0o077) === 0) return
  throw new FolderLocked({
    folder,
    holderPid: null,
    detail: `${folder} is open to others (mode ${(stats.mode & 0o777).toString(8)}); run: chmod 700 '${folder}'`,
    retryable: false
  })
}

const inUse = (folder: string, holder: Holder, me: Holder): FolderLocked =>
  new FolderLocked({
    folder,
    holderPid: holder.pid,
    detail:
      holder.place === me.place
        ? `${folder} is in use by process ${holder.pid}; stop it first, or use another folder`
        : `${folder} is in use by process ${holder.pid} of another container or machine; a lock that nobody ` +
          `renews is given up after ${heartbeatMissedMillis / 1000} s`,
    retryable: true
  })

const refused = (folder: string, cause: unknown): FolderLocked =>
  cause instanceof FolderLocked
    ? cause
    : new FolderLocked({
        folder,
        holderPid: null,
        detail: `${folder} can't be used: ${SystemCode.of(cause) ?? String(cause)}`,
        retryable: false
      })
