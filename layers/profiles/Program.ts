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
import type { Doubt, Progress } from "#layers/cli/Deployment.ts"
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
    open: (settings: Settings.Settings) => place(({ open }) => open(settings, env, parts)),
    verify: (settings: Settings.Settings, onProgress: (progress: Progress) => Effect.Effect<void>, doubt: Doubt) =>
      place(({ verify }) => verify(settings, onProgress, doubt)),
    checkpoints: {
      newest: (settings: Settings.Settings) => place(({ Proofs }) => Proofs.newest(settings)),
      take: (settings: Settings.Settings) => place(({ Proofs }) => Proofs.take(settings)),
      keys: (settings: Settings.Settings) => place(({ Proofs }) => Proofs.keys(settings)),
      rotate: (settings: Settings.Settings) => place(({ Proofs }) => Proofs.rotate(settings)),
      inclusion: (settings: Settings.Settings, event: string, file: string | null) =>
        place(({ Proofs }) => Proofs.inclusion(settings, event, file)),
      consistency: (settings: Settings.Settings, from: string, to: string | null) =>
        place(({ Proofs }) => Proofs.consistency(settings, from, to)),
      check: (settings: Settings.Settings, file: string, options: { from: string | null; keys: string | null }) =>
        place(({ Proofs }) => Proofs.check(settings, file, options))
    },
    backups: {
      take: (settings: Settings.Settings, target: string) => place(({ Backups }) => Backups.take(settings, target)),
      restore: (settings: Settings.Settings, file: string, options: { readonly withoutKeys: boolean }) =>
        place(({ Backups }) =>
          Backups.restore(settings, file, { ...options, ...(parts.restoring && { pass: parts.restoring }) })
        )
    },
    policies: (settings: Settings.Settings, tools: ReadonlyArray<ToolDescriptor> | null) =>
      place(({ policies }) => policies(settings, tools, parts)),
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

type Place = typeof import("./Place.ts")

/** A command that only asks a running service loads no database and no policies. */
const place = <A, E, R>(command: (place: Place) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(
    Effect.promise(() => import("./Place.ts")),
    command
  )

const manifest = findPackageJSON("../..", import.meta.url)
const { version } = JSON.parse(readFileSync(manifest!, "utf8")) as { readonly version: string }

const profileOf = ({ databaseUrl }: Settings.Settings, { responder }: Service.Parts): string =>
  `service: journal on ${databaseUrl === null ? "PGlite" : "PostgreSQL"}, keys in files, policies in Cedar, ` +
  `${responder === undefined ? "the command language" : "the app's responder"} in turns`
