/**
 * One WebSocket, from its first frame to its end.
 *
 *   frame -> counted against the principal's rate -> read -> in hand -> Deeds -> answer | problem
 *   event of what is followed -> Deliveries -> event frame
 *   a halt that stands, begins or ends -> Notices -> halt frame
 *
 * Owns the order of things on one connection, and why it ends. Does not own what deeds do (`Deeds`), who follows what
 * (`Registry`) or who may open one (`SocketDoor`).
 *
 * Invariants: every frame that has an id is answered once, or the connection ends; a command is done in the name of the
 * principal as it stands when its frame is read; events of what is followed come in order, each once; nothing grows with a
 * peer that does not read, or that sends more than is done.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Metric from "effect/Metric"
import * as Socket from "effect/socket/Socket"
import type { Socket as TcpSocket } from "node:net"
import type { Answered } from "#src/gateway/Protocol.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import * as Trace from "#src/kernel/Trace.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { Feed } from "#src/ports/Feed.ts"
import { Identity, type Principal } from "#src/ports/Identity.ts"
import { CurrentCorrelationId } from "#src/ports/Stamps.ts"
import { closings, type Closing } from "../api/Frames.ts"
import type { Deeds } from "../Deeds.ts"
import { HaltNews } from "../HaltNews.ts"
import { Admission } from "../http/Admission.ts"
import { Drain } from "../http/Drain.ts"
import * as Problems from "../Problems.ts"
import * as Deliveries from "./Deliveries.ts"
import * as Endings from "./Endings.ts"
import * as Followed from "./Followed.ts"
import type * as Follower from "./Follower.ts"
import * as InHand from "./InHand.ts"
import * as Incoming from "./Incoming.ts"
import type { Listener } from "./Listener.ts"
import * as Notices from "./Notices.ts"
import * as Outbox from "./Outbox.ts"
import type { Registry } from "./Registry.ts"
import * as Replies from "./Replies.ts"
import type { Tail } from "./Tail.ts"

export interface Limits extends Follower.Limits, Outbox.Limits {
  readonly socketCommandsMax: number
  readonly frameMillis: number
  readonly nonsenseMax: number
  readonly heartbeatMillis: number
  readonly drainMillis: number
}

export interface Shared {
  readonly registry: Registry<Listener, Follower.Follower>
  readonly tail: Tail
  readonly deeds: Deeds
  readonly limits: Limits
}

/** A connection after its handshake: what comes, what goes, and what carries it. */
export interface Wire extends Pick<Socket.Reader, "pull"> {
  readonly writer: Socket.Writer
  readonly tcp: TcpSocket
}

const frameDuration = Metric.histogram("socket_frame_duration_seconds", {
  description: "From a frame to its answer, by what was asked.",
  boundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
})

/** Serves connections, each until it ends; answers why, where this side ended it. */
export const make = Effect.fnUntraced(function* ({ deeds, limits, registry, tail }: Shared) {
  const store = yield* EventStore
  const feed = yield* Feed
  const identity = yield* Identity
  const admission = yield* Admission
  const drain = yield* Drain
  const news = yield* HaltNews

  return Effect.fnUntraced(function* (listener: Listener, caller: Principal, { pull, tcp, writer }: Wire) {
    const { id } = listener
    const outbox = Outbox.make(writer, tcp, limits)
    const replies = Replies.make(id, outbox)
    const { show } = deeds.readable
    const deliveries = yield* Deliveries.make({ store, tail, registry, show, listener, outbox, replies, limits })
    const handlers = yield* FiberSet.make<void, never>()
    const inHand = InHand.make(limits.socketCommandsMax)
    yield* news.listen(Notices.make(listener, outbox, handlers))

    // --- deeds -------------------------------------------------------------------------------

    /** Does what was asked, in the name of the caller as it stands now. */
    const deed = (frame: Incoming.DeedFrame): Effect.Effect<Answered<unknown>, Problems.Failure> =>
      Effect.flatMap(identity.renew(caller), (by): Effect.Effect<Answered<unknown>, Problems.Failure> => {
        const request = { params: frame.params ?? {}, payload: frame.body ?? {} }
        if (!("key" in frame)) {
          const ask = deeds.questions[frame.type] as Ask
          return Effect.map(ask(by, request), (body) => ({ body, repeated: false }))
        }
        const command = deeds.commands[frame.type] as Command
        return Effect.provideService(command(by, frame.key, request), CurrentCorrelationId, frame.correlationId)
      })

    /** What comes of a frame, as the frame that answers it. */
    const reply = Effect.fnUntraced(function* (frame: Incoming.DeedFrame) {
      const startedAtNanos = yield* Clock.currentTimeNanos
      const done = yield* Effect.exit(deed(frame))
      const problem =
        done._tag === "Success" ? null : yield* Replies.problemOf(done.cause, { connection: id, frame: frame.type })
      if (problem !== null) yield* Effect.annotateCurrentSpan({ "keelson.problem": problem.code })
      yield* Replies.counted(frame.type, problem?.code ?? "answered")
      const seconds = Number((yield* Clock.currentTimeNanos) - startedAtNanos) / 1e9
      yield* Metric.update(Metric.withAttributes(frameDuration, { type: frame.type }), seconds)
      return done._tag === "Success"
        ? Replies.answerFrame(frame.type, frame.id, done.value)
        : Replies.problemFrame(id, frame.id, problem!)
    })

    /** A command is done whether its answer is read or not; a question is asked once there is room for what it answers. */
    const perform = (frame: Incoming.DeedFrame) =>
      ("key" in frame ? Effect.flatMap(reply(frame), replies.tell) : replies.later(reply(frame))).pipe(
        Effect.withSpan(`socket ${frame.type}`, {
          kind: "server",
          ...parentOf(frame),
          attributes: { "keelson.connection": id }
        }),
        Effect.ensuring(inHand.end(frame.id))
      )

    // --- in ----------------------------------------------------------------------------------

    const nonsense = Incoming.nonsense(limits.nonsenseMax)
    const state: Endings.Reading = { waiting: false, came: false }

    const receive = Effect.fnUntraced(function* (raw: string | Uint8Array) {
      const admitted = yield* Effect.result(admission.take(caller))
      const read = yield* Effect.result(Incoming.read(raw))
      if (admitted._tag === "Failure") {
        yield* Replies.counted("-", admitted.failure.code)
        yield* replies.refuse(read._tag === "Success" ? read.success.id : read.failure.frameId, admitted.failure)
        // Nothing more is read for a moment: whoever floods is held by TCP, and costs the others nothing.
        return yield* Effect.sleep(Duration.millis(Bounds.socketFloodMillis))
      }
      if (read._tag === "Failure") {
        yield* Replies.counted("-", read.failure.problem.code)
        yield* replies.refuse(read.failure.frameId, read.failure.problem)
        if (nonsense(yield* Clock.currentTimeMillis)) return yield* Effect.fail<Closing>(4400)
        return
      }
      const frame = read.success
      const outcome = yield* Effect.exit(drain.begun() ? Problems.make("Draining") : take(frame))
      if (outcome._tag === "Failure") {
        const problem = yield* Replies.problemOf(outcome.cause, { connection: id, frame: frame.type })
        yield* Replies.counted(frame.type, problem.code)
        yield* replies.refuse(frame.id, problem)
      }
    })

    const follow = Effect.fnUntraced(function* (frame: Incoming.SubscribeFrame) {
      yield* deeds.readable.session(yield* identity.renew(caller), frame.sessionId)
      yield* deliveries.follow(Followed.session(frame.sessionId), frame)
    })

    const followWork = Effect.fnUntraced(function* (frame: Incoming.WorkSubscribeFrame) {
      const { executorId } = frame
      yield* deeds.readable.work(yield* identity.renew(caller), executorId)
      const mayTell = (stored: StoredEvent) => deeds.readable.isWork(caller, executorId, stored)
      yield* deliveries.follow(Followed.work(executorId, mayTell), frame)
    })

    const take = (frame: Incoming.Frame): Effect.Effect<void, Problems.Failure> => {
      switch (frame.type) {
        case "ping":
          return Effect.andThen(
            Replies.counted("ping", "answered"),
            replies.answer("ping", frame.id, { body: {}, repeated: false })
          )
        case "subscribe":
          return Effect.andThen(follow(frame), Replies.counted("subscribe", "answered"))
        case "work.subscribe":
          return Effect.andThen(followWork(frame), Replies.counted("work.subscribe", "answered"))
        case "unsubscribe":
        case "work.unsubscribe":
          return Effect.andThen(deliveries.unfollow(frame), Replies.counted(frame.type, "answered"))
        default:
          return Effect.andThen(inHand.begin(frame.id), FiberSet.run(handlers, perform(frame)))
      }
    }

    /** Reads until the peer goes (null), or is told to. */
    const reading = Effect.gen(function* () {
      for (;;) {
        state.waiting = true
        const batch = yield* Effect.mapError(pull, (): Closing | null => null)
        state.waiting = false
        state.came = true
        for (const raw of batch) yield* receive(raw)
      }
    })

    const heartbeats = Effect.forever(Effect.delay(deliveries.heartbeat, Duration.millis(limits.heartbeatMillis)))

    const ending = yield* Effect.raceAllFirst([
      Effect.flip(reading),
      Endings.drained(drain, inHand.idle, limits.drainMillis),
      Endings.revoked(listener, caller, feed, identity),
      Endings.half(tcp, state, limits.frameMillis),
      Effect.as(outbox.tooSlow, 4429 as const),
      // A bug of ours ends the connection, and not the answer to one frame alone.
      Effect.andThen(FiberSet.join(handlers), Effect.never),
      heartbeats
    ])
    // Nothing more is made for a peer that is told to go.
    yield* deliveries.stop
    if (ending !== null) yield* Effect.ignore(writer.write(new Socket.CloseEvent(ending, closings[ending])))
    return ending
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
