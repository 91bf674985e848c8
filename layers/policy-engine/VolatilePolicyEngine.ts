/**
 * The policy engine on Cedar, from policy texts given in code: for tests and for apps that carry their policies.
 *
 * Owns nothing but that choice. The texts are read, validated and evaluated like files of a folder.
 */
import type { EventStoreError } from "#src/ports/EventStore.ts"
import * as Layer from "effect/Layer"
import type { Digest } from "#src/ports/Digest.ts"
import { PolicyEngine, type PolicyError } from "#src/ports/PolicyEngine.ts"
import type { ToolCatalog } from "#src/ports/ToolExecutor.ts"
import { make } from "./CedarPolicyEngine.ts"

/** `texts`: policy text by file name, for example `{ "agents.cedar": "..." }`. None permits nothing. */
export const layerText = (texts: {
  readonly [file: string]: string
}): Layer.Layer<PolicyEngine, PolicyError | EventStoreError, ToolCatalog | Digest> =>
  Layer.effect(PolicyEngine, make(Object.entries(texts).map(([file, text]) => ({ file, text }))))
