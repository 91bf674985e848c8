/**
 * The responder that needs no network: the command language behind the same door as every language model.
 */
import * as Layer from "effect/Layer"
import type { Responder } from "#src/ports/Responder.ts"
import * as CommandLanguageModel from "./CommandLanguageModel.ts"
import * as LanguageModelResponder from "./LanguageModelResponder.ts"

/** A change to the language that alters any answer gets a new name: old turns say which one they were run by. */
export const identity: LanguageModelResponder.Identity = {
  provider: "keelson",
  model: "command-language-1",
  deterministic: true
}

export const layer: Layer.Layer<Responder> = LanguageModelResponder.layer({
  identity,
  instructions: "",
  portableToolNames: false
}).pipe(Layer.provide(CommandLanguageModel.layer))
