/**
 * A workspace in a fresh folder, with a folder beside it that no tool may touch, and tools called as the executor
 * calls them.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as FileTools from "#layers/tool-executor/FileTools.ts"
import { make, type RegisteredTool, type ToolContext } from "#layers/tool-executor/ToolRegistry.ts"
import type { Resolution, Workspace } from "#layers/tool-executor/Workspace.ts"
import * as WorkspaceModule from "#layers/tool-executor/Workspace.ts"
import type { Json } from "#src/kernel/Canonical.ts"

export interface Folder {
  readonly inside: string
  readonly outside: string
}

/** The ways of resolution that are tested here: the better one is Linux's. */
export const resolutions: ReadonlyArray<Resolution> =
  process.platform === "linux" ? ["descriptor", "checked"] : ["checked"]

/** What must never come out of a tool, and must never change. */
export const secret = "outside-5d1c"

/** Gone with the scope. The outside holds `secret.txt` and a folder `deep` with another. */
export const folder = Effect.acquireRelease(
  Effect.sync((): Folder => {
    const top = realpathSync(mkdtempSync(join(tmpdir(), "keelson tools ")))
    const [inside, outside] = [join(top, "workspace"), join(top, "outside")]
    mkdirSync(inside)
    mkdirSync(join(outside, "deep"), { recursive: true })
    for (const file of outsideFiles) writeFileSync(join(outside, file), secret)
    return { inside, outside }
  }),
  ({ inside }) => Effect.sync(() => rmSync(join(inside, ".."), { recursive: true, force: true }))
)

const outsideFiles = ["secret.txt", join("deep", "secret.txt")]

/** True while the outside holds what it held, and nothing more. */
export const outsideUntouched = ({ outside }: Folder): boolean =>
  readdirSync(outside, { recursive: true }).length === outsideFiles.length + 1 &&
  outsideFiles.every((file) => readFileSync(join(outside, file), "utf8") === secret)

const context: ToolContext = {
  permitId: NodeDigest.derive("pmt", "x") as ToolContext["permitId"],
  actionId: NodeDigest.derive("act", "x") as ToolContext["actionId"],
  sessionId: NodeDigest.derive("ses", "x") as ToolContext["sessionId"],
  actor: { kind: "AGENT", id: "ada" as ToolContext["actor"]["id"] },
  approvedBy: [],
  deadlineMillis: 10_000
}

/** Calls tools by name; arguments go through the schema. */
export const caller = (tools: ReadonlyArray<RegisteredTool>) =>
  Effect.map(
    Effect.provide(make(tools), NodeDigest.layer),
    (registry) =>
      (name: string, args: Json): Effect.Effect<any, { readonly code?: string; readonly detail: string }> =>
        Effect.scoped(registry.find(name)?.run(args, context) ?? Effect.die(`no tool ${name}`))
  )

/** A workspace with the file tools over it. */
export const workspace = Effect.fnUntraced(function* (resolution: Resolution) {
  const place = yield* folder
  const opened: Workspace = yield* WorkspaceModule.open({ root: place.inside, resolution })
  const call = yield* caller(FileTools.over(opened))
  return { ...place, workspace: opened, call }
})
