/** The command line over a deployment that is a few values: what it printed, and how it ended. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Console from "effect/Console"
import * as Redacted from "effect/Redacted"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Stdio from "effect/Stdio"
import * as Terminal from "effect/Terminal"
import * as TestConsole from "effect/testing/TestConsole"
import * as Cli from "#layers/cli/Cli.ts"
import type {
  Backups,
  Checkpoints,
  Deployment,
  Doubt,
  Policies,
  Running,
  Verification
} from "#layers/cli/Deployment.ts"
import { type Signal, StopSignal } from "#layers/cli/Signals.ts"
import * as Settings from "#layers/profiles/Settings.ts"

export const definition = { schema: Settings.Settings, defaults: Settings.defaults }

export const secret = "kls_0000000000000000000000000000000000000000000000000"

export const running: Running = {
  url: "http://127.0.0.1:7717",
  store: { product: "PGlite", place: "/data/journal", durability: "fsync was seen" },
  policies: { folder: "/data/policies", policies: 8, hash: "ab".repeat(32) },
  workspace: "/workspace",
  reload: Effect.void,
  responder: { provider: "keelson", model: "commands", deterministic: true },
  ownerToken: { path: "/data/owner.token", token: Redacted.make(secret), minted: true }
}

export const clean: Verification = {
  problems: [],
  problemCount: 0,
  counts: [
    ["events", 1_204],
    ["streams", 31]
  ],
  signed: null
}

const noCheckpoints: Checkpoints<Settings.Settings> = {
  newest: () => Effect.succeed(null),
  take: () => Effect.succeed(null),
  keys: () => Effect.die("unused"),
  rotate: () => Effect.die("unused"),
  inclusion: () => Effect.die("unused"),
  consistency: () => Effect.die("unused"),
  check: () => Effect.die("unused")
}

export interface World {
  readonly demoUnplayable?: string
  readonly open?: Effect.Effect<Running, unknown>
  /** Runs when the service is released. */
  readonly released?: Effect.Effect<void>
  readonly verify?: Effect.Effect<Verification, unknown>
  readonly policies?: Effect.Effect<Policies, unknown>
  readonly checkpoints?: Partial<Checkpoints<Settings.Settings>>
  readonly backups?: Partial<Backups<Settings.Settings>>
  /** Sees what the store is to be held against. */
  readonly doubted?: (doubt: Doubt) => void
  readonly environment?: { readonly [name: string]: string }
  readonly terminal?: boolean
  readonly columns?: number
  readonly signal?: Effect.Effect<Signal>
  readonly reread?: Effect.Effect<void>
  /** Sees the settings that were resolved. */
  readonly opened?: (settings: Settings.Settings) => void
}

export interface Result {
  readonly exitCode: number
  readonly out: string
  readonly err: string
}

/** Runs `keelson <args>`. Without a signal the service runs for ever, so a test of `start` gives one. */
export const keelson = Effect.fnUntraced(function* (args: ReadonlyArray<string>, world: World = {}) {
  const console = yield* TestConsole.make
  const deployment: Deployment<Settings.Settings, unknown, unknown> = {
    version: "9.9.9",
    settings: definition,
    profile: () => "a few values",
    demoUnplayable: world.demoUnplayable ?? null,
    open: (settings) =>
      Effect.suspend(() => {
        world.opened?.(settings)
        const released = Effect.addFinalizer(() => world.released ?? Effect.void)
        return Effect.andThen(released, world.open ?? Effect.succeed(running))
      }),
    verify: (_settings, _onProgress, doubt) => {
      world.doubted?.(doubt)
      return world.verify ?? Effect.succeed(clean)
    },
    checkpoints: { ...noCheckpoints, ...world.checkpoints },
    backups: { take: () => Effect.die("unused"), restore: () => Effect.die("unused"), ...world.backups },
    policies: () => world.policies ?? Effect.die("unused"),
    self: { executable: "node", arguments: [] }
  }
  const exit = yield* Cli.run(deployment, world.environment ?? {}).pipe(
    Effect.provide(services(args, world)),
    Effect.provideService(Console.Console, console),
    Effect.exit
  )
  const result: Result = {
    exitCode: Exit.isSuccess(exit) ? exit.value : 130,
    out: (yield* console.logLines).join("\n"),
    err: (yield* console.errorLines).join("\n")
  }
  return result
})

const services = (args: ReadonlyArray<string>, world: World) => {
  const terminal = world.terminal ?? false
  return Layer.mergeAll(
    Stdio.layerTest({
      args: Effect.succeed(args),
      stdoutIsTerminal: Effect.succeed(terminal),
      stderrIsTerminal: Effect.succeed(terminal)
    }),
    Layer.succeed(
      Terminal.Terminal,
      Terminal.make({
        columns: Effect.succeed(world.columns ?? 80),
        rows: Effect.succeed(24),
        size: Effect.die("unused"),
        readInput: Effect.die("unused"),
        readLine: Effect.die("unused"),
        display: () => Effect.void
      })
    ),
    Layer.succeed(TerminalCapabilities.TerminalCapabilities, {
      canColor: false,
      canAnimate: terminal,
      canPrompt: false
    }),
    Layer.succeed(StopSignal, {
      await: world.signal ?? Deferred.await(Deferred.makeUnsafe<Signal>()),
      reread: world.reread ?? Effect.never
    }),
    FileSystem.layerNoop({}),
    Path.layer,
    Layer.succeed(
      ChildProcessSpawner.ChildProcessSpawner,
      ChildProcessSpawner.make(() => Effect.die("unused"))
    )
  )
}
