/**
 * The tools that Keelson brings: the file tools and shell.run over one workspace.
 */
import * as Effect from "effect/Effect"
import * as FileTools from "./FileTools.ts"
import * as ShellTool from "./ShellTool.ts"
import { register, type RegisteredTool } from "./ToolRegistry.ts"
import { open, type WorkspaceOptions } from "./Workspace.ts"

export interface StandardOptions {
  readonly workspace: WorkspaceOptions
  readonly shell?: Omit<ShellTool.ShellOptions, "workspace">
}

/** The same tools, described and not to be run: no workspace is opened, and nothing is started. */
export const described = (): ReadonlyArray<RegisteredTool> => {
  const never = () => Effect.die(new Error("this tool is described here, and runs elsewhere"))
  return [
    register(FileTools.FileRead, never),
    register(FileTools.FileList, never),
    register(FileTools.FileWrite, never),
    register(ShellTool.described(), never)
  ]
}

/** For `ToolRegistry.layerEffect`. Logs which of its two promises each part gives on this system. */
export const make = Effect.fnUntraced(function* (options: StandardOptions) {
  const workspace = yield* open(options.workspace)
  const shell = yield* ShellTool.make({ ...options.shell, workspace })
  yield* Effect.logInfo("tools over the workspace").pipe(
    Effect.annotateLogs({
      workspace: workspace.root,
      resolution: workspace.resolution,
      containment: shell.tools.length === 0 ? "no shell.run" : shell.containment
    })
  )
  return [...FileTools.over(workspace), ...shell.tools]
})
