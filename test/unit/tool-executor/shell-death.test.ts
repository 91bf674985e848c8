import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import type { Containment } from "#layers/tool-executor/ProcessGroups.ts"
import { folder } from "./folder.ts"
import { childrenOf, containments, freshSleep, isThere, namespacesWork, waitUntil, withArgument } from "./processes.ts"

/** A real service process in the middle of a real command. */
const parent = (containment: Containment, script: string, without: string) =>
  Effect.gen(function* () {
    const { inside } = yield* folder
    const file = fileURLToPath(new URL("shell-parent.ts", import.meta.url))
    const { child, exited } = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(process.execPath, [file, inside, containment, script, without], {
          stdio: "inherit",
          detached: true
        })
        return { child, exited: new Promise<void>((resolve) => child.once("exit", () => resolve())) }
      }),
      ({ child, exited }) => Effect.promise(() => (child.kill("SIGKILL"), exited))
    )
    return { pid: child.pid ?? 0, exited: Effect.promise(() => exited) }
  })

const commandOf = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8")
  } catch {
    return ""
  }
}

const alive = (marks: ReadonlyArray<string>) => marks.flatMap(withArgument)

const death = Effect.fnUntraced(function* (
  containment: Containment,
  script: (one: string, two: string) => string,
  kill: (pid: number) => void,
  without = ""
) {
  const marks = [freshSleep(), freshSleep()] as const
  const { pid, exited } = yield* parent(containment, script(...marks), without)
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
/** The warden goes first, so that only the kernel's parent-death signal is left. */
const withItsWarden = (pid: number) => {
  for (const child of childrenOf(pid)) {
    if (readFileSync(`/proc/${child}/cmdline`, "utf8").includes("forget)")) process.kill(Number(child), "SIGKILL")
  }
  killed(pid)
}
const withItsGroup = (pid: number) => void process.kill(-pid, "SIGKILL")

/** Kills a service as soon as the process of its command is there, whatever that has become by then. */
const caught = Effect.scoped(
  Effect.gen(function* () {
    const mark = freshSleep()
    const { pid, exited } = yield* parent("group", `sleep ${mark} & sleep ${mark}`, "")
    const started = () => childrenOf(pid).filter((child) => commandOf(child).includes(mark))
    // Without a pause: whoever looks every few milliseconds comes late.
    while (started().length === 0) yield* Effect.yieldNow
    const family = childrenOf(pid)
    killed(pid)
    yield* exited
    yield* waitUntil(
      "nothing is left of what it had started",
      () => !family.some(isThere) && withArgument(mark).length === 0,
      () => [...family.filter(isThere), ...withArgument(mark)]
    )
  })
)

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

  it.live(
    "a command never outlives it, though the kill comes the moment the command is started",
    () =>
      Effect.gen(function* () {
        for (let round = 0; round < 5; round++) yield* caught
      }),
    60_000
  )

  it.live("a command dies also when the warden had been killed before the command began", () =>
    death("group", (one, two) => `sleep ${one} & sleep ${two}`, killed, "without the first warden")
  )

  it.live.skipIf(!namespacesWork)("a command dies with its namespace also when the warden was killed, too", () =>
    death("namespace", (one, two) => `setsid sleep ${one} & sleep ${two}`, withItsWarden)
  )

  it.live.skipIf(!namespacesWork)("what left the group dies, too, in a namespace", () =>
    death("namespace", (one, two) => `setsid sleep ${one} & setsid sh -c "sleep ${two}; true"`, killed)
  )
})
