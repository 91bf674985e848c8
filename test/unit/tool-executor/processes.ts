/**
 * Looks at the system's processes, to tell what was left behind. Linux.
 */
import { readdirSync, readFileSync } from "node:fs"
import { setTimeout as pause } from "node:timers/promises"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type Containment, open } from "#layers/tool-executor/ProcessGroups.ts"

/** Containers often forbid namespaces; what needs one is skipped there, and only there. */
export const namespacesWork = Exit.isSuccess(await Effect.runPromiseExit(Effect.scoped(open("namespace"))))

export const containments: ReadonlyArray<Containment> = namespacesWork ? ["namespace", "group"] : ["group"]

/** Pids, as strings, of living processes one of whose arguments is this very text. Zombies have no arguments. */
export const withArgument = (argument: string): ReadonlyArray<string> =>
  readdirSync("/proc").filter((entry) => {
    if (!/^\d+$/.test(entry)) return false
    try {
      return readFileSync(`/proc/${entry}/cmdline`, "utf8").split("\0").includes(argument)
    } catch {
      return false
    }
  })

/** Pids, as strings, of a process's living children. */
export const childrenOf = (pid: number): ReadonlyArray<string> =>
  readdirSync("/proc").filter((entry) => {
    const [state, parent] = statusOf(entry)
    return parent === String(pid) && state !== "Z"
  })

/** A process that runs, or will: no zombie. */
export const isThere = (pid: string): boolean => {
  const [state] = statusOf(pid)
  return state !== undefined && state !== "Z"
}

/** State and parent; nothing where there is no such process. */
const statusOf = (pid: string): ReadonlyArray<string> => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ", 2)
  } catch {
    return []
  }
}

/** A length of sleep, a minute and a bit, that no other process sleeps for. */
export const freshSleep = (): string => `60.${process.pid}${process.hrtime.bigint()}`

/** Waits until the condition holds; on its way out after ten seconds it says what was seen last. */
export const waitUntil = (what: string, condition: () => boolean, show: () => unknown = () => "") =>
  Effect.promise(async () => {
    const deadline = Date.now() + 10_000
    while (!condition()) {
      if (Date.now() > deadline) throw new Error(`${what} did not come true: ${JSON.stringify(show())}`)
      await pause(5)
    }
  })
