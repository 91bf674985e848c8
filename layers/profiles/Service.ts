/**
 * The service as a deployment runs it: a laptop's (PGlite in the data folder) or a stack's (PostgreSQL).
 *
 * Composes; every choice is one line. What is opened closes in the opposite order: the door first, the journal last.
 */
import { resolve } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as PgliteEventStore from "#layers/event-store/PgliteEventStore.ts"
import * as PostgresEventStore from "#layers/event-store/PostgresEventStore.ts"
import * as FileIdentity from "#layers/identity/FileIdentity.ts"
import * as FileKeyRing from "#layers/key-ring/FileKeyRing.ts"
import * as CedarPolicyEngine from "#layers/policy-engine/CedarPolicyEngine.ts"
import * as PolicyFolder from "#layers/policy-engine/PolicyFolder.ts"
import * as NodePrivateFiles from "#layers/private-files/NodePrivateFiles.ts"
import * as NoneRecollection from "#layers/recollection/NoneRecollection.ts"
import * as CommandResponder from "#layers/responder/CommandResponder.ts"
import * as NodeStamps from "#layers/stamps/NodeStamps.ts"
import * as StandardTools from "#layers/tool-executor/StandardTools.ts"
import * as ToolRegistry from "#layers/tool-executor/ToolRegistry.ts"
import * as GatewayRows from "#src/gateway/Rows.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import * as Core from "./Core.ts"
import { defaults, type Settings } from "./Settings.ts"

/** The journal and its rows. */
export const journal = (settings: Settings) =>
  settings.databaseUrl === null
    ? PgliteEventStore.layer({ folder: resolve(settings.dataFolder, "journal"), rowIndexes: GatewayRows.indexes })
    : PostgresEventStore.layer({ url: settings.databaseUrl, rowIndexes: GatewayRows.indexes })

/** Wrapping keys: made only for a journal that holds nothing yet, so that lost keys are missed and not replaced. */
export const keyRing = (settings: Settings) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const store = yield* EventStore
      const createIfEmpty = (yield* store.head) === 0
      return FileKeyRing.layer({ folder: resolve(settings.dataFolder, "keys"), createIfEmpty })
    })
  )

/** The starter set is copied only where the folder is the default one and not there: a mistyped name is a mistake. */
const policies = (settings: Settings) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const folder = resolve(settings.policyFolder)
      if (settings.policyFolder === defaults.policyFolder || folder === resolve(settings.dataFolder, "policies")) {
        const installed = yield* PolicyFolder.installStarterSet(folder)
        if (installed) yield* Effect.logInfo(`put the starter policies into ${folder}`)
      }
      return CedarPolicyEngine.layer({ folder })
    })
  ).pipe(Layer.provide(NodeFileSystem.layer))

const tools = (settings: Settings) =>
  ToolRegistry.layerEffect(
    StandardTools.make({
      workspace: { root: resolve(settings.workspaceFolder), apartFrom: [resolve(settings.dataFolder)] }
    })
  )

/** The gateway and everything behind it; the doors come on top. */
export const layer = (settings: Settings) =>
  Core.layer(settings).pipe(
    Layer.provideMerge(policies(settings)),
    Layer.provideMerge(ToolRegistry.layerCatalog),
    Layer.provide(tools(settings)),
    Layer.provideMerge(Layer.mergeAll(CommandResponder.layer, NoneRecollection.layer)),
    Layer.provideMerge(keyRing(settings)),
    Layer.provideMerge(journal(settings)),
    Layer.provideMerge(FileIdentity.layer({ folder: resolve(settings.dataFolder) })),
    Layer.provideMerge(NodeStamps.layer),
    Layer.provideMerge(Layer.mergeAll(NodeDigest.layer, NodePrivateFiles.layer))
  )
