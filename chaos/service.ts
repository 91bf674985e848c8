/**
 * The real program with one moment at which it ends itself, and two tools that leave a mark in the world outside.
 *
 *   CHAOS_POINT   the moment, as `kit/points.ts` calls it; none: it lives until it is killed
 *   CHAOS_NTH     at which time of passing it, from 1
 *   CHAOS_FOLDER  `marks.txt`: a line for each run of a tool; `died.txt`: a line where it ended itself
 *   CHAOS_MUTANT  a promise that it breaks on purpose
 *
 * SIGKILL is the only end: nothing is flushed, released or said.
 */
import { appendFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Tool from "effect/ai/Tool"
import * as CrashPoints from "#layers/faults/CrashPoints.ts"
import * as Program from "#layers/profiles/Program.ts"
import * as ToolRegistry from "#layers/tool-executor/ToolRegistry.ts"
import * as EagerEventStore from "./kit/EagerEventStore.ts"
import { budgetPoint, toolPoint } from "./kit/points.ts"

const { CHAOS_FOLDER: folder = ".", CHAOS_MUTANT: mutant, CHAOS_NTH: nth = "1", CHAOS_POINT: point } = process.env

let left = Number(nth)

/** Ends the process where it passes the moment that was asked for. */
const pass = (name: string) =>
  Effect.sync(() => {
    if (name !== point || (left -= 1) > 0) return
    appendFileSync(join(folder, "died.txt"), `${name}\n`)
    process.kill(process.pid, "SIGKILL")
  })

const Mark = Tool.make("chaos.mark", {
  description: "Writes a line into a file outside of Keelson. What begins with `fail` is written, and fails.",
  parameters: Schema.Struct({ line: Schema.String.check(Schema.isPattern(/^[\w-]{1,60}$/)) }),
  success: Schema.Struct({ written: Schema.Boolean })
})

const mark = ToolRegistry.register(Mark, ({ line }, { actionId }) =>
  Effect.gen(function* () {
    yield* pass(toolPoint.before)
    yield* Effect.sync(() => appendFileSync(join(folder, "marks.txt"), `${actionId} ${line}\n`))
    yield* pass(toolPoint.after)
    if (line.startsWith("fail")) return yield* ToolRegistry.failed(Mark.name, "AsAsked", "it was asked to fail")
    return { written: true }
  })
)

const crashing = CrashPoints.layer({ pass, breaksFollower: () => point?.endsWith(budgetPoint) === true })

Program.runMain({
  file: import.meta.filename,
  parts: {
    tools: [mark],
    restoring: pass,
    faults: mutant === "acknowledge-before-commit" ? Layer.provideMerge(EagerEventStore.layer, crashing) : crashing
  }
})
