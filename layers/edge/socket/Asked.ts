/**
 * What one frame asks, done and answered.
 *
 *   frame -> counted against the principal's rate -> read -> in hand -> Deeds -> answer | problem
 *
 * Owns how frames are served. Does not own what deeds do (`Deeds`), nor the connection that they come on (`Connection`).
 *
 * Invariants: every frame that has an id is answered once, or the connection ends; a command is done in the name of the
 * principal as it stands when its frame is read.
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Answered } from "#src/gateway/Protocol.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import * as Series from "#src/kernel/Series.ts"
import * as Trace from "#src/kernel/Trace.ts"
import { Identity, type Principal } from "#src/ports/Identity.ts"
import { CurrentCorrelationId } from "#src/ports/Stamps.ts"
import type { Closing } from "../api/Frames.ts"
import type { Deeds } from "../Deeds.ts"
import { Admission } from "../http/Admission.ts"
import { Drain } from "../http/Drain.ts"
import * as Problems from "../Problems.ts"
import type { Deliveries } from "./Deliveries.ts"
import * as Followed from "./Followed.ts"
import * as InHand from "./InHand.ts"
import * as Incoming from "./Incoming.ts"
import type { Peer } from "./Peer.ts"
import * as Replies from "./Replies.ts"

export interface Limits {
  readonly socketCommandsMax: number
  readonly nonsenseMax: number
}

export interface Needs {
  readonly deeds: Deeds
  readonly deliveries: Deliveries
  readonly limits: Limits
  /** Runs beside the reading, for as long as the connection is open. */
  readonly run: (peer: Peer, effect: Effect.Effect<void>) => void
  readonly end: (peer: Peer, ending: Closing) => void
}

const frameDuration = Metric.histogram("socket_frame_duration_seconds", {
  description: "From a frame to its answer, by what was asked.",
  boundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
})
const frameDurationOf = Series.of(frameDuration, "type")

/** Makes what serves frames. What comes back takes the next of a connection; done is it once the one after may be read. */
export const make = Effect.fnUntraced(function* ({ deeds, deliveries, end, limits, run }: Needs) {
  const identity = yield* Identity
  const admission = yield* Admission
  const drain = yield* Drain

  /** Does what was asked, in the name of the caller as it stands now. */
  const deed = (peer: Peer, frame: Incoming.DeedFrame): Effect.Effect<Answered<unknown>, Problems.Failure> =>
    Effect.flatMap(identity.renew(peer.caller), (by): Effect.Effect<Answered<unknown>, Problems.Failure> => {
      const request = { params: frame.params ?? {}, payload: frame.body ?? {} }
      if (!("key" in frame)) {
        const ask = deeds.questions[frame.type] as Ask
        return Effect.map(ask(by, request), (body) => ({ body, repeated: false }))
      }
      const command = deeds.commands[frame.type] as Command
      return Effect.provideService(command(by, frame.key, request), CurrentCorrelationId, frame.correlationId)
    })

  const problemOf = ({ listener }: Peer, frame: Incoming.Frame, cause: Cause.Cause<Problems.Failure>) =>
    Replies.problemOf(cause, { connection: listener.id, frame: frame.type })

  /** What comes of a frame, as the frame that answers it. */
  const reply = Effect.fnUntraced(function* (peer: Peer, frame: Incoming.DeedFrame) {
    const startedAtNanos = yield* Clock.currentTimeNanos
    const done = yield* Effect.exit(deed(peer, frame))
    const problem = done._tag === "Success" ? null : yield* problemOf(peer, frame, done.cause)
    if (problem !== null) yield* Effect.annotateCurrentSpan({ "keelson.problem": problem.code })
    yield* Replies.counted(frame.type, problem?.code ?? "answered")
    const seconds = Number((yield* Clock.currentTimeNanos) - startedAtNanos) / 1e9
    yield* Metric.update(frameDurationOf(frame.type), seconds)
    return done._tag === "Success"
      ? Replies.answerFrame(frame.type, frame.id, done.value)
      : Replies.problemFrame(peer.listener.id, frame.id, problem!)
  })

  const inHandOf = (peer: Peer) => (peer.inHand ??= InHand.make(limits.socketCommandsMax))

  /** A command is done whether its answer is read or not; a question is asked once there is room for what it answers. */
  const perform = (peer: Peer, frame: Incoming.DeedFrame) =>
    ("key" in frame
      ? Effect.flatMap(reply(peer, frame), (answer) => Replies.tell(peer, answer))
      : Replies.later(peer, reply(peer, frame))
    ).pipe(
      Effect.withSpan(
        `socket ${frame.type}`,
        { kind: "server", ...parentOf(frame), attributes: { "keelson.connection": peer.listener.id } },
        { captureStackTrace: false }
      ),
      Effect.ensuring(inHandOf(peer).end(frame.id))
    )

  const follow = Effect.fnUntraced(function* (peer: Peer, frame: Incoming.SubscribeFrame) {
    yield* deeds.readable.session(yield* identity.renew(peer.caller), frame.sessionId)
    yield* deliveries.follow(peer, Followed.session(frame.sessionId), frame)
  })

  const followWork = Effect.fnUntraced(function* (peer: Peer, frame: Incoming.WorkSubscribeFrame) {
    const { caller } = peer
    const { executorId } = frame
    yield* deeds.readable.work(yield* identity.renew(caller), executorId)
    const mayTell = (stored: StoredEvent) => deeds.readable.isWork(caller, executorId, stored)
    yield* deliveries.follow(peer, Followed.work(executorId, mayTell), frame)
  })

  const take = (peer: Peer, frame: Incoming.Frame): Effect.Effect<void, Problems.Failure> => {
    switch (frame.type) {
      case "ping":
        return Effect.andThen(
          Replies.counted("ping", "answered"),
          Replies.answer(peer, frame, { body: {}, repeated: false })
        )
      case "subscribe":
        return Effect.andThen(follow(peer, frame), Replies.counted("subscribe", "answered"))
      case "work.subscribe":
        return Effect.andThen(followWork(peer, frame), Replies.counted("work.subscribe", "answered"))
      case "unsubscribe":
      case "work.unsubscribe":
        return Effect.andThen(deliveries.unfollow(peer, frame), Replies.counted(frame.type, "answered"))
      default:
        return Effect.map(inHandOf(peer).begin(frame.id), () => run(peer, perform(peer, frame)))
    }
  }

  return Effect.fnUntraced(function* (peer: Peer, raw: string | Uint8Array) {
    const admitted = yield* Effect.result(admission.take(peer.caller))
    const read = yield* Effect.result(Incoming.read(raw))
    if (admitted._tag === "Failure") {
      yield* Replies.counted("-", admitted.failure.code)
      yield* Replies.refuse(peer, read._tag === "Success" ? read.success.id : read.failure.frameId, admitted.failure)
      // Nothing more is read for a moment: whoever floods is held by TCP, and costs the others nothing.
      return yield* Effect.sleep(Duration.millis(Bounds.socketFloodMillis))
    }
    if (read._tag === "Failure") {
      yield* Replies.counted("-", read.failure.problem.code)
      yield* Replies.refuse(peer, read.failure.frameId, read.failure.problem)
      peer.nonsense ??= Incoming.nonsense(limits.nonsenseMax)
      if (peer.nonsense(yield* Clock.currentTimeMillis)) end(peer, 4400)
      return
    }
    const frame = read.success
    const outcome = yield* Effect.exit(drain.begun() ? Problems.make("Draining") : take(peer, frame))
    if (outcome._tag === "Failure") {
      const problem = yield* problemOf(peer, frame, outcome.cause)
      yield* Replies.counted(frame.type, problem.code)
      yield* Replies.refuse(peer, frame.id, problem)
    }
  })
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** The frame's schema made sure that the request is what the deed of its type takes. */
interface Request {
  readonly params: object
  readonly payload: object
}
type Ask = (by: Principal, request: Request) => Effect.Effect<unknown, Problems.Failure>
type Command = (by: Principal, key: string, request: Request) => Effect.Effect<Answered<unknown>, Problems.Failure>

/** A span of its own where the frame names no other: a connection lives for hours. */
const parentOf = ({ traceparent }: { readonly traceparent?: string | undefined }) => {
  const parent = Trace.spanOf(traceparent ?? null)
  return parent === undefined ? { root: true } : { parent }
}
