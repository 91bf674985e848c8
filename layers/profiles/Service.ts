/**
 * The service as a deployment runs it: a laptop's (PGlite in the data folder) or a stack's (PostgreSQL).
 *
 * Composes; every choice is one line. What is opened closes in the opposite order: the door first, the journal last.
 */
import { existsSync } from "node:fs"
import { basename, resolve } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as HttpDoor from "#layers/edge/HttpDoor.ts"
import * as Readiness from "#layers/edge/Readiness.ts"
import * as SocketDoor from "#layers/edge/socket/SocketDoor.ts"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as FileIdentity from "#layers/identity/FileIdentity.ts"
import * as JournalIdentity from "#layers/identity/JournalIdentity.ts"
import * as FileKeyRing from "#layers/key-ring/FileKeyRing.ts"
import * as CedarPolicyEngine from "#layers/policy-engine/CedarPolicyEngine.ts"
import * as CedarPolicyReload from "#layers/policy-engine/CedarPolicyReload.ts"
import * as PolicyFolder from "#layers/policy-engine/PolicyFolder.ts"
import * as NodePrivateFiles from "#layers/private-files/NodePrivateFiles.ts"
import * as NoneRecollection from "#layers/recollection/NoneRecollection.ts"
import * as CommandResponder from "#layers/responder/CommandResponder.ts"
import * as NodeStamps from "#layers/stamps/NodeStamps.ts"
import * as DeclaredTools from "#layers/tool-executor/DeclaredTools.ts"
import * as StandardTools from "#layers/tool-executor/StandardTools.ts"
import * as ToolRegistry from "#layers/tool-executor/ToolRegistry.ts"
import * as NodeTelemetry from "#layers/telemetry/NodeTelemetry.ts"
import * as KeyCheck from "#layers/vault/KeyCheck.ts"
import { Checkpoints } from "#src/assurance/Protocol.ts"
import { Actors } from "#src/ports/Actors.ts"
import type { EventStore } from "#src/ports/EventStore.ts"
import { KeyRing } from "#src/ports/KeyRing.ts"
import { PolicyEngine } from "#src/ports/PolicyEngine.ts"
import type { Responder } from "#src/ports/Responder.ts"
import type { ToolDescriptor } from "#src/ports/ToolExecutor.ts"
import * as Backups from "./Backups.ts"
import * as Checkpointing from "./Checkpointing.ts"
import * as Core from "./Core.ts"
import * as Journal from "./Journal.ts"
import { defaults, type Settings } from "./Settings.ts"

/** What an app brings into its service. */
export interface Parts {
  /** Beside the standard tools; the policies are validated against all of them. */
  readonly tools?: ReadonlyArray<ToolRegistry.RegisteredTool>
  /** Instead of the command language. */
  readonly responder?: Layer.Layer<Responder>
  /** Stands between the gateway and its journal and keys: what fails there on purpose, in tests. */
  readonly faults?: Layer.Layer<EventStore | KeyRing, never, EventStore | KeyRing>
  /** Called at each moment of a restore, to end it there, in tests. */
  readonly restoring?: (moment: Backups.Moment) => Effect.Effect<void>
}

/**
 * Wrapping keys: made only for a journal that holds nothing yet, so that lost keys are missed and not replaced; and
 * those of another journal are refused.
 */
export const keyRing = (settings: Settings) =>
  Layer.unwrap(
    Effect.gen(function* () {
      yield* Backups.refuseUnfinished
      const folder = resolve(settings.dataFolder, "keys")
      const createIfEmpty = yield* KeyCheck.begin(existsSync(folder) ? `the keys in ${folder}` : null)
      const ring = FileKeyRing.layer({ folder, createIfEmpty })
      return Layer.provideMerge(Layer.effectDiscard(KeyCheck.check), ring)
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
      return CedarPolicyReload.layer({ folder })
    })
  ).pipe(Layer.provide(NodeFileSystem.layer))

/** The owner by the token in the data folder, everybody else by keys in the journal. */
const identity = (settings: Settings) =>
  JournalIdentity.layer.pipe(Layer.provide(FileIdentity.layer({ folder: resolve(settings.dataFolder) })))

const tools = (settings: Settings, own: ReadonlyArray<ToolRegistry.RegisteredTool>) =>
  ToolRegistry.layerEffect(
    Effect.map(
      StandardTools.make({
        workspace: {
          root: resolve(settings.workspaceFolder),
          apartFrom: [resolve(settings.dataFolder), resolve(settings.policyFolder)]
        }
      }),
      (standard) => [...standard, ...own]
    )
  )

/**
 * The policies alone, over the descriptions of this program's tools or of those that a running service told of: for
 * whoever wants to know what they would say. Where the tools would work does not matter to that, and nothing is made
 * there.
 */
export const policiesOnly = (settings: Settings, told: ReadonlyArray<ToolDescriptor> | null, parts: Parts = {}) =>
  CedarPolicyEngine.layer({ folder: resolve(settings.policyFolder) }).pipe(
    Layer.provideMerge(
      told === null
        ? ToolRegistry.layerCatalog
        : Layer.provide(DeclaredTools.layerTold(told), ToolRegistry.layerCatalog)
    ),
    Layer.provide(ToolRegistry.layer([...StandardTools.described(), ...(parts.tools ?? [])])),
    Layer.provide(NodeDigest.layer)
  )

const faultless = Layer.effectContext(Effect.context<EventStore | KeyRing>())

/** The gateway and everything behind it; `served` puts the door on top. */
export const layer = (settings: Settings, parts: Parts = {}) =>
  Core.layer(settings).pipe(
    Layer.provideMerge(policies(settings)),
    Layer.provideMerge(Layer.provide(DeclaredTools.layer, ToolRegistry.layerCatalog)),
    Layer.provide(tools(settings, parts.tools ?? [])),
    Layer.provideMerge(Layer.mergeAll(parts.responder ?? CommandResponder.layer, NoneRecollection.layer)),
    // Below everything that writes: at a stop the last checkpoint is taken when the last actor is done.
    Layer.provideMerge(Checkpointing.layer(settings)),
    Layer.provideMerge(Backups.layer(settings)),
    Layer.provideMerge(parts.faults ?? faultless),
    Layer.provideMerge(keyRing(settings)),
    Layer.provideMerge(identity(settings)),
    Layer.provideMerge(Journal.journal(settings)),
    Layer.provideMerge(NodeStamps.layer),
    Layer.provideMerge(Layer.mergeAll(NodeDigest.layer, NodePrivateFiles.layer))
  )

/** No stream is isolated: one that is answers nothing until somebody looks. */
const isolated = Effect.map(Actors, ({ status }): Readiness.Check => ({
  name: "streams",
  check: Effect.flatMap(status, ({ isolatedCount }) =>
    isolatedCount === 0 ? Effect.void : Effect.fail(`${isolatedCount} isolated`)
  )
}))

/** The wrapping keys are there and readable: without them nothing new is sealed. */
const keys = Effect.map(KeyRing, ({ versions }): Readiness.Check => ({
  name: "keys",
  check: Effect.mapBoth(versions, { onFailure: ({ reason }) => reason, onSuccess: () => undefined })
}))

/** Policies that were refused are named, but take nothing away: the set before them decides. */
const policyChanges = Effect.map(PolicyEngine, ({ refused }): Readiness.Check => ({
  name: "policies",
  check: Effect.map(refused, (error) => {
    const [first] = error?.problems ?? []
    if (error === null || first === undefined) return
    const place = first.line === null ? basename(first.file) : `${basename(first.file)}:${first.line}`
    const more = error.problems.length - 1
    return `last change refused: ${place}${more > 0 ? ` and ${more} more` : ""}; the log says why`
  })
}))

/** The journal is the one that was signed. What keeps a checkpoint from being written is named, and takes nothing away. */
const checkpoints = Effect.map(Checkpoints, ({ status }): Readiness.Check => ({
  name: "checkpoints",
  check: Effect.flatMap(status, ({ contradiction, failure }) => {
    if (contradiction !== null) return Effect.fail(contradiction)
    return Effect.succeed(failure === null ? undefined : "the last one could not be written; the log says why")
  })
}))

/** Seen from outside: traces beside the journal, and what the `OTEL_*` variables ask for. */
const telemetry = (settings: Settings, environment: NodeTelemetry.Options["environment"]) =>
  NodeTelemetry.layer({
    folder: resolve(settings.dataFolder, "traces"),
    fileBytesMax: settings.traceFileBytes,
    environment
  })

/** The whole service, listening; `environment` is looked through for `OTEL_*` variables. */
export const served = (settings: Settings, environment: NodeTelemetry.Options["environment"] = {}, parts: Parts = {}) =>
  HttpDoor.layer({
    host: settings.host,
    port: settings.port,
    limits: {
      bodyBytesMax: settings.bodyBytesMax,
      connectionsMax: settings.connectionsMax,
      requestsMax: settings.requestsMax,
      requestsPerSecondMax: settings.requestsPerSecondMax,
      waitsMax: settings.waitsMax,
      waitsPerPrincipalMax: settings.waitsPerPrincipalMax,
      eventStreamsMax: settings.eventStreamsMax,
      eventStreamsPerPrincipalMax: settings.eventStreamsPerPrincipalMax,
      sockets: {
        ...SocketDoor.defaults,
        socketsMax: settings.socketsMax,
        socketsPerPrincipalMax: settings.socketsPerPrincipalMax,
        frameBytesMax: settings.socketFrameBytesMax
      }
    },
    origins: settings.origins === "" ? [] : settings.origins.split(",")
  }).pipe(
    Layer.provide(Layer.unwrap(Effect.map(Effect.all([isolated, keys, policyChanges, checkpoints]), Readiness.layer))),
    Layer.provideMerge(layer(settings, parts)),
    Layer.provide(telemetry(settings, environment))
  )
