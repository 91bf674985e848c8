/**
 * A process that writes to a workspace and is stopped in the middle of it. Arguments: the workspace, and either
 * `replace`: replaces `f` for ever by 100,000 times `a`, then `b`; or `append` or `replace-once`: tries that with
 * 100,000 bytes, prints the failure's code and ends.
 */
import { writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as FileTools from "#layers/tool-executor/FileTools.ts"
import { open } from "#layers/tool-executor/Workspace.ts"
import { caller } from "./folder.ts"

const [root = "", task = ""] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const call = yield* caller(FileTools.over(yield* open({ root })))
  const write = (letter: string, mode: string) =>
    call("file.write", { path: "f", content: letter.repeat(100_000), mode })
  if (task === "replace") {
    for (let round = 0; ; round++) {
      yield* write(round % 2 === 0 ? "a" : "b", "replace")
      if (round === 0) writeSync(1, "begun\n")
    }
  }
  const error = yield* Effect.flip(write("x", task === "append" ? "append" : "replace"))
  writeSync(1, String(error.code))
})

await Effect.runPromise(Effect.scoped(program))
