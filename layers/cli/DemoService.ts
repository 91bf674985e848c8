/**
 * The service as the demo runs it: a real child process of this very program, in a folder of its own.
 *
 * Owns its start, its death by signal and its log. Does not own what is asked of it (`DemoClient`).
 *
 * Invariants: nothing of the caller's own Keelson reaches the child (no `KEELSON_` variable, no database); whatever
 * ends the demo ends the child too; only a process that this module started is ever sent a signal.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { CommandRefused } from "./CommandRefused.ts"
import type { Environment } from "./SettingsSource.ts"

/** Longest that a start may take, the first one on a slow disk included. */
const startMillis = 60_000
const stopMillis = 12_000

export interface Program {
  readonly executable: string
  readonly arguments: ReadonlyArray<string>
}

export interface Options {
  readonly program: Program
  readonly environment: Environment
  /** Holds `data`, `workspace` and `service.log`. */
  readonly folder: string
  readonly claimLeaseMillis: number
}

/** What `keelson start --json` prints once it listens. */
const Started = Schema.fromJsonString(
  Schema.Struct({
    listening: Schema.String,
    pid: Schema.Int,
    store: Schema.Struct({ product: Schema.String, place: Schema.String, durability: Schema.String }),
    ownerTokenPath: Schema.String
  })
)

export interface Service {
  readonly url: string
  readonly pid: number
  readonly store: string
  readonly token: Redacted.Redacted<string>
  /** Milliseconds from the start of the process to its listening. */
  readonly startedInMillis: number
  /** SIGKILL: no chance to write anything any more. Completes when the process is gone. */
  readonly kill: Effect.Effect<void, CommandRefused>
  /** SIGTERM; answers the exit code. */
  readonly stop: Effect.Effect<number, CommandRefused>
}

export const start = Effect.fnUntraced(function* (options: Options) {
  const files = yield* FileSystem.FileSystem
  const { folder, program } = options
  const log = `${folder}/service.log`
  const flags = {
    host: "127.0.0.1",
    port: "0",
    "data-folder": `${folder}/data`,
    "workspace-folder": `${folder}/workspace`,
    "claim-lease-millis": String(options.claimLeaseMillis)
  }
  const command = ChildProcess.make(
    program.executable,
    [
      ...program.arguments,
      "start",
      "--json",
      ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])
    ],
    {
      env: stripped(options.environment),
      extendEnv: false,
      stdin: "ignore",
      killSignal: "SIGTERM",
      forceKillAfter: stopMillis
    }
  )
  const child = yield* command.pipe(
    Effect.mapError((error) => failed(`the service can't be started: ${error.message}`))
  )
  yield* endWithUs(child.pid, child.isRunning)
  yield* Effect.forkScoped(Effect.ignore(Stream.run(child.stderr, files.sink(log, { flag: "a" }))))
  const [elapsed, started] = yield* child.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runHead,
    Effect.timeoutOption(Duration.millis(startMillis)),
    Effect.map((line) => (line._tag === "Some" && line.value._tag === "Some" ? line.value.value : "")),
    Effect.flatMap(Schema.decodeEffect(Started)),
    Effect.timed,
    Effect.catch(() => Effect.flatMap(tail(log), (said) => failed(`the service did not start. Its log ends:\n${said}`)))
  )
  const token = yield* files.readFileString(started.ownerTokenPath).pipe(
    Effect.map((text) => Redacted.make(text.trim(), { label: "token" })),
    Effect.mapError((error) => failed(`the owner's token can't be read: ${error.message}`))
  )
  const ended = Effect.mapError(child.exitCode, (error) => failed(`the service did not end as asked: ${error.message}`))
  const signal = (killSignal: "SIGKILL" | "SIGTERM") =>
    Effect.mapError(child.kill({ killSignal, forceKillAfter: stopMillis }), (error) => failed(error.message))
  const service: Service = {
    url: started.listening,
    pid: started.pid,
    store: started.store.product,
    token,
    startedInMillis: Math.round(Duration.toMillis(elapsed)),
    kill: signal("SIGKILL"),
    stop: Effect.andThen(signal("SIGTERM"), ended)
  }
  return service
})

export const failed = (detail: string): CommandRefused =>
  new CommandRefused({ code: "DemoFailed", detail, remedy: null, exitCode: 1 })

/** The caller's environment without what would lead the child to the caller's own data. */
export const stripped = (environment: Environment): Record<string, string> =>
  Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) =>
      value === undefined || name.startsWith("KEELSON_") ? [] : [[name, value] as const]
    )
  )

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Where this process ends without its scopes (a second signal), the child must not stay behind. */
const endWithUs = (pid: number, isRunning: Effect.Effect<boolean, unknown>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const end = () => {
        if (Effect.runSync(Effect.orElseSucceed(isRunning, () => false))) process.kill(pid, "SIGKILL")
      }
      process.on("exit", end)
      return end
    }),
    (end) => Effect.sync(() => process.off("exit", end))
  )

const tailUnits = 1_500

const tail = (path: string) =>
  Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString(path)).pipe(
    Effect.map((text) => text.slice(-tailUnits).trim() || "(it is empty)"),
    Effect.catch(() => Effect.succeed("(there is none)"))
  )
