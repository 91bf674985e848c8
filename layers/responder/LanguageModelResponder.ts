/**
 * Any language model of Effect AI as the responder of a turn.
 *
 *   transcript -> Prompt (own parts only) -> LanguageModel.generateText -> ModelAnswer -> Response
 *
 * Owns the one call to the model: its time, what it is told, how its failures are named.
 * Invariants: no tool can run from here (schemas only, resolution disabled, every handler dies, approval parts
 * stripped); an error's text holds none of the conversation; the provider's own spans are off, because the
 * errors in them are the provider's words, which may quote it.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Model from "effect/ai/Model"
import type * as Prompt from "effect/ai/Prompt"
import * as Bounds from "#src/kernel/Bounds.ts"
import { Responder, ResponderError, type TranscriptPart } from "#src/ports/Responder.ts"
import type { ToolDescriptor } from "#src/ports/ToolExecutor.ts"
import * as ModelAnswer from "./ModelAnswer.ts"
import * as ToolOffer from "./ToolOffer.ts"
import * as TranscriptPrompt from "./TranscriptPrompt.ts"

export type Identity = Responder["Service"]["identity"]

export interface Options {
  /** Says what answers; it is recorded in every turn. */
  readonly identity: Identity
  /** The system message. `TranscriptPrompt.defaultInstructions` where absent; none where empty. */
  readonly instructions?: string | undefined
  /** For one answer; from 1 to `Bounds.turnMillisMax`, `Bounds.responderMillis` where absent. */
  readonly timeoutMillis?: number | undefined
  /** Whether tools go by names that every provider admits (`file_read` for `file.read`); true where absent. */
  readonly portableToolNames?: boolean | undefined
}

/** A timeout out of bounds is a defect: a deployment's settings are checked where they are read. */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Responder["Service"], never, LanguageModel.LanguageModel> {
  const model = yield* LanguageModel.LanguageModel
  const { identity } = options
  const instructions = options.instructions ?? TranscriptPrompt.defaultInstructions
  const timeoutMillis = options.timeoutMillis ?? Bounds.responderMillis
  if (!Number.isInteger(timeoutMillis) || timeoutMillis < 1 || timeoutMillis > Bounds.turnMillisMax) {
    return yield* Effect.die(new RangeError(`timeoutMillis is a whole number from 1 to ${Bounds.turnMillisMax}`))
  }

  const ask = (prompt: Prompt.Prompt, offer: ToolOffer.ToolOffer) =>
    model
      .generateText({
        prompt: TranscriptPrompt.onlyOwnParts(prompt),
        toolkit: offer.toolkit,
        disableToolCallResolution: true,
        toolCallValidation: "deferred"
      })
      .pipe(
        Effect.withTracerEnabled(false),
        Effect.mapError((error) => fromAiError(error, identity.deterministic)),
        Effect.timeoutOrElse({
          duration: timeoutMillis,
          orElse: () =>
            new ResponderError({
              reason: "Unavailable",
              detail: `the model gave no answer within ${timeoutMillis} ms`,
              retryable: true
            })
        })
      )

  const respond = Effect.fn("Responder.respond", {
    kind: "client",
    attributes: { "gen_ai.provider.name": identity.provider, "gen_ai.request.model": identity.model }
  })(function* (transcript: ReadonlyArray<TranscriptPart>, tools: ReadonlyArray<ToolDescriptor>) {
    const past = transcript.flatMap((part) => (part._tag === "Said" ? part.proposals : []))
    const offer = ToolOffer.make(
      tools,
      past.map((proposal) => proposal.tool),
      options.portableToolNames ?? true
    )
    const prompt = TranscriptPrompt.fromTranscript(transcript, instructions, offer.offeredName)
    if (Result.isFailure(prompt)) {
      return yield* new ResponderError({ reason: "Malformed", detail: prompt.failure, retryable: false })
    }
    const { content } = yield* ask(prompt.success, offer)
    const response = yield* Effect.fromResult(
      ModelAnswer.read(content, {
        toolOf: offer.toolOf,
        usedCallIds: past.map((proposal) => proposal.callId),
        deterministic: identity.deterministic,
        estimatedInputTokens: estimatePromptTokens(prompt.success)
      })
    )
    yield* Effect.annotateCurrentSpan({
      "gen_ai.usage.input_tokens": response.inputTokens,
      "gen_ai.usage.output_tokens": response.outputTokens,
      "keelson.proposals": response.proposals.length
    })
    return response
  })

  return Responder.of({ identity, respond })
})

export const layer = (options: Options): Layer.Layer<Responder, never, LanguageModel.LanguageModel> =>
  Layer.effect(Responder, make(options))

/** The same for a provider package's `model(...)`, which says by itself what it is. */
export const layerModel = <Provider, Requires>(
  model: Model.Model<Provider, LanguageModel.LanguageModel, Requires>,
  options: Omit<Options, "identity"> = {}
): Layer.Layer<Responder, never, Requires> =>
  Layer.effect(
    Responder,
    Effect.gen(function* () {
      const identity = { provider: yield* Model.ProviderName, model: yield* Model.ModelName, deterministic: false }
      return yield* make({ ...options, identity })
    })
  ).pipe(Layer.provide(model))

/**
 * A provider's failure in our words. The provider's own text is left out: it may quote the conversation.
 * `retryable` says whether the same call may succeed later; a deterministic model's answer never changes.
 */
export const fromAiError = (error: AiError.AiError, deterministic: boolean): ResponderError => {
  const cause = error.reason
  const status = "http" in cause ? cause.http?.response?.status : undefined
  const because = (reason: ResponderError["reason"], sentence: string, retryable: boolean) =>
    new ResponderError({
      reason,
      detail: `${sentence} (${cause._tag}${status === undefined ? "" : `, HTTP ${status}`})`,
      retryable
    })
  switch (cause._tag) {
    case "RateLimitError":
      return because("RateLimited", "the provider asks to slow down", true)
    case "QuotaExhaustedError":
      return because("RateLimited", "the account at the provider is used up", false)
    case "AuthenticationError":
      return because("Refused", `the provider does not accept the credentials: ${cause.kind}`, false)
    case "ContentPolicyError":
      return because("Refused", "the provider's content policy forbids this", false)
    case "InvalidRequestError":
    case "InvalidUserInputError":
    case "UnsupportedSchemaError":
      return because("Refused", "the provider does not accept the request", false)
    case "NetworkError":
      return because("Unavailable", `the provider can't be reached: ${cause.reason}`, cause.isRetryable)
    case "InternalProviderError":
      return because("Unavailable", "the provider failed", true)
    case "UnknownError":
      return because("Unavailable", "the provider failed in a way it does not name", false)
    case "InvalidResponseError":
    case "InvalidOutputError":
    case "StructuredOutputError":
    case "ToolNotFoundError":
    case "ToolParameterValidationError":
      return because("Malformed", "the answer is not in the agreed form", !deterministic)
    case "InvalidToolResultError":
    case "ToolResultEncodingError":
    case "ToolConfigurationError":
    case "ToolkitRequiredError":
      return because("Malformed", "the answer treats tools in a way that is not Keelson's", false)
  }
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** From the units of all texts, arguments and results; taken only where the provider reports nothing. */
const estimatePromptTokens = (prompt: Prompt.Prompt): number => {
  let units = 0
  for (const message of prompt.content) {
    if (message.role === "system") units += message.content.length
    else for (const part of message.content) units += partUnits(part)
  }
  return ModelAnswer.estimateTokens(units)
}

const partUnits = (part: Prompt.Part): number => {
  switch (part.type) {
    case "text":
      return part.text.length
    case "tool-call":
      return part.name.length + JSON.stringify(part.params).length
    case "tool-result":
      return part.name.length + JSON.stringify(part.result).length
    default:
      return 0
  }
}
