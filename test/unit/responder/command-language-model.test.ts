/**
 * The interpreter as any other program meets it: an Effect `LanguageModel` among others.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import * as CommandLanguageModel from "#layers/responder/CommandLanguageModel.ts"
import * as CommandResponder from "#layers/responder/CommandResponder.ts"
import * as NoneRecollection from "#layers/recollection/NoneRecollection.ts"
import { Recollection } from "#src/ports/Recollection.ts"
import { Responder } from "#src/ports/Responder.ts"

const toolkit = Toolkit.make(
  Tool.make("clock", { parameters: Schema.Struct({ zone: Schema.String }), success: Schema.String })
)
const handlers = toolkit.toLayer({ clock: ({ zone }) => Effect.succeed(`noon in ${zone}`) })

describe("the command interpreter as a language model", () => {
  it.effect("says and proposes the same in a stream as at once", () =>
    Effect.gen(function* () {
      const options = {
        prompt: 'say soon\ncall clock {"zone": "utc"}',
        toolkit,
        disableToolCallResolution: true
      } as const
      const whole = yield* LanguageModel.generateText(options)
      const parts = yield* Stream.runCollect(LanguageModel.streamText(options))
      const deltas = parts.map((part) => (part.type === "text-delta" ? part.delta : ""))
      assert.strictEqual(whole.text, "soon")
      assert.strictEqual(deltas.join(""), whole.text)
      assert.deepStrictEqual(
        parts.filter((part) => part.type === "tool-call"),
        whole.toolCalls
      )
      assert.deepInclude(whole.toolCalls[0]!, { id: "call-1", name: "clock", params: { zone: "utc" } })
    }).pipe(Effect.provide(CommandLanguageModel.layer))
  )

  it.effect("works with tool results in Effect AI's own form, and counts words as tokens", () =>
    Effect.gen(function* () {
      const prompt = [
        { role: "user", content: 'call clock {"zone": "utc"}\nsay it is {{1}}' },
        { role: "assistant", content: [{ type: "tool-call", id: "x", name: "clock", params: { zone: "utc" } }] },
        {
          role: "tool",
          content: [{ type: "tool-result", id: "x", name: "clock", isFailure: false, result: "noon in utc" }]
        }
      ] as const
      const { text, usage } = yield* LanguageModel.generateText({ prompt, toolkit })
      assert.strictEqual(text, "it is noon in utc")
      assert.deepStrictEqual([usage.inputTokens.total, usage.outputTokens.total], [12, 6])
    }).pipe(Effect.provide(handlers), Effect.provide(CommandLanguageModel.layer))
  )

  it.effect("has no tools where none may be used", () =>
    Effect.gen(function* () {
      const { text } = yield* LanguageModel.generateText({ prompt: "call clock {}", toolkit, toolChoice: "none" })
      assert.include(text, 'there is no tool "clock" here')
      assert.include(text, "There are no tools here.")
    }).pipe(Effect.provide(handlers), Effect.provide(CommandLanguageModel.layer))
  )

  it.effect("writes no objects, and says so with a typed error", () =>
    Effect.gen(function* () {
      const schema = Schema.Struct({ answer: Schema.String })
      const error = yield* Effect.flip(LanguageModel.generateObject({ prompt: "say hello", schema }))
      assert.strictEqual(error.reason._tag, "UnsupportedSchemaError")
    }).pipe(Effect.provide(CommandLanguageModel.layer))
  )

  it.effect("is recorded under its own name, as deterministic", () =>
    Effect.gen(function* () {
      const { identity } = yield* Responder
      assert.deepStrictEqual(identity, { provider: "keelson", model: "command-language-1", deterministic: true })
    }).pipe(Effect.provide(CommandResponder.layer))
  )
})

describe("no recollection", () => {
  it.effect("recalls nothing, remembers nothing, and says so", () =>
    Effect.gen(function* () {
      const recollection = yield* Recollection
      assert.deepStrictEqual(yield* recollection.recall("ses", "hello"), { source: "none", items: [] })
      assert.deepStrictEqual(yield* recollection.remember("ses", "trn"), { source: "none", memoryIds: [] })
    }).pipe(Effect.provide(NoneRecollection.layer))
  )
})
