/**
 * The program `keelson`, alone or with the parts of an app: the command line over the service of `Service`.
 *
 * Composes, decides nothing. What only commands with a place of their own need is loaded when one runs.
 */
import { findPackageJSON } from "node:module"
import { readFileSync } from "node:fs"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Cli from "#layers/cli/Cli.ts"
import * as Signals from "#layers/cli/Signals.ts"
import type { ToolDescriptor } from "#src/ports/ToolExecutor.ts"
import type * as Service from "./Service.ts"
import * as Settings from "./Settings.ts"

export interface Options {
  /** The file that Node runs for this program, for the commands that start it again. */
  readonly file: string
  readonly parts?: Service.Parts
}

/** Runs the command line on this process's arguments and environment until it is done, and ends the process. */
export const runMain = ({ file, parts = {} }: Options): void => {
  const { env, execArgv, execPath } = process
  const deployment = {
    version,
    settings: { schema: Settings.Settings, defaults: Settings.defaults },
    profile: (settings: Settings.Settings) => profileOf(settings, parts),
    open: lazily(
      ({ open }) =>
        (settings: Settings.Settings) =>
          open(settings, env, parts)
    ),
    verify: lazily(({ verify }) => verify),
    checkpoints: {
      newest: lazily(({ Proofs }) => Proofs.newest),
      take: lazily(({ Proofs }) => Proofs.take),
      keys: lazily(({ Proofs }) => Proofs.keys),
      rotate: lazily(({ Proofs }) => Proofs.rotate),
      inclusion: lazily(({ Proofs }) => Proofs.inclusion),
      consistency: lazily(({ Proofs }) => Proofs.consistency),
      check: lazily(({ Proofs }) => Proofs.check)
    },
    backups: {
      take: lazily(({ Backups }) => Backups.take),
      restore: lazily(
        ({ Backups }) =>
          (settings: Settings.Settings, file: string, options: { readonly withoutKeys: boolean }) =>
            Backups.restore(settings, file, { ...options, ...(parts.restoring && { pass: parts.restoring }) })
      )
    },
    policies: lazily(
      ({ policies }) =>
        (settings: Settings.Settings, tools: ReadonlyArray<ToolDescriptor> | null) =>
          policies(settings, tools, parts)
    ),
    demoUnplayable:
      parts.responder === undefined
        ? null
        : "The demo plays with Keelson's own responder, and this program brings another one.",
    self: { executable: execPath, arguments: [...execArgv, file] }
  }
  return Cli.run(deployment, env).pipe(Effect.provide(NodeServices.layer), Signals.runMain)
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

type OwnPlace = typeof import("./OwnPlace.ts")

/** A command that only asks a running service loads no database and no policies. */
const lazily =
  <Input extends ReadonlyArray<unknown>, A, E, R>(
    command: (place: OwnPlace) => (...input: Input) => Effect.Effect<A, E, R>
  ) =>
  (...input: Input): Effect.Effect<A, E, R> =>
    Effect.flatMap(
      Effect.promise(() => import("./OwnPlace.ts")),
      (place) => command(place)(...input)
    )

const manifest = findPackageJSON("../..", import.meta.url)
const { version } = JSON.parse(readFileSync(manifest!, "utf8")) as { readonly version: string }

const profileOf = ({ databaseUrl }: Settings.Settings, { responder }: Service.Parts): string =>
  `service: journal on ${databaseUrl === null ? "PGlite" : "PostgreSQL"}, keys in files, policies in Cedar, ` +
  `${responder === undefined ? "the command language" : "the app's responder"} in turns`
