/**
 * A turn played between the command responder and tools that a test writes, as the gateway would play it.
 */
import * as Effect from "effect/Effect"
import * as CommandResponder from "#layers/responder/CommandResponder.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { Json } from "#src/kernel/Canonical.ts"
import { type Proposal, Responder, type ResponderError, type TranscriptPart } from "#src/ports/Responder.ts"
import type { ToolDescriptor } from "#src/ports/ToolExecutor.ts"
import { tool } from "./scripted.ts"

export interface Outcome {
  readonly outcome: string
  readonly output: Json
}

export type Tools<R = never> = (proposal: Proposal) => Outcome | Effect.Effect<Outcome, never, R>

export const executed = (output: Json): Outcome => ({ outcome: "Executed", output })

export const allTools = ["file.list", "file.read", "file.write", "shell.run", "clock"].map(tool)

/** Files in a map, under the same names and arguments as the real tools. */
export const fileTools = (files: Record<string, string>): Tools => {
  const known = new Map(Object.entries(files))
  return ({ tool: name, arguments: args }) => {
    const { path = "", content = "" } = args as { readonly path?: string; readonly content?: string }
    if (name === "file.list") {
      return executed({ entries: [...known.keys()].map((file) => ({ name: file, type: "file" })) })
    }
    if (name === "file.read") {
      const text = known.get(path)
      return text === undefined
        ? { outcome: "Failed", output: { code: "NotFound", detail: `${path}: there is no such file` } }
        : executed({ path, text })
    }
    if (name === "file.write") {
      known.set(path, content)
      return executed({ path, writtenBytes: content.length })
    }
    return executed(args as Json)
  }
}

export interface Played {
  /** What was said in each step; the last one is the answer. */
  readonly said: ReadonlyArray<string>
  readonly proposals: ReadonlyArray<Proposal>
  readonly transcript: ReadonlyArray<TranscriptPart>
}

/** Plays to the end. A turn that takes more steps than a turn has is a defect. */
export const play = Effect.fnUntraced(function* <R = never>(
  script: string,
  tools: Tools<R> = fileTools({}),
  offered: ReadonlyArray<ToolDescriptor> = allTools
): Effect.fn.Return<Played, ResponderError, R> {
  const responder = yield* Effect.provide(Responder, CommandResponder.layer)
  const transcript: Array<TranscriptPart> = [{ _tag: "Input", text: script }]
  const said: Array<string> = []
  const proposals: Array<Proposal> = []
  while (said.length < Bounds.turnStepsMax) {
    const response = yield* responder.respond(transcript, offered)
    said.push(response.text)
    proposals.push(...response.proposals)
    transcript.push({ _tag: "Said", text: response.text, proposals: response.proposals })
    for (const proposal of response.proposals) {
      const became = tools(proposal)
      const outcome = Effect.isEffect(became) ? yield* became : became
      transcript.push({ _tag: "ToolOutcome", callId: proposal.callId, tool: proposal.tool, ...outcome })
    }
    if (response.proposals.length === 0) return { said, proposals, transcript }
  }
  return yield* Effect.die(new Error(`no end after ${Bounds.turnStepsMax} steps`))
})
