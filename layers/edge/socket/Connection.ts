/**
 * One WebSocket, from its first frame to its end.
 *
 *   frame -> counted against the principal's rate -> read by its schema -> in hand -> Deeds -> answer | problem
 *   event of a followed session -> Follower -> shown -> event frame
 *
 * Owns the order of things on one connection, and why it ends. Does not own what deeds do (`Deeds`), who follows what
 * (`Registry`) or who may open one (`SocketDoor`).
 *
 * Invariants: every frame that has an id is answered once, or the connection ends; a command is done in the name of the
 * principal as it stands when its frame is read; events of one session come in order, each once; nothing grows with a
 * peer that does not read, or that sends more than is done.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Metric from "effect/Metric"
import * as Socket from "effect/socket/Socket"
import type { Socket as TcpSocket } from "node:net"
import type { Answered } from "#src/gateway/Protocol.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import type { SessionId } from "#src/kernel/Ids.ts"
import * as Trace from "#src/kernel/Trace.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { Feed } from "#src/ports/Feed.ts"
import { Identity, type Principal } from "#src/ports/Identity.ts"
import { CurrentCorrelationId } from "#src/ports/Stamps.ts"
import type * as Frames from "../api/Frames.ts"
import { closings, type Closing } from "../api/Frames.ts"
import type { Deeds } from "../Deeds.ts"
import { Admission } from "../http/Admission.ts"
import { Drain } from "../http/Drain.ts"
import * as Problems from "../Problems.ts"
import * as Follower from "./Follower.ts"
import * as Incoming from "./Incoming.ts"
import * as Outbox from "./Outbox.ts"
import type { Registry } from "./Registry.ts"
import type { Line, Tail } from "./Tail.ts"

export interface Limits extends Follower.Limits, Outbox.Limits {
  readonly frameMillis: number
  readonly nonsenseMax: number
  readonly heartbeatMillis: number
  readonly drainMillis: number
}

export interface Shared {
  readonly registry: Registry<Line, Follower.Follower>
  readonly tail: Tail
  readonly deeds: Deeds
  readonly limits: Limits
}

export const frames = Metric.counter("socket_frames_total", {
  description: "Frames that clients sent over WebSockets, by what they asked and how that ended.",
  incremental: true
})
export const frameDuration = Metric.histogram("socket_frame_duration_seconds", {
  description: "From a frame to its answer, by what was asked.",
  boundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
})
export const eventsSent = Metric.counter("socket_events_sent_total", {
  description: "Events sent to followers over WebSockets.",
  incremental: true
})

/** A connection before its handshake. One whose key can be revoked is held until it has looked for the first time. */
export const line = (id: string, by: Principal) => {
  const trusted = Latch.makeUnsafe(by.keyId === undefined)
  let doubts = 0
  return {
    id,
    principalId: by.actor.id,
    hold: () => {
      doubts += 1
      trusted.closeUnsafe()
    },
    /** Completes while nothing speaks against the principal. */
    trusted: trusted.await,
    doubts: () => doubts,
    /** Lets go again, unless there was a new doubt since. */
    trust: (since: number) => {
      if (doubts === since) trusted.openUnsafe()
    }
  }
}

/** Serves connections, each until it ends; answers why, where this side ended it. */
export const make = Effect.fnUntraced(function* ({ deeds, limits, registry, tail }: Shared) {
  const store = yield* EventStore
  const feed = yield* Feed
  const identity = yield* Identity
  const admission = yield* Admission
  const drain = yield* Drain

  return Effect.fnUntraced(function* (
    { doubts, id, trust, trusted }: ReturnType<typeof line>,
    caller: Principal,
    socket: Socket.Socket,
    tcp: TcpSocket
  ) {
    const { pull } = yield* socket.reader
    const writer = yield* socket.writer
    const outbox = Outbox.make(writer, tcp, limits)
    const handlers = yield* FiberSet.make<void>()
    const deliveries = yield* FiberMap.make<SessionId, void>()

    // --- out ---------------------------------------------------------------------------------

    const tell = (frame: unknown) => outbox.send(Effect.sync(() => JSON.stringify(frame)))

    const refuse = (frameId: string | null, problem: Problems.Problem) =>
      tell({
        type: "problem",
        id: frameId,
        retryAfterSeconds: Problems.definitionOf(problem.code).retryAfterSeconds,
        problem: Problems.document(problem, `urn:uuid:${id}`)
      })

    const answer = (to: Frames.AskedType, frameId: string, { body, repeated }: Answered<unknown>) =>
      tell({ type: "answer", to, id: frameId, repeated, body })

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

    const perform = (frame: Incoming.DeedFrame) =>
      Effect.gen(function* () {
        const startedAtNanos = yield* Clock.currentTimeNanos
        const done = yield* Effect.exit(deed(frame))
        const problem =
          done._tag === "Success" ? null : yield* problemOf(done.cause, { connection: id, frame: frame.type })
        if (problem !== null) yield* Effect.annotateCurrentSpan({ "keelson.problem": problem.code })
        yield* counted(frame.type, problem?.code ?? "answered")
        const seconds = Number((yield* Clock.currentTimeNanos) - startedAtNanos) / 1e9
        yield* Metric.update(Metric.withAttributes(frameDuration, { type: frame.type }), seconds)
        yield* done._tag === "Success" ? answer(frame.type, frame.id, done.value) : refuse(frame.id, problem!)
      }).pipe(
        Effect.withSpan(`socket ${frame.type}`, {
          kind: "server",
          ...parentOf(frame),
          attributes: { "keelson.connection": id }
        }),
        Effect.ensuring(registry.end(id, frame.id))
      )

    // --- followed sessions -------------------------------------------------------------------

    const subscribe = Effect.fnUntraced(function* (frame: Incoming.SubscribeFrame) {
      const { sessionId } = frame
      const by = yield* identity.renew(caller)
      yield* deeds.readable.session(by, sessionId)
      const after = frame.after ?? (yield* tail.position)
      const head = frame.after === undefined ? after : yield* store.head
      if (after > head) return yield* Incoming.flaw("/after", `the journal ends at ${head}`)
      const follower = Follower.make(sessionId, after, limits)
      yield* registry.follow(id, sessionId, follower)
      yield* answer("subscribe", frame.id, { body: { sessionId, after }, repeated: false })
      yield* FiberMap.run(deliveries, sessionId, deliver(follower))
    })

    const unsubscribe = Effect.fnUntraced(function* ({ id: frameId, sessionId }: Incoming.UnsubscribeFrame) {
      const followed = yield* registry.unfollow(id, sessionId)
      if (!followed)
        return yield* Problems.make("NotFound", `session ${sessionId} is not followed here`, {
          kind: "session",
          id: sessionId
        })
      yield* FiberMap.remove(deliveries, sessionId)
      yield* answer("unsubscribe", frameId, { body: {}, repeated: false })
    })

    /** Gives a session's events for as long as it can be read. */
    const deliver = (follower: Follower.Follower) => {
      const { sessionId } = follower
      let previous = follower.cursor()

      const give = (stored: StoredEvent) =>
        outbox.send(
          Effect.gen(function* () {
            yield* trusted
            const event = yield* deeds.readable.show.event(stored)
            const frame = { type: "event", sessionId, sequence: stored.position, previous, event }
            previous = stored.position
            follower.advance(stored.position)
            yield* Metric.update(eventsSent, 1)
            return JSON.stringify(frame)
          })
        )

      /** One page of the journal, as far as the tail has come. */
      const read = Effect.fnUntraced(function* () {
        const upTo = yield* tail.position
        if (follower.catchUp(upTo)) return
        const page = yield* store.readAll(follower.cursor(), Bounds.readLimitMax)
        for (const stored of page) {
          if (stored.position > upTo) return
          if ((yield* tail.sessionOf(stored)) === sessionId) yield* give(stored)
          follower.advance(stored.position)
        }
      })

      const next = Effect.suspend(() => {
        if (follower.isBehind()) return read()
        const stored = follower.take()
        return stored === undefined ? follower.awake : give(stored)
      })

      return Effect.forever(next).pipe(
        Effect.catchCause((cause) =>
          Effect.gen(function* () {
            const problem = yield* problemOf(cause, { connection: id, sessionId })
            yield* registry.unfollow(id, sessionId)
            const { retryable, title } = Problems.definitionOf(problem.code)
            yield* tell({
              type: "end",
              sessionId,
              sequence: follower.cursor(),
              code: problem.code,
              detail: title,
              retryable
            })
          })
        )
      )
    }

    const heartbeats = Effect.gen(function* () {
      const position = yield* tail.position
      const followed = yield* registry.followedBy(id)
      const sessions = followed.map(([sessionId, follower]) => ({
        sessionId,
        sequence: follower.completeUpTo(position)
      }))
      yield* tell({ type: "heartbeat", sessions })
    }).pipe(Effect.delay(Duration.millis(limits.heartbeatMillis)), Effect.forever)

    // --- in ----------------------------------------------------------------------------------

    const nonsense = Incoming.nonsense(limits.nonsenseMax)
    /** The peer's next frame is waited for; and whether one came since the last look. */
    let waiting = false
    let came = false

    const receive = Effect.fnUntraced(function* (raw: string | Uint8Array) {
      const read = yield* Effect.result(Incoming.read(raw))
      const frameId = read._tag === "Success" ? read.success.id : read.failure.frameId
      const admitted = yield* Effect.result(admission.take(caller))
      if (admitted._tag === "Failure") {
        yield* counted("-", admitted.failure.code)
        yield* refuse(frameId, admitted.failure)
        return
      }
      if (read._tag === "Failure") {
        yield* counted("-", read.failure.problem.code)
        yield* refuse(frameId, read.failure.problem)
        if (nonsense(yield* Clock.currentTimeMillis)) return yield* Effect.fail<Closing>(4400)
        return
      }
      const frame = read.success
      const outcome = yield* Effect.exit(drain.begun() ? Problems.make("Draining") : take(frame))
      if (outcome._tag === "Failure") {
        const problem = yield* problemOf(outcome.cause, { connection: id, frame: frame.type })
        yield* counted(frame.type, problem.code)
        yield* refuse(frame.id, problem)
      }
    })

    const take = (frame: Incoming.Frame): Effect.Effect<void, Problems.Failure> => {
      switch (frame.type) {
        case "ping":
          return Effect.andThen(counted("ping", "answered"), answer("ping", frame.id, { body: {}, repeated: false }))
        case "subscribe":
          return Effect.andThen(subscribe(frame), counted("subscribe", "answered"))
        case "unsubscribe":
          return Effect.andThen(unsubscribe(frame), counted("unsubscribe", "answered"))
        default:
          return Effect.andThen(registry.begin(id, frame.id), FiberSet.run(handlers, perform(frame)))
      }
    }

    const reading = Effect.gen(function* () {
      for (;;) {
        waiting = true
        const batch = yield* Effect.mapError(pull, (): Closing | null => null)
        waiting = false
        came = true
        for (const raw of batch) yield* receive(raw)
      }
    })

    // --- ends --------------------------------------------------------------------------------

    /** Half a frame came, and for a whole round nothing of the rest that completes it. */
    const half = Effect.gen(function* () {
      let seen = tcp.bytesRead
      let begun = false
      for (;;) {
        yield* Effect.sleep(Duration.millis(limits.frameMillis))
        const grown = waiting && !came && tcp.bytesRead - seen > Bounds.socketPartialBytes
        if (grown && begun) return 4408 as const
        begun = grown
        if (!grown) seen = tcp.bytesRead
        came = false
      }
    })

    /** The door closes: what is in hand is answered first, as far as there is time. */
    const drained = drain.signal.pipe(
      Effect.andThen(Effect.timeoutOption(registry.idle(id), Duration.millis(limits.drainMillis))),
      Effect.as(1001 as const)
    )

    /** Looks again whenever something about the principal was committed. */
    const revoked =
      caller.keyId === undefined
        ? Effect.never
        : Effect.scoped(
            Effect.gen(function* () {
              const changed = yield* feed.changed(`principal:${caller.actor.id}`)
              const since = doubts()
              const stands = yield* Effect.result(identity.renew(caller))
              // A store that does not answer takes nobody's key; whoever is held stays so until it does.
              if (stands._tag === "Failure" && stands.failure._tag === "Unauthenticated") return true
              if (stands._tag === "Failure") return yield* Effect.as(Effect.sleep(Duration.seconds(1)), false)
              trust(since)
              yield* changed
              return false
            })
          ).pipe(Effect.repeat({ until: (gone) => gone }), Effect.as(4401 as const))

    const ending = yield* Effect.raceAllFirst([
      reading.pipe(
        Effect.catch((closing) => Effect.succeed(closing)),
        Effect.map((closing): Closing | null => closing)
      ),
      drained,
      revoked,
      half,
      Effect.as(outbox.tooSlow, 4429 as const),
      Effect.as(heartbeats, null)
    ])
    // Nothing more is made for a peer that is told to go.
    yield* FiberMap.clear(deliveries)
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

const counted = (type: string, outcome: string) => Metric.update(Metric.withAttributes(frames, { type, outcome }), 1)

/** A span of its own where the frame names no other: a connection lives for hours. */
const parentOf = ({ traceparent }: { readonly traceparent?: string | undefined }) => {
  const parent = Trace.spanOf(traceparent ?? null)
  return parent === undefined ? { root: true } : { parent }
}

/** What failed, as a problem; what the peer is not told, the operator reads. */
const problemOf = (
  cause: Cause.Cause<Problems.Failure>,
  where: { readonly [name: string]: string }
): Effect.Effect<Problems.Problem> => {
  const failure = Cause.findErrorOption(cause)
  if (failure._tag === "Some") {
    const problem = Problems.from(failure.value)
    return Problems.definitionOf(problem.code).status < 500
      ? Effect.succeed(problem)
      : Effect.as(Effect.annotateLogs(Effect.logWarning("a frame could not be served", failure.value), where), problem)
  }
  const problem = Problems.make(Cause.hasInterruptsOnly(cause) ? "Draining" : "InternalError")
  return problem.code === "Draining"
    ? Effect.succeed(problem)
    : Effect.as(Effect.annotateLogs(Effect.logError("a frame met a bug", cause), where), problem)
}
