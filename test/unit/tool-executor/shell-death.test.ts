import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import type { Containment } from "#layers/tool-executor/ProcessGroups.ts"
import { folder } from "./folder.ts"
import { containments, freshSleep, namespacesWork, waitUntil, withArgument } from "./processes.ts"

/** A real service process in the middle of a real command. */
const parent = (containment: Containment, script: string) =>
  Effect.gen(function* () {
    const { inside } = yield* folder
    const file = new URL("shell-parent.ts", import.meta.url).pathname
    const { child, exited } = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(process.execPath, [file, inside, containment, script], { stdio: "inherit", detached: true })
        return { child, exited: new Promise<void>((resolve) => child.once("exit", () => resolve())) }
      }),
      ({ child, exited }) => Effect.promise(() => (child.kill("SIGKILL"), exited))
    )
    return { pid: child.pid ?? 0, exited: Effect.promise(() => exited) }
  })

const childrenOf = (pid: number): ReadonlyArray<string> =>
  readdirSync("/proc").filter((entry) => {
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8")
      return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] === String(pid)
    } catch {
      return false
    }
  })

const isThere = (pid: string) => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    return !stat.slice(stat.lastIndexOf(")")).startsWith(") Z")
  } catch {
    return false
  }
}

const alive = (marks: ReadonlyArray<string>) => marks.flatMap(withArgument)

const death = Effect.fnUntraced(function* (
  containment: Containment,
  script: (one: string, two: string) => string,
  kill: (pid: number) => void
) {
  const marks = [freshSleep(), freshSleep()] as const
  const { pid, exited } = yield* parent(containment, script(...marks))
  yield* waitUntil(
    "both sleep",
    () => alive(marks).length === 2,
    () => alive(marks)
  )
  const beside = childrenOf(pid)
  assert.isAtLeast(beside.length, 2, "the command and the warden")
  kill(pid)
  yield* exited
  yield* waitUntil(
    "nothing is left of the command",
    () => alive(marks).length === 0,
    () => alive(marks)
  )
  yield* waitUntil(
    "nothing is left beside it",
    () => !beside.some(isThere),
    () => beside.filter(isThere)
  )
})

const killed = (pid: number) => void process.kill(pid, "SIGKILL")
const withItsGroup = (pid: number) => void process.kill(-pid, "SIGKILL")

describe("when the service is killed", () => {
  for (const containment of containments) {
    it.live(`a command dies with all that is in its group (${containment})`, () =>
      death(containment, (one, two) => `sleep ${one} & sh -c "sleep ${two}; true"`, killed)
    )

    it.live(`so does one that ignores SIGTERM and hangs up (${containment})`, () =>
      death(containment, (one, two) => `trap "" TERM HUP INT; sleep ${one} & sleep ${two}`, killed)
    )

    it.live(`so does one whose service was killed with its whole process group (${containment})`, () =>
      death(containment, (one, two) => `sleep ${one} & sleep ${two}`, withItsGroup)
    )
  }

  it.live.skipIf(!namespacesWork)("what left the group dies, too, in a namespace", () =>
    death("namespace", (one, two) => `setsid sleep ${one} & setsid sh -c "sleep ${two}; true"`, killed)
  )
})
