/**
 * A language model whose answers a test writes, which keeps every request it was sent.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as AiResponse from "effect/ai/Response"
import * as LanguageModelResponder from "#layers/responder/LanguageModelResponder.ts"
import type { Hash } from "#src/kernel/Ids.ts"
import { Responder, type TranscriptPart } from "#src/ports/Responder.ts"
import type { ToolDescriptor } from "#src/ports/ToolExecutor.ts"

export type Part = AiResponse.PartEncoded

export interface Scripted {
  readonly layer: Layer.Layer<LanguageModel.LanguageModel>
  readonly requests: Array<LanguageModel.ProviderOptions>
}

export const scripted = (answer: Effect.Effect<ReadonlyArray<Part>, AiError.AiError>): Scripted => {
  const requests: Array<LanguageModel.ProviderOptions> = []
  const make = LanguageModel.make({
    generateText: (options) =>
      Effect.suspend(() => {
        requests.push(options)
        return Effect.map(answer, (parts) => [...parts])
      }),
    streamText: () => Stream.empty
  })
  return { layer: Layer.effect(LanguageModel.LanguageModel, make), requests }
}

export const says = (...parts: ReadonlyArray<Part>): Scripted => scripted(Effect.succeed(parts))

export const text = (value: string): Part => ({ type: "text", text: value })

export const call = (id: string, name: string, params: unknown, more: object = {}): Part => ({
  type: "tool-call",
  id,
  name,
  params,
  ...more
})

export const finish = (reason: AiResponse.FinishReason, input?: number, output?: number): Part => ({
  type: "finish",
  reason,
  usage: { inputTokens: { total: input }, outputTokens: { total: output } }
})

export const tool = (name: string): ToolDescriptor => ({
  name,
  description: `what ${name} does`,
  inputSchema: { type: "object", properties: { path: { type: "string" } }, required: ["path"] },
  hash: "0".repeat(64) as Hash,
  idempotent: false,
  executor: null
})

export const tools = [tool("file.read"), tool("file.write")]

export const input = (value: string): TranscriptPart => ({ _tag: "Input", text: value })

export const ask = (
  model: Scripted,
  transcript: ReadonlyArray<TranscriptPart> = [input("hello")],
  options: Partial<LanguageModelResponder.Options> = {},
  offered: ReadonlyArray<ToolDescriptor> = tools
) =>
  Effect.flatMap(Responder, (responder) => responder.respond(transcript, offered)).pipe(
    Effect.provide(
      LanguageModelResponder.layer({
        identity: { provider: "scripted", model: "scripted-1", deterministic: false },
        ...options
      }).pipe(Layer.provide(model.layer))
    )
  )
