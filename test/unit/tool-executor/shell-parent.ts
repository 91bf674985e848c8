/**
 * A process that runs a command under shell.run and is killed meanwhile. Arguments: the workspace, the containment,
 * the script, and any word if the process is to kill its first warden before it runs the command.
 */
import { existsSync } from "node:fs"
import * as Effect from "effect/Effect"
import { type Containment, open } from "#layers/tool-executor/ProcessGroups.ts"
import { childrenOf, waitUntil } from "./processes.ts"

const [workspace = "", containment = "", script = "", without = ""] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const groups = yield* open(containment as Containment)
  if (without !== "") {
    const wardens = childrenOf(process.pid)
    for (const warden of wardens) process.kill(Number(warden), "SIGKILL")
    yield* waitUntil("its end was noticed", () => !wardens.some((warden) => existsSync(`/proc/${warden}`)))
  }
  yield* groups.run({
    file: "/bin/sh",
    arguments: ["-c", script],
    workingDirectory: workspace,
    environment: { PATH: "/usr/bin:/bin" }
  })
})

await Effect.runPromise(Effect.scoped(program))
