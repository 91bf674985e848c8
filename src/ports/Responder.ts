/**
 * What answers in a turn: a language model, or the deterministic default that needs no network.
 *
 * Owns one step: transcript in, text and proposals out. Runs no tool: it is given schemas, not handlers.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Json } from "../kernel/Canonical.ts"
import type { ToolDescriptor } from "./ToolExecutor.ts"

export type TranscriptPart =
  | { readonly _tag: "Input"; readonly text: string }
  | { readonly _tag: "Recalled"; readonly text: string }
  | { readonly _tag: "Said"; readonly text: string; readonly proposals: ReadonlyArray<Proposal> }
  /** What became of a proposal; `outcome` is Executed, Failed, Denied, Expired, Withdrawn, Unknown or Invalid. */
  | {
      readonly _tag: "ToolOutcome"
      readonly callId: string
      readonly tool: string
      readonly outcome: string
      readonly output: Json
      /** The arguments as a person changed them before they ran; absent where they ran as proposed. */
      readonly editedArguments?: Json
    }

export const Proposal = Schema.Struct({
  /** The model's own name for the call, unique in the turn. */
  callId: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(128)),
  tool: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(128)),
  arguments: Schema.Json
})
export type Proposal = typeof Proposal.Type

export interface Response {
  readonly text: string
  readonly proposals: ReadonlyArray<Proposal>
  readonly inputTokens: number
  readonly outputTokens: number
}

export class ResponderError extends Schema.TaggedError<ResponderError>()("ResponderError", {
  reason: Schema.Literals(["Unavailable", "RateLimited", "Refused", "Malformed", "TooLong"]),
  detail: Schema.String,
  retryable: Schema.Boolean
}) {
  override get message() {
    return this.detail
  }
}

export class Responder extends Context.Service<
  Responder,
  {
    /** Says what it is: recorded in every turn, shown at every door. */
    readonly identity: { readonly provider: string; readonly model: string; readonly deterministic: boolean }
    readonly respond: (
      transcript: ReadonlyArray<TranscriptPart>,
      tools: ReadonlyArray<ToolDescriptor>
    ) => Effect.Effect<Response, ResponderError>
  }
>()("keelson/ports/Responder") {}
