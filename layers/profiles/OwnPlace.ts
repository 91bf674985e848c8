/**
 * What the command line's commands do with a place of their own: open a service, verify, back up, prove, ask its policies.
 *
 * Apart from `Program`, which loads it when a command needs it.
 */
import { resolve } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import type { Doubt, Progress, Running } from "#layers/cli/Deployment.ts"
import { listedMax } from "#layers/cli/VerifyCommand.ts"
import * as HttpDoor from "#layers/edge/HttpDoor.ts"
import * as FileIdentity from "#layers/identity/FileIdentity.ts"
import * as NodePrivateFiles from "#layers/private-files/NodePrivateFiles.ts"
import { PolicyEngine, type PolicyQuestion } from "#src/ports/PolicyEngine.ts"
import { Responder } from "#src/ports/Responder.ts"
import { ToolCatalog, type ToolDescriptor } from "#src/ports/ToolExecutor.ts"
import * as Folders from "./Folders.ts"
import * as Service from "./Service.ts"
import type * as Settings from "./Settings.ts"
import * as Verification from "./Verification.ts"

export * as Backups from "./Backups.ts"
export * as Proofs from "./Proofs.ts"

export const open = Effect.fnUntraced(function* (
  settings: Settings.Settings,
  environment: NodeJS.ProcessEnv,
  parts: Service.Parts
) {
  const folder = resolve(settings.dataFolder)
  // Before anything is made.
  yield* HttpDoor.probe(settings)
  for (const one of [folder, settings.workspaceFolder, settings.checkpointFolder]) yield* Folders.begin(one)
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

/** The journal's place; of a database's URL, no user and no password. */
const storeOf = ({ databaseUrl }: Settings.Settings, folder: string): Running["store"] => {
  if (databaseUrl === null) {
    const durability = "a commit was seen to reach the disk (fsync)"
    return { product: "PGlite", place: resolve(folder, "journal"), durability }
  }
  const { host, pathname } = new URL(Redacted.value(databaseUrl))
  return { product: "PostgreSQL", place: `${host}${pathname}`, durability: "it answers commits once they are on disk" }
}

export const verify = Effect.fnUntraced(function* (
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

export const policies = Effect.fnUntraced(function* (settings: Settings.Settings, tools: Tools, parts: Service.Parts) {
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
