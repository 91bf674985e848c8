/**
 * The short commands and the tools that Keelson brings, together: their arguments and outputs fit.
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as StandardTools from "#layers/tool-executor/StandardTools.ts"
import * as ToolRegistry from "#layers/tool-executor/ToolRegistry.ts"
import type { ActionId, PermitId, PrincipalId, SessionId } from "#src/kernel/Ids.ts"
import { type Outcome, play, type Tools } from "./conversation.ts"

const workspace = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "keelson-responder-"))),
  (root) => Effect.promise(() => rm(root, { recursive: true }))
)

const tools = ToolRegistry.layerEffect(
  Effect.flatMap(workspace, (root) => StandardTools.make({ workspace: { root: join(root, "w") } }))
).pipe(Layer.provide(NodeDigest.layer))

const context: ToolRegistry.ToolContext = {
  permitId: "pmt_0" as PermitId,
  actionId: "act_0" as ActionId,
  sessionId: "ses_0" as SessionId,
  actor: { kind: "AGENT", id: "agent" as PrincipalId },
  approvedBy: [],
  deadlineMillis: Number.MAX_SAFE_INTEGER
}

/** The tools without the gate around them: what is under test is the fit of words, not the permit. */
const runs: Tools<ToolRegistry.ToolRegistry> = ({ tool, arguments: args }) =>
  Effect.gen(function* () {
    const registry = yield* ToolRegistry.ToolRegistry
    const entry = registry.find(tool)!
    const checked = yield* entry.check(args)
    return { outcome: "Executed", output: yield* entry.run(checked, context) } satisfies Outcome
  }).pipe(
    Effect.scoped,
    Effect.catchTag("ArgumentsInvalid", ({ detail }) => Effect.succeed({ outcome: "Invalid", output: { detail } })),
    Effect.catchTag("ToolFailed", ({ code, detail }) => Effect.succeed({ outcome: "Failed", output: { code, detail } }))
  )

const answers = (script: string) =>
  Effect.gen(function* () {
    const { descriptors } = yield* ToolRegistry.ToolRegistry
    return (yield* play(script, runs, descriptors)).said.at(-1)!
  })

layer(tools)("the short commands with the standard tools", (it) => {
  it.effect("write, read, list, append, replace and run do what they say", () =>
    Effect.gen(function* () {
      const script = [
        "write notes.txt: buy bread\\n",
        "read notes.txt",
        "append notes.txt: and {{2}}",
        "read notes.txt",
        "replace notes.txt: nothing",
        "list",
        'run echo "{{4}}" end',
        "say {{6}}: {{7}}"
      ]
      assert.strictEqual(yield* answers(script.join("\n")), "notes.txt: buy bread\nand buy bread\n end\n")
    })
  )

  it.effect("what a tool refuses is told in the tool's own words", () =>
    Effect.gen(function* () {
      assert.match(
        yield* answers("read nowhere.txt"),
        /^Not done, command 1 of 1 \("read nowhere.txt"\): it ran and failed \(.+\)\.$/
      )
      assert.match(yield* answers("run nonsense"), /it was not accepted \(.+\)\.$/)
      assert.match(yield* answers("run false\nlist"), /it ended with exit code 1\.\nNot tried: 1 command\.$/)
    })
  )
})
