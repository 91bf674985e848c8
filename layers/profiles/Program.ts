/**
 * The program `keelson`, alone or with the parts of an app: the command line over the service of `Service`.
 *
 * Composes, decides nothing.
 */
import { findPackageJSON } from "node:module"
import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Cli from "#layers/cli/Cli.ts"
import type { Doubt, Progress, Running } from "#layers/cli/Deployment.ts"
import * as Signals from "#layers/cli/Signals.ts"
import { listedMax } from "#layers/cli/VerifyCommand.ts"
import * as HttpDoor from "#layers/edge/HttpDoor.ts"
import * as FileIdentity from "#layers/identity/FileIdentity.ts"
import * as NodePrivateFiles from "#layers/private-files/NodePrivateFiles.ts"
import { PolicyEngine, type PolicyQuestion } from "#src/ports/PolicyEngine.ts"
import { Responder } from "#src/ports/Responder.ts"
import { ToolCatalog, type ToolDescriptor } from "#src/ports/ToolExecutor.ts"
import * as Backups from "./Backups.ts"
import * as Proofs from "./Proofs.ts"
import * as Service from "./Service.ts"
import * as Settings from "./Settings.ts"
import * as Verification from "./Verification.ts"

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
    open: (settings: Settings.Settings) => open(settings, env, parts),
    verify,
    checkpoints: {
      newest: Proofs.newest,
      take: Proofs.take,
      keys: Proofs.keys,
      rotate: Proofs.rotate,
      inclusion: Proofs.inclusion,
      consistency: Proofs.consistency,
      check: Proofs.check
    },
    backups: {
      take: Backups.take,
      restore: (settings: Settings.Settings, file: string, options: { readonly withoutKeys: boolean }) =>
        Backups.restore(settings, file, { ...options, ...(parts.restoring && { pass: parts.restoring }) })
    },
    policies: (settings: Settings.Settings, tools: Tools) => policies(settings, tools, parts),
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

const manifest = findPackageJSON("../..", import.meta.url)
const { version } = JSON.parse(readFileSync(manifest!, "utf8")) as { readonly version: string }

const open = Effect.fnUntraced(function* (
  settings: Settings.Settings,
  environment: NodeJS.ProcessEnv,
  parts: Service.Parts
) {
  const folder = resolve(settings.dataFolder)
  // Before anything is made.
  yield* HttpDoor.probe(settings)
  const ownerToken = yield* FileIdentity.ensureOwnerToken({ folder }).pipe(Effect.provide(NodePrivateFiles.layer))
  const service = yield* Layer.build(Service.served(settings, environment, parts))
  const engine = Context.get(service, PolicyEngine)
  const { hash, policies } = yield* engine.set
  const running: Running = {
    url: Context.get(service, HttpDoor.HttpAddress).url,
    store: storeOf(settings, folder),
    policies: { folder: resolve(settings.policyFolder), policies: policies.length, hash },
    workspace: resolve(settings.workspaceFolder),
    reload: engine.reload,
    responder: Context.get(service, Responder).identity,
    ownerToken
  }
  return running
})

const profileOf = ({ databaseUrl }: Settings.Settings, { responder }: Service.Parts): string =>
  `service: journal on ${databaseUrl === null ? "PGlite" : "PostgreSQL"}, keys in files, policies in Cedar, ` +
  `${responder === undefined ? "the command language" : "the app's responder"} in turns`

/** The journal's place; of a database's URL, no user and no password. */
const storeOf = ({ databaseUrl }: Settings.Settings, folder: string): Running["store"] => {
  if (databaseUrl === null) {
    const durability = "a commit was seen to reach the disk (fsync)"
    return { product: "PGlite", place: resolve(folder, "journal"), durability }
  }
  const { host, pathname } = new URL(Redacted.value(databaseUrl))
  return { product: "PostgreSQL", place: `${host}${pathname}`, durability: "it answers commits once they are on disk" }
}

const verify = Effect.fnUntraced(function* (
  settings: Settings.Settings,
  onProgress: (progress: Progress) => Effect.Effect<void>,
  doubt: Doubt
) {
  const report = yield* Verification.verify(settings, { ...doubt, onProgress, problemsMax: listedMax })
  const { counters, events, keys, receipts, rows, signed, streams } = report
  const counts = Object.entries({ events, streams, receipts, rows, counters, ...(keys === null ? {} : { keys }) })
  return { counts, problems: report.problems, problemCount: report.problemCount, signed }
})

/** Those of a service that runs; null for those of this program. */
type Tools = ReadonlyArray<ToolDescriptor> | null

const policies = Effect.fnUntraced(function* (settings: Settings.Settings, tools: Tools, parts: Service.Parts) {
  const context = yield* Layer.build(Service.policiesOnly(settings, tools, parts)).pipe(
    Effect.provide(Logger.layer([]))
  )
  const engine = Context.get(context, PolicyEngine)
  const catalog = Context.get(context, ToolCatalog)
  return {
    folder: resolve(settings.policyFolder),
    set: yield* engine.set,
    tools: (yield* catalog.tools).map(({ name }) => name),
    ask: (question: PolicyQuestion) =>
      Effect.flatMap(catalog.check(question.tool, question.arguments), (checked) =>
        engine.decide({ ...question, arguments: checked })
      ).pipe(
        // No journal stands behind this catalog.
        Effect.catchTag("EventStoreError", Effect.die)
      )
  }
})
