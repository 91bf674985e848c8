/**
 * Child processes that die with whoever asked for them: with the scope, and with this process, even when it is killed.
 *
 *   scope closes -> SIGTERM to the group -> SIGKILL to the group -> gone from the process table
 *   SIGKILL to us -> the kernel's parent-death signal, and a warden that sees its pipe close, kill the groups
 *
 * Containment, the better one that works here:
 * - `namespace` (Linux with user namespaces): the command runs in a process namespace of its own. When it ends, or
 *   anything on the way to it is killed, the kernel kills all it started, also what left the process group; it sees
 *   and signals nothing outside, and can't read this process's environment or memory.
 * - `group` (elsewhere): all that stays in its process group is killed. What calls setsid, gets away: allow no
 *   command that does.
 *
 * Owns starting, capturing and killing. Does not own which command may run (`ShellTool`).
 * Why not Effect's ChildProcess: it does not tell a signal from a code, reads a command's output to the end before
 * it kills the group that holds it open, and leaves the group behind when this process is killed.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { readdir, readFile } from "node:fs/promises"
import { constants } from "node:os"
import type { Readable } from "node:stream"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as SystemCode from "#src/kernel/SystemCode.ts"

export type Containment = "namespace" | "group"

export interface Command {
  /** Absolute path of the program. */
  readonly file: string
  readonly arguments: ReadonlyArray<string>
  readonly workingDirectory: string
  /** All of the environment. */
  readonly environment: { readonly [name: string]: string }
}

export interface Captured {
  /** The first `Bounds.shellOutputBytesMax` bytes; what came after them was read and dropped. */
  readonly bytes: Buffer
  readonly truncated: boolean
}

export interface Finished {
  /** 128 + n where signal n ended the command, as shells have it. */
  readonly exitCode: number
  /** The signal's name where the system tells it from an exit code: not in a namespace. */
  readonly signal: string | null
  readonly stdout: Captured
  readonly stderr: Captured
}

/** The system did not start the command. `code` is the system's own (`EAGAIN`, `ENOENT`). */
export class NotStarted extends Schema.TaggedError<NotStarted>()("NotStarted", {
  code: Schema.String,
  retryable: Schema.Boolean
}) {}

export interface ProcessGroups {
  readonly containment: Containment
  /** Runs to the end. When this effect has ended, however it ended, no process of the group is left. */
  readonly run: (command: Command) => Effect.Effect<Finished, NotStarted>
}

/** `wanted` stronger than what works here is a defect at start: nobody should believe in it. */
export const open = Effect.fnUntraced(function* (wanted: "auto" | Containment = "auto") {
  const namespace = wanted === "group" ? null : yield* firstThatWorks([inNamespace])
  if (wanted === "namespace" && namespace === null)
    return yield* new NotStarted({ code: "NoNamespace", retryable: false })
  const prefix = namespace ?? (yield* firstThatWorks([withParent])) ?? []
  const warden = yield* Effect.acquireRelease(Effect.sync(makeWarden), (warden) => Effect.promise(warden.close))
  return {
    containment: namespace === null ? "group" : "namespace",
    run: (command) =>
      Effect.acquireUseRelease(
        start(prefix, command, warden),
        (running) => Effect.promise(() => running.finished),
        (running) => Effect.promise(() => end(running, warden))
      )
  } satisfies ProcessGroups
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Half of what the executor keeps back for stopping; the rest is for the kernel to clear the table. */
const graceMillis = Bounds.toolStopMillis / 2
/** How often a dying group is looked at. */
const pollMillis = 5

const systemFolders = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]

/** util-linux's programs by absolute path: the command's own PATH has no say in how it is contained. */
const program = (name: string) => systemFolders.map((folder) => `${folder}/${name}`).find((file) => existsSync(file))

/** Dies with us by the kernel's hand, and gains no privilege by what it starts. */
const withParent = (): ReadonlyArray<string> | null => {
  const setpriv = program("setpriv")
  return setpriv === undefined ? null : [setpriv, "--pdeathsig", "KILL", "--no-new-privs", "--"]
}

const inNamespace = (): ReadonlyArray<string> | null => {
  const [parent, unshare] = [withParent(), program("unshare")]
  if (parent === null || unshare === undefined) return null
  const own = ["--user", "--map-current-user", "--pid", "--fork", "--kill-child=KILL", "--"]
  return [...parent, unshare, ...own, "/bin/sh", "-c", initScript, "init"]
}

/**
 * The namespace's first process, because the kernel keeps most signals from a first process: the command itself must
 * not be it. Passes arguments on without reading them, and keeps the shell's own remarks out of the output.
 */
const initScript = `exec 3>&2 2>/dev/null; (exec "$@" 2>&3 3>&-); exit "$?"`

/**
 * Nothing of a command runs before the warden knows its group: a kill between the two would leave it running. Where we
 * die before the word, the gate reads our end, and ends.
 */
const gateScript = `read -r word && [ "$word" = go ] && exec "$@" </dev/null`

/** A prefix is believed in once a command has run behind it: containers often have the programs but forbid their use. */
const firstThatWorks = Effect.fnUntraced(function* (prefixes: ReadonlyArray<() => ReadonlyArray<string> | null>) {
  if (process.platform !== "linux") return null
  for (const make of prefixes) {
    const prefix = make()
    if (prefix !== null && (yield* Effect.promise(() => works(prefix)))) return prefix
  }
  return null
})

const works = ([file = "", ...rest]: ReadonlyArray<string>): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = spawn(file, [...rest, "/bin/sh", "-c", "exit 42"], { stdio: "ignore", env: {}, timeout: 5_000 })
    probe.once("error", () => resolve(false))
    probe.once("exit", (code) => resolve(code === 42))
  })

interface Running {
  /** Also the group's id. */
  readonly pid: number
  readonly hasExited: () => boolean
  readonly exited: Promise<void>
  /** After the exit, once nothing is left of the group. */
  readonly finished: Promise<Finished>
  readonly letGo: () => void
}

const start = (prefix: ReadonlyArray<string>, command: Command, warden: Warden) =>
  Effect.callback<Running, NotStarted>((resume) => {
    const fail = (cause: unknown) => resume(Effect.fail(notStarted(cause)))
    try {
      const child = spawn("/bin/sh", ["-c", gateScript, "gate", ...prefix, command.file, ...command.arguments], {
        cwd: command.workingDirectory,
        env: { ...command.environment },
        stdio: ["pipe", "pipe", "pipe"],
        detached: true
      })
      const { pid } = child
      child.stdin.on("error", () => undefined)
      if (pid !== undefined) {
        warden.watch(pid)
        child.stdin.end("go\n")
      }
      child.once("error", fail)
      child.once("spawn", () => {
        if (pid !== undefined) resume(Effect.succeed(follow(child, pid)))
      })
    } catch (cause) {
      fail(cause)
    }
  })

const notStarted = (cause: unknown) => {
  const code = SystemCode.of(cause) ?? "unknown"
  return new NotStarted({ code, retryable: code === "EAGAIN" || code === "EMFILE" || code === "ENFILE" })
}

const follow = (child: ChildProcess, pid: number): Running => {
  const stdout = capture(child.stdout)
  const stderr = capture(child.stderr)
  const exit = new Promise<{ exitCode: number; signal: string | null }>((resolve) => {
    child.once("exit", (code, signal) => {
      resolve({ exitCode: signal === null ? (code ?? 0) : 128 + constants.signals[signal], signal })
    })
  })
  const finished = exit.then(async (how) => {
    // Once, and right after the exit, while the number can't yet mean another group. What was left running would
    // keep the pipes open, too.
    if (signalGroup(pid, "SIGKILL")) await goneGroup(pid)
    await within(Promise.all([stdout.closed, stderr.closed]), graceMillis)
    return { ...how, stdout: stdout.taken(), stderr: stderr.taken() }
  })
  return {
    pid,
    hasExited: () => child.exitCode !== null || child.signalCode !== null,
    exited: exit.then(() => undefined),
    finished,
    letGo: () => {
      child.stdout?.destroy()
      child.stderr?.destroy()
    }
  }
}

/** Keeps the first bytes and goes on reading: a command that is not listened to would hang, not end. */
const capture = (stream: Readable | null) => {
  const chunks: Array<Buffer> = []
  let kept = 0
  let truncated = false
  stream?.on("data", (chunk: Buffer) => {
    const room = Bounds.shellOutputBytesMax - kept
    truncated ||= chunk.length > room
    if (room <= 0) return
    chunks.push(chunk.subarray(0, room))
    kept += Math.min(room, chunk.length)
  })
  const closed = new Promise<void>((resolve) => {
    if (stream === null) return resolve()
    stream.once("error", () => resolve())
    stream.once("close", () => resolve())
  })
  return { closed, taken: (): Captured => ({ bytes: Buffer.concat(chunks), truncated }) }
}

/** Nothing is left when this is done, but for what the kernel itself can't end (a hung disk) within the bound. */
const end = async ({ pid, hasExited, exited, finished, letGo }: Running, warden: Warden) => {
  if (!hasExited()) {
    signalGroup(pid, "SIGTERM")
    await within(exited, graceMillis)
  }
  if (!hasExited()) signalGroup(pid, "SIGKILL")
  await within(finished, 2 * graceMillis)
  letGo()
  warden.forget(pid)
}

/** False where no process of the group is left. */
const signalGroup = (group: number, signal: NodeJS.Signals | 0): boolean => {
  try {
    return process.kill(-group, signal)
  } catch {
    return false
  }
}

const goneGroup = async (group: number) => {
  const deadline = Date.now() + graceMillis
  while (signalGroup(group, 0) && (await anyAlive(group)) && Date.now() < deadline) await pause(pollMillis)
}

/** Whether more than zombies is left: those wait for the system's first process, which may take its time to bury them. */
const anyAlive = async (group: number): Promise<boolean> => {
  if (process.platform !== "linux") return true
  const pids = (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry))
  const stats = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")))
  return stats.some((stat) => {
    // man 5 proc: pid (name) state parent group; the name may hold anything, also brackets.
    const [state, , owner] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return owner === String(group) && state !== "Z" && state !== "X"
  })
}

const pause = (millis: number) => new Promise<void>((resolve) => setTimeout(resolve, millis))

const within = async (done: Promise<unknown>, millis: number) => {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([done, new Promise((resolve) => (timer = setTimeout(resolve, millis)))])
  clearTimeout(timer)
}

interface Warden {
  readonly watch: (group: number) => void
  readonly forget: (group: number) => void
  readonly close: () => Promise<void>
}

/** Keeps a list of groups; when its input ends, because we do, it kills those that are still on it. */
const wardenScript = `
trap "" HUP INT QUIT TERM
groups=" "
while read -r what group; do
  case $what in
    watch) groups="$groups$group " ;;
    forget) case $groups in *" $group "*) groups="\${groups%% $group *} \${groups#* $group }" ;; esac ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group"; done
`

/** One small process beside us, in a session of its own so that what is sent to our group does not reach it. */
const makeWarden = (): Warden => {
  const watched = new Set<number>()
  let closed = false
  const launch = () => {
    const child = spawn("/bin/sh", ["-c", wardenScript], {
      detached: true,
      env: {},
      stdio: ["pipe", "ignore", "ignore"]
    })
    child.unref()
    child.on("error", () => undefined)
    child.stdin.on("error", () => undefined)
    for (const group of watched) child.stdin.write(`watch ${group}\n`)
    return child
  }
  let child = launch()
  const tell = (line: string) => {
    // Whoever killed it must not have switched it off for what comes next.
    if (!closed && (child.exitCode !== null || child.signalCode !== null)) child = launch()
    else child.stdin.write(line)
  }
  return {
    watch: (group) => {
      watched.add(group)
      tell(`watch ${group}\n`)
    },
    forget: (group) => {
      watched.delete(group)
      tell(`forget ${group}\n`)
    },
    close: async () => {
      closed = true
      const exited = new Promise((resolve) => child.once("exit", resolve))
      child.stdin.end()
      if (child.exitCode === null && child.signalCode === null) await within(exited, graceMillis)
    }
  }
}
