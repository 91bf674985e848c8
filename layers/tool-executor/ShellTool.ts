/**
 * shell.run: one program, an argument vector, no shell in between.
 *
 * Owns which programs may run and what they are given: arguments, a fixed environment, the workspace as the working
 * directory, nothing to read from. Does not own their lives (`ProcessGroups`), nor who may run them (the policies).
 *
 * This is no sandbox: a program that is allowed can read and write whatever the service's user can. That is why the
 * list is short by default, names no program that opens a file it is told of, and why the starter policies ask a person.
 */
import { constants } from "node:fs"
import { access, realpath, stat } from "node:fs/promises"
import { isAbsolute, join } from "node:path"
import * as Tool from "effect/ai/Tool"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Bounds from "#src/kernel/Bounds.ts"
import { type Captured, type Containment, open, type ProcessGroups } from "./ProcessGroups.ts"
import { failed, register, type RegisteredTool, ToolInvalid } from "./ToolRegistry.ts"
import { type Workspace, within } from "./Workspace.ts"

export interface ShellOptions {
  readonly workspace: Workspace
  /** Programs by bare name. Default `defaultCommands`; none: there is no shell.run. */
  readonly allowedCommands?: ReadonlyArray<string>
  /** Where programs are looked for, in order: absolute folders outside the workspace. Default `defaultPath`. */
  readonly path?: ReadonlyArray<string>
  /** Added to PATH, HOME (the workspace) and LANG. The service's own environment is never passed on. */
  readonly environment?: { readonly [name: string]: string }
  /** Default `auto`: the better one that works here. `namespace` refuses to start where it does not work. */
  readonly containment?: "auto" | Containment
}

/** None of them opens a file that its arguments name. */
export const defaultCommands: ReadonlyArray<string> = ["echo", "false", "printf", "pwd", "sleep", "true", "uname"]

export const defaultPath: ReadonlyArray<string> = ["/usr/local/bin", "/usr/bin", "/bin"]

export const name = "shell.run"

/** The tool as it is described where every usual program is installed; for those who run nothing. */
export const described = () => definition(defaultCommands)

export interface ShellTool {
  /** shell.run alone, or nothing where no command is allowed. */
  readonly tools: ReadonlyArray<RegisteredTool>
  readonly containment: Containment
}

/** The tool, and what it is made of, for as long as the scope lives. */
export const make = Effect.fnUntraced(function* (options: ShellOptions) {
  const commands = [...new Set(options.allowedCommands ?? defaultCommands)].sort()
  const path = options.path ?? defaultPath
  const environment = options.environment ?? {}
  const problem =
    commands.map(commandFault).find(isText) ??
    path.map((folder) => folderFault(options.workspace, folder)).find(isText) ??
    Object.entries(environment).map(variableFault).find(isText)
  if (problem !== undefined) return yield* invalid(problem)
  const groups = yield* open(options.containment).pipe(
    Effect.mapError(() => invalid("containment is set to namespace, but this system lets no command run in one"))
  )
  const settings = { workspace: options.workspace, path, environment, groups }
  const tools = commands.length === 0 ? [] : [shellRun(commands, settings)]
  return { tools, containment: groups.containment } satisfies ShellTool
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

interface Settings {
  readonly workspace: Workspace
  readonly path: ReadonlyArray<string>
  readonly environment: { readonly [name: string]: string }
  readonly groups: ProcessGroups
}

const invalid = (detail: string) => new ToolInvalid({ tool: name, detail, retryable: false })

const isText = (value: string | null): value is string => value !== null

const commandFault = (command: string) =>
  /^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}$/.test(command) ? null : `${JSON.stringify(command)} is not a bare program name`

const folderFault = (workspace: Workspace, folder: string) => {
  if (!isAbsolute(folder)) return `path: ${folder} is not absolute`
  // Else a file that was written there could be run.
  return within(workspace.root, folder) ? `path: ${folder} lies in the workspace` : null
}

const variableFault = ([variable, value]: readonly [string, string]) =>
  /^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(variable) && !value.includes("\0") && variable !== "PATH"
    ? null
    : `environment: ${JSON.stringify(variable)} can't be set`

const withoutNul = Schema.makeFilter<string>((text) => !text.includes("\0") || "Expected a string without NUL")

const definition = (commands: ReadonlyArray<string>) =>
  Tool.make(name, {
    description:
      "Runs one program of the service's list in the workspace, without a shell: no pipes, wildcards or variables. " +
      "An exit code other than 0 is a result, not a failure.",
    parameters: Schema.Struct({
      command: Schema.Literals(commands).annotate({ description: "Bare name of the program" }),
      arguments: Schema.Array(Schema.String.check(withoutNul))
        .check(Schema.isMaxLength(Bounds.shellArgumentsMax))
        .annotate({ description: "One string per argument, passed on as it is" })
        .pipe(Schema.withDecodingDefaultKey(Effect.succeed([]))),
      timeoutMillis: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Bounds.toolMillisMax })).pipe(
        Schema.withDecodingDefaultKey(Effect.succeed(Bounds.toolMillis))
      )
    }),
    success: Schema.Struct({
      /** 128 + n where signal n ended it. */
      exitCode: Schema.Int,
      /** Its name, where the system tells it from an exit code. */
      signal: Schema.NullOr(Schema.String),
      stdout: Schema.String,
      stderr: Schema.String,
      /** Either output was longer than what is given here. */
      truncated: Schema.Boolean
    })
  })

const shellRun = (commands: ReadonlyArray<string>, settings: Settings) =>
  register(
    definition(commands),
    Effect.fnUntraced(function* (args) {
      const { path, workspace, groups, environment } = settings
      if (args.arguments.reduce((sum, argument) => sum + Buffer.byteLength(argument), 0) > Bounds.inputTextMax) {
        return yield* failed(name, "ArgumentsTooLong", `at most ${Bounds.inputTextMax} bytes of arguments`)
      }
      const file = yield* Effect.promise(() => locate(settings, args.command))
      if (file === null) return yield* failed(name, "CommandNotFound", `${args.command} is not installed here`)
      const finished = yield* groups
        .run({
          file,
          arguments: args.arguments,
          workingDirectory: workspace.rootHandle,
          environment: { PATH: path.join(":"), HOME: workspace.root, LANG: "C.UTF-8", ...environment }
        })
        .pipe(
          Effect.mapError(({ code, retryable }) =>
            failed(name, "NotStarted", `the system did not start it (${code})`, retryable)
          ),
          Effect.timeoutOrElse({
            duration: args.timeoutMillis,
            orElse: () => Effect.fail(failed(name, "TimedOut", `was stopped after ${args.timeoutMillis} ms`))
          })
        )
      const [stdout, stderr] = [text(finished.stdout), text(finished.stderr)]
      return {
        exitCode: finished.exitCode,
        signal: finished.signal,
        stdout: stdout.text,
        stderr: stderr.text,
        truncated: stdout.cut || stderr.cut
      }
    }),
    { timeoutMillis: Bounds.toolMillisMax }
  )

/** The first regular, executable file of that name on the path that does not lead into the workspace. */
const locate = async ({ path, workspace }: Settings, command: string): Promise<string | null> => {
  for (const folder of path) {
    const file = join(folder, command)
    try {
      await access(file, constants.X_OK)
      if ((await stat(file)).isFile() && !within(workspace.root, await realpath(file))) return file
    } catch {
      // Not in this folder.
    }
  }
  return null
}

/** What one output may take of the result once it is written as JSON, where a control character takes six. */
const jsonUnitsMax = Math.floor(Bounds.resultTextMax / 2) - 512

/** Bytes that are not UTF-8 become U+FFFD; a character that the cut went through is left out. */
const text = ({ bytes, truncated }: Captured): { readonly text: string; readonly cut: boolean } => {
  const decoded = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes, { stream: truncated })
  if (JSON.stringify(decoded).length <= jsonUnitsMax) return { text: decoded, cut: truncated }
  let units = 0
  let end = 0
  for (const character of decoded) {
    units += JSON.stringify(character).length - 2
    if (units > jsonUnitsMax) break
    end += character.length
  }
  return { text: decoded.slice(0, end), cut: true }
}
