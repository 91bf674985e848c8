/**
 * A process that runs a command under shell.run and is killed meanwhile. Arguments: the workspace, the containment,
 * the script. Runs until it is killed.
 */
import * as Effect from "effect/Effect"
import { type Containment, open } from "#layers/tool-executor/ProcessGroups.ts"

const [workspace = "", containment = "", script = ""] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const groups = yield* open(containment as Containment)
  yield* groups.run({
    file: "/bin/sh",
    arguments: ["-c", script],
    workingDirectory: workspace,
    environment: { PATH: "/usr/bin:/bin" }
  })
})

await Effect.runPromise(Effect.scoped(program))
