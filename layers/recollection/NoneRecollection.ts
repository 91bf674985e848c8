/**
 * No memory: recalls nothing, writes nothing, and says so, so that a turn's record is true.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Recollection } from "#src/ports/Recollection.ts"

export const layer: Layer.Layer<Recollection> = Layer.succeed(Recollection, {
  recall: () => Effect.succeed({ source: "none", items: [] }),
  remember: () => Effect.succeed({ source: "none", memoryIds: [] })
})
