/**
 * The whole gateway in memory: for tests, simulation and trying things out. Keeps every promise but durability.
 */
import * as Layer from "effect/Layer"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import * as VolatileKeyRing from "#layers/key-ring/VolatileKeyRing.ts"
import * as VolatilePolicyEngine from "#layers/policy-engine/VolatilePolicyEngine.ts"
import * as NoneRecollection from "#layers/recollection/NoneRecollection.ts"
import * as CommandResponder from "#layers/responder/CommandResponder.ts"
import * as NodeStamps from "#layers/stamps/NodeStamps.ts"
import * as DeclaredTools from "#layers/tool-executor/DeclaredTools.ts"
import * as ToolRegistry from "#layers/tool-executor/ToolRegistry.ts"
import type { Digest } from "#src/ports/Digest.ts"
import type { EventStore, EventStoreError, Rows } from "#src/ports/EventStore.ts"
import type { KeyRing } from "#src/ports/KeyRing.ts"
import type { PolicyEngine, PolicyError } from "#src/ports/PolicyEngine.ts"
import type { Responder } from "#src/ports/Responder.ts"
import type { ToolCatalog } from "#src/ports/ToolExecutor.ts"
import * as Core from "./Core.ts"
import { defaults, type Settings } from "./Settings.ts"

export interface Options {
  readonly tools: ReadonlyArray<ToolRegistry.RegisteredTool>
  /** Cedar text by file name. */
  readonly policies: { readonly [file: string]: string }
  /** Instead of these texts. */
  readonly policyEngine?: Layer.Layer<PolicyEngine, PolicyError | EventStoreError, ToolCatalog | Digest>
  readonly settings?: Partial<Settings>
  readonly responder?: Layer.Layer<Responder>
  /** Another journal than a fresh one in memory, and the keys that its words are sealed under. */
  readonly journal?: Layer.Layer<EventStore | Rows>
  readonly keyRing?: Layer.Layer<KeyRing>
}

export const layer = (options: Options) =>
  Core.layer({ ...defaults, ...options.settings }).pipe(
    Layer.provideMerge(options.policyEngine ?? VolatilePolicyEngine.layerText(options.policies)),
    Layer.provideMerge(Layer.provide(DeclaredTools.layer, ToolRegistry.layerCatalog)),
    Layer.provideMerge(ToolRegistry.layer(options.tools)),
    Layer.provideMerge(
      Layer.mergeAll(
        options.journal ?? VolatileEventStore.layer,
        options.keyRing ?? VolatileKeyRing.layer,
        NodeStamps.layer
      )
    ),
    Layer.provideMerge(
      Layer.mergeAll(NodeDigest.layer, NoneRecollection.layer, options.responder ?? CommandResponder.layer)
    )
  )
