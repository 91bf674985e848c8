/**
 * What a language model answered, judged: text and proposals within bounds, or a typed error.
 *
 * Owns the rules for an answer. Nothing in it is trusted: the model, or whoever speaks through it, chose every
 * byte. Anything that claims to have run already, or asks to be approved by other means than ours, is refused.
 */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as AiResponse from "effect/ai/Response"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import { type Proposal, type Response, ResponderError } from "#src/ports/Responder.ts"
import type { OfferedTool } from "./ToolOffer.ts"

export type AnswerPart = AiResponse.Part<Record<string, OfferedTool>, "deferred">

export interface Question {
  /** The tool behind an offered name, undefined for any other. */
  readonly toolOf: (offeredName: string) => string | undefined
  /** Call ids that the turn has used, in order. */
  readonly usedCallIds: ReadonlyArray<string>
  /** A deterministic model gives the same answer again, so its mistakes are not worth a retry. */
  readonly deterministic: boolean
  /** Estimate of the prompt's tokens, taken where the provider reports none. */
  readonly estimatedInputTokens: number
}

/** Reads an answer. Total: whatever the parts hold, it gives a response within bounds or an error. */
export const read = (parts: ReadonlyArray<AnswerPart>, question: Question): Result.Result<Response, ResponderError> => {
  const malformed = (detail: string) => fail("Malformed", detail, !question.deterministic)
  const calls: Array<ToolCall> = []
  let text = ""
  let finish: AiResponse.FinishPart | undefined
  for (const part of parts) {
    switch (part.type) {
      case "text": {
        text += part.text
        if (text.length > Bounds.resultTextMax) return tooLong()
        break
      }
      case "tool-call": {
        if (part.providerExecuted) return fail("Refused", "the answer holds a call that the provider ran itself", false)
        calls.push(part)
        break
      }
      case "tool-result":
        return fail("Refused", "the answer holds a tool's result; only Keelson runs tools", false)
      case "tool-approval-request":
        return fail("Refused", "the answer asks for an approval outside of Keelson's gate", false)
      case "file":
        return malformed("the answer holds a file; only text and tool calls are taken")
      case "finish": {
        if (finish !== undefined) return malformed("the answer finishes twice")
        finish = part
        break
      }
      case "reasoning":
      case "source":
      case "response-metadata":
        break
      default:
        return malformed("the answer holds a part of no known kind")
    }
  }
  const incomplete = finish === undefined ? undefined : incompleteBecause(finish.reason)
  if (incomplete !== undefined) return Result.fail(incomplete)
  if (calls.length > Bounds.proposalsPerStepMax) {
    return malformed(`the answer proposes ${calls.length} tool calls; ${Bounds.proposalsPerStepMax} are allowed`)
  }
  text = wellFormed(text)
  const proposals = readCalls(calls, question, answerBytesMax - canonicalBytes(text), malformed)
  if (Result.isFailure(proposals)) return Result.fail(proposals.failure)
  return Result.succeed({
    text,
    proposals: proposals.success,
    inputTokens: reported(finish?.usage.inputTokens.total) ?? question.estimatedInputTokens,
    outputTokens:
      reported(finish?.usage.outputTokens.total) ??
      estimateTokens(text.length + Canonical.encode(proposals.success.map((proposal) => proposal.arguments)).length)
  })
}

/** Four UTF-16 units a token, rounded up: the usual rule of thumb for English, low for other scripts. */
export const estimateTokens = (units: number): number => Math.ceil(units / 4)

/** Text with every half of a surrogate pair replaced by U+FFFD, so that it has a canonical form. */
export const wellFormed = (text: string): string => text.replace(/\p{Surrogate}/gu, "\ufffd")

/** UTF-8 bytes of the value's canonical JSON. */
export const canonicalBytes = (value: Canonical.Json): number => Buffer.byteLength(Canonical.encode(value))

/** Text and arguments of one answer together, as UTF-8 bytes of canonical JSON: what one event has to hold. */
export const answerBytesMax = Bounds.resultTextMax

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

type ToolCall = Extract<AnswerPart, { readonly type: "tool-call" }>

const fail = (
  reason: ResponderError["reason"],
  detail: string,
  retryable: boolean
): Result.Result<never, ResponderError> => Result.fail(new ResponderError({ reason, detail, retryable }))

const tooLong = () =>
  fail("TooLong", `the answer is longer than ${answerBytesMax} bytes of text and arguments together`, false)

/** An answer that was cut, filtered or broken off is no answer: its last call may lack a part of its arguments. */
const incompleteBecause = (reason: AiResponse.FinishReason): ResponderError | undefined => {
  switch (reason) {
    case "length":
      return new ResponderError({
        reason: "TooLong",
        detail: "the model stopped at its own limit before the answer was complete",
        retryable: false
      })
    case "content-filter":
      return new ResponderError({
        reason: "Refused",
        detail: "the provider's content filter stopped the answer",
        retryable: false
      })
    case "error":
      return new ResponderError({
        reason: "Unavailable",
        detail: "the model broke off with an error",
        retryable: true
      })
    default:
      return undefined
  }
}

const readCalls = (
  calls: ReadonlyArray<ToolCall>,
  question: Question,
  bytesLeft: number,
  malformed: (detail: string) => Result.Result<never, ResponderError>
): Result.Result<ReadonlyArray<Proposal>, ResponderError> => {
  const callIds = nameCalls(calls, question.usedCallIds)
  if (Option.isNone(callIds)) {
    return malformed("the answer holds a call id that is used twice, longer than 128 characters or not plain ASCII")
  }
  const proposals: Array<Proposal> = []
  let left = bytesLeft
  for (const [index, call] of calls.entries()) {
    const tool = question.toolOf(call.name)
    if (tool === undefined) return malformed("the answer calls a tool that was not offered")
    const argumentsText = canonicalText(call.params)
    if (argumentsText === undefined) return malformed(`the arguments for ${tool} are not JSON of a sensible depth`)
    if (argumentsText.length > Bounds.argumentsTextMax) return tooLong()
    left -= Buffer.byteLength(argumentsText)
    proposals.push({ callId: callIds.value[index]!, tool, arguments: Canonical.decode(argumentsText) })
  }
  return left < 0 ? tooLong() : Result.succeed(proposals)
}

/**
 * The model's own ids where they are usable. An empty id, or one that an earlier step of the turn used (some
 * servers count from zero in each answer), is replaced by `call-<n>`, n being the call's place in the turn.
 */
const nameCalls = (
  calls: ReadonlyArray<ToolCall>,
  usedCallIds: ReadonlyArray<string>
): Option.Option<ReadonlyArray<string>> => {
  const used = new Set(usedCallIds)
  const given = new Set<string>()
  for (const { id } of calls) {
    if (id === "") continue
    if (given.has(id) || !/^[\x21-\x7e]{1,128}$/.test(id)) return Option.none()
    given.add(id)
  }
  const names = calls.map(({ id }, index) => {
    if (id !== "" && !used.has(id)) return id
    let place = usedCallIds.length + index + 1
    while (used.has(`call-${place}`) || given.has(`call-${place}`)) place++
    used.add(`call-${place}`)
    return `call-${place}`
  })
  return Option.some(names)
}

/** The canonical text of what claims to be JSON, or undefined where it is none. Nothing live comes along. */
const canonicalText = (value: unknown): string | undefined => {
  try {
    if (depthBeyond(value, Bounds.argumentsDepthMax)) return undefined
    return Canonical.encode(value as Canonical.Json)
  } catch {
    return undefined
  }
}

/** Deep nesting exhausts the stack of whoever walks it next. */
const depthBeyond = (value: unknown, levels: number): boolean => {
  if (typeof value !== "object" || value === null) return false
  return levels === 0 || Object.values(value).some((member) => depthBeyond(member, levels - 1))
}

const reported = (count: number | undefined): number | undefined =>
  count !== undefined && Number.isSafeInteger(count) && count >= 0 ? count : undefined
