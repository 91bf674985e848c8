/**
 * A language model that is none: a deterministic interpreter of a small command language, without network.
 *
 * Owns what it says about itself. The grammar is `CommandProgram`'s, the running is `CommandStep`'s.
 * The same prompt and tools give the same answer, byte for byte. Tokens are words: runs of anything but white space,
 * counted over all texts of the prompt, arguments and results as JSON.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as Prompt from "effect/ai/Prompt"
import type * as AiResponse from "effect/ai/Response"
import type { Json } from "#src/kernel/Canonical.ts"
import * as CommandProgram from "./CommandProgram.ts"
import * as CommandStep from "./CommandStep.ts"
import { isRecalled, type ToolOutcomeResult } from "./TranscriptPrompt.ts"

/** The first thing it says when it is asked for help or not understood. */
export const honestSentence =
  "I am Keelson's deterministic command interpreter, not a language model: " +
  "I do exactly the commands below, line by line, and understand nothing else."

/** What one conversation so far comes to. Total: every prompt has an answer. */
export const answer = (prompt: Prompt.Prompt, tools: ReadonlyArray<string>): CommandStep.Step => {
  const help = helpText(tools)
  const parsed = CommandProgram.parse(inputText(prompt), new Set(tools))
  if (parsed._tag === "Program") return CommandStep.next(parsed.program, outcomes(prompt), help)
  const problems = parsed.problems.map((problem) => `Line ${problem.line}: ${problem.detail}.`)
  const [sentence, ...rest] = help.split("\n")
  return { text: [sentence, "Nothing was done.", ...problems, ...rest].join("\n"), calls: [] }
}

export const make: Effect.Effect<LanguageModel.LanguageModel> = LanguageModel.make({
  generateText: (options) => (options.responseFormat.type === "json" ? noObjects : Effect.sync(() => parts(options))),
  streamText: (options) =>
    options.responseFormat.type === "json"
      ? Stream.fromEffect(noObjects)
      : Stream.fromIterable(parts(options).flatMap(streamed))
})

export const layer: Layer.Layer<LanguageModel.LanguageModel> = Layer.effect(LanguageModel.LanguageModel, make)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const noObjects = Effect.fail(
  AiError.make({
    module: "CommandLanguageModel",
    method: "generateObject",
    reason: new AiError.UnsupportedSchemaError({ description: "a command interpreter writes no objects" })
  })
)

const commandTable = [
  "  read PATH                 read a file",
  "  list [PATH]               list a folder",
  "  write PATH: TEXT          write a new file; \\n is a new line",
  "  replace PATH: TEXT        write a file, new or not",
  "  append PATH: TEXT         add to the end of a file",
  "  write PATH <<END          each of the three with the lines that follow, up to END",
  "  run COMMAND ARG…          run a program; words with spaces go into quotes",
  '  call TOOL {"name": …}     call any tool',
  "  say TEXT                  put TEXT into the answer",
  "  together: … end           propose the tool commands between them in one step",
  "  continue on failure       from here on, go on after a command that was not done",
  "  help                      say this",
  "{{1}} in a text stands for what the first tool command put out, {{last}} for the last one before it."
]

const helpText = (tools: ReadonlyArray<string>): string =>
  [
    honestSentence,
    ...commandTable,
    tools.length === 0 ? "There are no tools here." : `Tools here: ${tools.toSorted().join(", ")}.`
  ].join("\n")

const inputText = (prompt: Prompt.Prompt): string => {
  const texts: Array<string> = []
  for (const message of prompt.content) {
    if (message.role !== "user") continue
    for (const part of message.content) if (part.type === "text" && !isRecalled(part)) texts.push(part.text)
  }
  return texts.join("\n")
}

/** What came of each tool call, in the order of the calls, up to the first that has no result yet. */
const outcomes = (prompt: Prompt.Prompt): ReadonlyArray<CommandStep.Outcome> => {
  const callIds: Array<string> = []
  const results = new Map<string, CommandStep.Outcome>()
  for (const message of prompt.content) {
    if (message.role === "assistant") {
      for (const part of message.content) if (part.type === "tool-call") callIds.push(part.id)
    }
    if (message.role === "tool") {
      for (const part of message.content) if (part.type === "tool-result") results.set(part.id, outcomeOf(part))
    }
  }
  const known: Array<CommandStep.Outcome> = []
  for (const callId of callIds) {
    const outcome = results.get(callId)
    if (outcome === undefined) break
    known.push(outcome)
  }
  return known
}

const isToolOutcome = (result: unknown): result is ToolOutcomeResult =>
  typeof result === "object" &&
  result !== null &&
  "outcome" in result &&
  typeof result.outcome === "string" &&
  "output" in result

/** In Keelson's own form (`ToolOutcomeResult`), or as Effect AI gives results to any model. */
const outcomeOf = ({ result, isFailure }: Prompt.ToolResultPart): CommandStep.Outcome =>
  isToolOutcome(result) ? result : { outcome: isFailure ? "Failed" : "Executed", output: (result ?? null) as Json }

const parts = (options: LanguageModel.ProviderOptions): Array<AiResponse.PartEncoded> => {
  const tools = options.toolChoice === "none" ? [] : options.tools.map((tool) => tool.name)
  const step = answer(options.prompt, tools)
  const calls = step.calls.map((call): AiResponse.PartEncoded => ({
    type: "tool-call",
    id: call.id,
    name: call.tool,
    params: call.arguments
  }))
  const finish: AiResponse.PartEncoded = {
    type: "finish",
    reason: calls.length > 0 ? "tool-calls" : "stop",
    usage: {
      inputTokens: { total: promptWords(options.prompt) },
      outputTokens: { total: words(step.text) + words(JSON.stringify(step.calls.map((call) => call.arguments))) }
    }
  }
  return [...(step.text === "" ? [] : [{ type: "text", text: step.text } as const]), ...calls, finish]
}

const streamed = (part: AiResponse.PartEncoded): ReadonlyArray<AiResponse.StreamPartEncoded> =>
  part.type === "text"
    ? [
        { type: "text-start", id: "text-1" },
        { type: "text-delta", id: "text-1", delta: part.text },
        { type: "text-end", id: "text-1" }
      ]
    : part.type === "tool-call" || part.type === "finish"
      ? [part]
      : []

const promptWords = (prompt: Prompt.Prompt): number => {
  let count = 0
  for (const message of prompt.content) {
    if (message.role === "system") count += words(message.content)
    else for (const part of message.content) count += words(partText(part))
  }
  return count
}

const partText = (part: Prompt.Part): string => {
  switch (part.type) {
    case "text":
      return part.text
    case "tool-call":
      return JSON.stringify(part.params) ?? ""
    case "tool-result":
      return JSON.stringify(part.result) ?? ""
    default:
      return ""
  }
}

/** Counted without building a list of them: a file's text may hold many. */
const words = (text: string): number => {
  let count = 0
  for (const _word of text.matchAll(/\S+/g)) count++
  return count
}
