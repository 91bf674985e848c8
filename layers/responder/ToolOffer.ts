/**
 * What a language model is told about the tools: names and schemas, and nothing that runs.
 *
 * Owns the names under which tools are offered, and the toolkit whose every handler dies.
 * Invariant: no value of this module can execute a tool; asking it to is a defect, never an effect.
 */
import * as Effect from "effect/Effect"
import type * as JsonSchema from "effect/JsonSchema"
import type * as Schema from "effect/Schema"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import type { ToolDescriptor } from "#src/ports/ToolExecutor.ts"

/** Something inside Effect AI tried to run a tool. A defect: `TranscriptPrompt` closes the way there. */
export class ToolRunAttempted extends Error {
  override readonly name = "ToolRunAttempted"
}

/** A tool as a model sees it: a name, a description and a JSON Schema that Effect AI does not judge arguments by. */
export type OfferedTool = Tool.Dynamic<
  string,
  {
    readonly parameters: JsonSchema.JsonSchema
    readonly success: typeof Schema.Unknown
    readonly failure: typeof Schema.Never
    readonly failureMode: "error"
  }
>

export interface ToolOffer {
  /** For `LanguageModel.generateText`: schemas to show, and a `handle` that dies. */
  readonly toolkit: Toolkit.WithHandler<Record<string, OfferedTool>>
  /** The name a tool goes by in the conversation with the model. */
  readonly offeredName: (tool: string) => string
  /** The tool behind a name the model used, or undefined where that name was not offered in this request. */
  readonly toolOf: (offeredName: string) => string | undefined
}

/**
 * Providers commonly admit letters, digits, `_` and `-`, 64 at most, so `file.read` is offered as `file_read`.
 * Where two tools would share a name, the later one gets `_2`, `_3` and so on.
 */
export const portableNames = (tools: Iterable<string>): ReadonlyMap<string, string> => {
  const names = new Map<string, string>()
  const taken = new Set<string>()
  for (const tool of tools) {
    if (names.has(tool)) continue
    const plain = tool.replace(/[^A-Za-z0-9_-]/g, "_")
    let name = plain.slice(0, offeredNameMax)
    for (let count = 2; taken.has(name); count++) {
      const suffix = `_${count}`
      name = plain.slice(0, offeredNameMax - suffix.length) + suffix
    }
    taken.add(name)
    names.set(tool, name)
  }
  return names
}

/**
 * `mentioned` are tools that stand in the transcript and may no longer be on offer: they keep a name of their own.
 * With `portable` false, tools go by their own names.
 */
export const make = (
  tools: ReadonlyArray<ToolDescriptor>,
  mentioned: Iterable<string>,
  portable: boolean
): ToolOffer => {
  const names = portable ? portableNames([...tools.map((tool) => tool.name), ...mentioned]) : undefined
  const offeredName = (tool: string) => names?.get(tool) ?? tool
  const byOfferedName = new Map(tools.map((tool) => [offeredName(tool.name), tool.name]))
  const { tools: schemas } = Toolkit.make(
    ...tools.map((tool): OfferedTool =>
      Tool.dynamic(offeredName(tool.name), {
        description: tool.description,
        parameters: tool.inputSchema as JsonSchema.JsonSchema
      })
    )
  )
  return {
    toolkit: { tools: schemas, handle: (name) => Effect.die(new ToolRunAttempted(`asked to run ${name}`)) },
    offeredName,
    toolOf: (name) => byOfferedName.get(name)
  }
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const offeredNameMax = 64
