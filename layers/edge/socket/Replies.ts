/**
 * What one peer is told: answers, problems, ends; and what of it is counted.
 *
 * Invariant: what went wrong inside is told to the operator's log, and never to the peer.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Answered } from "#src/gateway/Protocol.ts"
import * as Series from "#src/kernel/Series.ts"
import type * as Frames from "../api/Frames.ts"
import * as Problems from "../Problems.ts"
import type { Followed } from "./Followed.ts"
import type { Listener } from "./Listener.ts"
import type { Outbox } from "./Outbox.ts"

const frames = Metric.counter("socket_frames_total", {
  description: "Frames that clients sent over WebSockets, by what they asked and how that ended.",
  incremental: true
})

const framesOf = Series.of(frames, "type", "outcome")

/** Counts a frame that came: what it asked, and `answered` or the problem's code. */
export const counted = (type: string, outcome: string) => Metric.update(framesOf(type, outcome), 1)

/** To whom it is told. */
export interface To {
  readonly listener: Pick<Listener, "id">
  readonly outbox: Outbox
}

export const answerFrame = (to: Frames.AskedType, id: string, { body, repeated }: Answered<unknown>) => ({
  type: "answer",
  to,
  id,
  repeated,
  body
})

export const problemFrame = (connection: string, id: string | null, problem: Problems.Problem) => {
  const { retryAfterSeconds } = Problems.definitionOf(problem.code)
  return { type: "problem", id, retryAfterSeconds, problem: Problems.document(problem, `urn:uuid:${connection}`) }
}

/** Makes the answer once there is room for it, so that no more than one waits for a peer that does not read. */
export const later = <R>({ outbox }: To, reply: Effect.Effect<object, never, R>): Effect.Effect<void, never, R> =>
  outbox.send(Effect.map(reply, (frame) => JSON.stringify(frame)))

export const tell = (to: To, frame: object): Effect.Effect<void> => later(to, Effect.succeed(frame))

export const answer = (
  to: To,
  { id, type }: { readonly id: string; readonly type: Frames.AskedType },
  answered: Answered<unknown>
) => tell(to, answerFrame(type, id, answered))

export const refuse = (to: To, frameId: string | null, problem: Problems.Problem) =>
  tell(to, problemFrame(to.listener.id, frameId, problem))

/** It is followed no more. */
export const end = (to: To, { name, types }: Followed, sequence: number, { code }: Problems.Problem) => {
  const { retryable, title } = Problems.definitionOf(code)
  return tell(to, { type: types.end, ...name, sequence, code, detail: title, retryable })
}

/** What failed, as a problem; what the peer is not told, the operator reads. */
export const problemOf = (
  cause: Cause.Cause<Problems.Failure>,
  where: { readonly [name: string]: string }
): Effect.Effect<Problems.Problem> => {
  const failure = Cause.findErrorOption(cause)
  if (failure._tag === "None" && Cause.hasInterruptsOnly(cause)) return Effect.succeed(Problems.make("Draining"))
  const problem = failure._tag === "Some" ? Problems.from(failure.value) : Problems.make("InternalError")
  if (Problems.definitionOf(problem.code).status < 500) return Effect.succeed(problem)
  const note =
    failure._tag === "Some"
      ? Effect.logWarning("a frame could not be served", failure.value)
      : Effect.logError("a frame met a bug", cause)
  return Effect.as(Effect.annotateLogs(note, where), problem)
}
