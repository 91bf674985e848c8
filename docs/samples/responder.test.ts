/**
 * What `docs/responder.md` shows, executed. Its code blocks are the regions of this file and the texts beside it.
 */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
// #region imports
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CommandResponder from "#layers/responder/CommandResponder.ts"
import * as LanguageModelResponder from "#layers/responder/LanguageModelResponder.ts"
import { Responder } from "#src/ports/Responder.ts"
// #endregion
import * as Stream from "effect/Stream"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Model from "effect/ai/Model"
import { fileTools, type Played, play, type Tools } from "#test/unit/responder/conversation.ts"

// #region default
const whoAnswers = Effect.map(Responder, ({ identity }) => `${identity.provider}/${identity.model}`).pipe(
  Effect.provide(CommandResponder.layer)
)
// #endregion

/** Stands where a provider's package would: `model(name)` gives an Effect AI `Model`, its client comes as a layer. */
const AcmeClient = { layer: Layer.empty }
const AcmeLanguageModel = {
  model: (name: string) =>
    Model.make(
      "acme",
      name,
      Layer.effect(
        LanguageModel.LanguageModel,
        LanguageModel.make({
          generateText: ({ tools }) => Effect.succeed([{ type: "text", text: tools.map((tool) => tool.name).join() }]),
          streamText: () => Stream.empty
        })
      )
    )
}

// #region plug
const responder = LanguageModelResponder.layerModel(AcmeLanguageModel.model("acme-large-2"), {
  instructions: "You keep the workspace of a small team in order. Answer in one paragraph.",
  timeoutMillis: 60_000
}).pipe(Layer.provide(AcmeClient.layer))
// #endregion

const read = (name: string) => readFile(join(import.meta.dirname, name), "utf8")

/** The second write is denied, as a person might. */
const tools = (): Tools => {
  const files = fileTools({ "monday.txt": "bread", "tuesday.txt": "milk" })
  return (proposal) =>
    proposal.callId === "call-4" ? { outcome: "Denied", output: { reason: "keep the original" } } : files(proposal)
}

const indent = (text: string) => text.replaceAll("\n", "\n      ")

const story = ({ transcript }: Played): string =>
  transcript
    .flatMap((part) => {
      switch (part._tag) {
        case "Said": {
          const calls = part.proposals.map(
            (call) => `  asks  ${call.callId} ${call.tool} ${JSON.stringify(call.arguments)}`
          )
          return ["answer", ...(part.text === "" ? [] : [`  says  ${indent(part.text)}`]), ...calls]
        }
        case "ToolOutcome":
          return [`  gets  ${part.callId} ${part.outcome}`]
        default:
          return []
      }
    })
    .map((line) => `${line}\n`)
    .join("")

describe("docs/responder.md", () => {
  it.effect("tells the worked example as it happens", () =>
    Effect.gen(function* () {
      const program = yield* Effect.promise(() => read("responder-program.txt"))
      const played = yield* play(program, tools())
      assert.strictEqual(story(played), yield* Effect.promise(() => read("responder-story.txt")))
    })
  )

  it.effect("names the default responder rightly", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* whoAnswers, "keelson/command-language-1")
    })
  )

  it.effect("plugs a provider's model in", () =>
    Effect.gen(function* () {
      const { identity, respond } = yield* Responder
      assert.deepStrictEqual(identity, { provider: "acme", model: "acme-large-2", deterministic: false })
      const { text } = yield* respond([{ _tag: "Input", text: "hello" }], [])
      assert.strictEqual(text, "")
    }).pipe(Effect.provide(responder))
  )

  it.effect("shows no code but what runs here", () =>
    Effect.promise(async () => {
      const source = await read("responder.test.ts")
      const regions = [...source.matchAll(/^\/\/ #region .*\n([^]*?)^\/\/ #endregion$/gm)].map((found) => found[1]!)
      const texts = [await read("responder-program.txt"), await read("responder-story.txt")]
      const allowed = new Set([...regions, ...texts])
      const blocks = [...(await read("../responder.md")).matchAll(/^```\w*\n([^]*?)^```$/gm)].map((found) => found[1]!)
      assert.deepStrictEqual(
        blocks.filter((block) => !allowed.has(block)),
        []
      )
      assert.strictEqual(new Set(blocks).size, allowed.size)
    })
  )
})
