/**
 * Keelson over one WebSocket: deeds that are answered once, and the events of sessions as streams that outlive breaks.
 *
 *   const live = yield* Live.make({ url: "http://127.0.0.1:7717", token })
 *   const { body } = yield* live.ask("session.create", { body: {} })
 *   yield* Stream.runForEach(live.events(body.sessionId, 0), ({ event }) => Effect.log(event.type))
 *
 * Owns the connection and patience: after a break it connects again, sends what was not answered once more under the
 * same key, and goes on after the last event that was taken, so nothing is done or seen twice. Needs a
 * `WebSocketConstructor`; `Live.layerWebSocket` is that of browsers and Node.
 *
 * Limits: a stream of events that nobody takes from holds up the whole connection, and the service then ends it; use a
 * connection of its own for what may be slow.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Socket from "effect/socket/Socket"
import { Frames, socketPath } from "#layers/edge/Api.ts"
import type { SessionId } from "#src/kernel/Ids.ts"

export interface Options {
  /** Where the service listens: `http://127.0.0.1:7717`. */
  readonly url: string
  readonly token: Redacted.Redacted<string>
  /** How often one wish is sent again that the service refuses for now; 8 unless told, with pauses from 100 ms to 5 s. */
  readonly retriesMax?: number | undefined
}

/** The service refuses a frame, or a session's events; `problem` is what it said (RFC 9457). */
export class Refused extends Schema.TaggedError<Refused>()("LiveRefused", {
  code: Schema.String,
  detail: Schema.String,
  retryable: Schema.Boolean
}) {
  override get message() {
    return `${this.code}: ${this.detail}`
  }
}

/** The connection is over for good: it could not be opened at all, or the key opens nothing any more. */
export class Ended extends Schema.TaggedError<Ended>()("LiveEnded", {
  reason: Schema.Literals(["NotOpened", "Unauthenticated"]),
  retryable: Schema.Boolean
}) {
  override get message() {
    return this.reason === "NotOpened" ? "the service can't be reached, or takes no such token" : "the key was revoked"
  }
}

type Sent<Type extends Frames.AskedType> = Omit<(typeof Frames.asked)[Type]["Encoded"], "type" | "id" | "key"> &
  (Type extends Frames.CommandType ? { readonly key?: string } : unknown)

export interface Answer<Type extends Frames.AskedType> {
  readonly body: (typeof Frames.bodies)[Type]["Type"]
  /** It is the recorded answer: nothing happened now. */
  readonly repeated: boolean
}

export type Event = typeof Frames.EventFrame.Type

export interface Live {
  /** Does or asks. A command without a `key` gets a fresh one; give one to repeat it later. */
  readonly ask: <Type extends Frames.CommandType | Frames.QuestionType>(
    type: Type,
    input: Sent<Type>
  ) => Effect.Effect<Answer<Type>, Refused | Ended>
  /** A session's events after a `sequence` (0: from the beginning), or from now on: each once, in order, for ever. */
  readonly events: (sessionId: SessionId, after?: number) => Stream.Stream<Event, Refused | Ended>
}

/** The WebSocket of browsers, and of Node. */
export const layerWebSocket = Socket.layerWebSocketConstructorGlobal

/** Connects; fails where that does not succeed the first time. The connection lives as long as the scope. */
export const make = Effect.fnUntraced(function* ({
  retriesMax = 8,
  token,
  url
}: Options): Effect.fn.Return<Live, Ended, Socket.WebSocketConstructor | Scope.Scope> {
  const socket = yield* Socket.makeWebSocket(`${url.replace(/^http/, "ws").replace(/\/$/, "")}${socketPath}`, {
    protocols: [Frames.subprotocol, `${Frames.tokenSubprotocol}${Redacted.value(token)}`]
  })
  const waiting = new Map<string, Waiting>()
  const followed = new Map<SessionId, Followed>()
  const over = yield* Deferred.make<never, Ended>()
  const opened = yield* Deferred.make<void>()
  let ids = 0
  let pauseMillis = pauseMillisMin
  /** Of the connection that stands; null between two of them. */
  let send: ((frame: object) => Effect.Effect<void>) | null = null

  const say = (frame: object) => Effect.suspend(() => send?.(frame) ?? Effect.void)

  const subscription = (sessionId: SessionId, { after }: Followed) => ({
    type: "subscribe",
    id: `s${(ids += 1)}-${sessionId}`,
    sessionId,
    ...(after === undefined ? {} : { after })
  })

  const refusedOf = ({ code, detail, retryable }: { code: string; detail: string; retryable: boolean }) =>
    new Refused({ code, detail, retryable })

  const heard = Effect.fnUntraced(function* (frame: typeof Told.Type) {
    switch (frame.type) {
      case "answer": {
        const { body, id, repeated, to } = frame
        const asked = waiting.get(id)
        if (asked !== undefined) yield* Deferred.succeed(asked.answer, { body, repeated })
        if (to === "subscribe") {
          const following = followed.get(body.sessionId)
          if (following !== undefined) following.after ??= body.after
        }
        return
      }
      case "problem": {
        const refused = refusedOf(frame.problem)
        const asked = waiting.get(frame.id ?? "")
        if (asked !== undefined) yield* Deferred.fail(asked.answer, refused)
        const following = followed.get((frame.id ?? "").replace(/^s\d+-/, "") as SessionId)
        if (following !== undefined) yield* Queue.fail(following.events, refused)
        return
      }
      case "event": {
        const following = followed.get(frame.sessionId)
        if (following === undefined || frame.sequence <= (following.after ?? -1)) return
        yield* Queue.offer(following.events, frame)
        following.after = frame.sequence
        return
      }
      case "heartbeat":
        for (const { sequence, sessionId } of frame.sessions) {
          const following = followed.get(sessionId)
          if (following?.after !== undefined) following.after = Math.max(following.after, sequence)
        }
        return
      case "end": {
        const following = followed.get(frame.sessionId)
        if (following === undefined) return
        if (frame.retryable) yield* say(subscription(frame.sessionId, following))
        else yield* Queue.fail(following.events, refusedOf(frame))
      }
    }
  })

  /** One connection, from its handshake to its break. */
  const connection = Effect.scoped(
    Effect.gen(function* () {
      const { pull } = yield* socket.reader
      const writer = yield* socket.writer
      const write = (frame: object) => Effect.ignore(writer.write(JSON.stringify(frame)))
      // Whatever is wished meanwhile joins these, so that nothing is said twice on one connection.
      for (const { frame } of waiting.values()) yield* write(frame)
      for (const [sessionId, following] of followed) yield* write(subscription(sessionId, following))
      send = write
      yield* Effect.addFinalizer(() => Effect.sync(() => (send = null)))
      yield* Deferred.succeed(opened, undefined)
      pauseMillis = pauseMillisMin
      for (;;) {
        for (const raw of yield* pull) {
          const frame = yield* Effect.option(decode(typeof raw === "string" ? raw : new TextDecoder().decode(raw)))
          // What this version does not know, a newer service said to newer clients.
          if (frame._tag === "Some") yield* heard(frame.value)
        }
      }
    })
  )

  const end = (reason: Ended["reason"]) => Deferred.fail(over, new Ended({ reason, retryable: reason === "NotOpened" }))

  yield* Effect.forkScoped(
    Effect.gen(function* () {
      for (;;) {
        const { reason } = yield* Effect.flip(connection)
        if (!(yield* Deferred.isDone(opened))) return yield* end("NotOpened")
        if (reason._tag === "SocketCloseError" && reason.code === shutOut) return yield* end("Unauthenticated")
        yield* Effect.sleep(Duration.millis(pauseMillis))
        pauseMillis = Math.min(2 * pauseMillis, pauseMillisMax)
      }
    })
  )
  yield* Effect.raceFirst(Deferred.await(opened), Deferred.await(over))

  const ask: Live["ask"] = (type, input) =>
    Effect.suspend(() => {
      const key = type in Frames.commands ? { key: crypto.randomUUID() } : {}
      return Effect.gen(function* () {
        const id = `a${(ids += 1)}`
        const answer = yield* Deferred.make<Answer<Frames.AskedType>, Refused>()
        const frame = { type, id, ...key, ...input }
        waiting.set(id, { frame, answer })
        const answered = yield* Effect.andThen(
          say(frame),
          Effect.raceFirst(Deferred.await(answer), Deferred.await(over))
        ).pipe(Effect.ensuring(Effect.sync(() => waiting.delete(id))))
        // The service answers a frame of this type with a body of this type: the same table says so to both.
        return answered as Answer<typeof type>
      }).pipe(
        Effect.retry({
          while: (error) => error._tag === "LiveRefused" && error.retryable,
          times: retriesMax,
          schedule: patiently
        })
      )
    })

  const events: Live["events"] = (sessionId, after) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const queue = yield* Queue.bounded<Event, Refused | Ended>(eventsWaitingMax)
        const following: Followed = { events: queue, after }
        yield* Effect.acquireRelease(
          Effect.sync(() => void followed.set(sessionId, following)),
          () =>
            Effect.suspend(() => {
              followed.delete(sessionId)
              return Effect.andThen(
                Queue.shutdown(queue),
                say({ type: "unsubscribe", id: `u${(ids += 1)}`, sessionId })
              )
            })
        )
        yield* Effect.forkScoped(Effect.catch(Deferred.await(over), (error) => Queue.fail(queue, error)))
        yield* say(subscription(sessionId, following))
        return Stream.fromQueue(queue)
      })
    )

  return { ask, events }
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

interface Waiting {
  readonly frame: object
  readonly answer: Deferred.Deferred<Answer<Frames.AskedType>, Refused>
}

interface Followed {
  readonly events: Queue.Queue<Event, Refused | Ended>
  /** The last one taken; undefined until it is known where "now" is. */
  after: number | undefined
}

/** Events that wait for whoever takes them; beyond it nothing more is read. */
const eventsWaitingMax = 64

/** The service's word for a revoked key. */
const shutOut: Frames.Closing = 4401

/** Between two tries to connect. */
const pauseMillisMin = 100
const pauseMillisMax = 5_000

const Told = Schema.Union([
  ...Object.values(Frames.answers),
  Frames.ProblemFrame,
  Frames.EventFrame,
  Frames.HeartbeatFrame,
  Frames.EndFrame
])
const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Told))

const patiently = Schedule.min([
  Schedule.exponential(Duration.millis(pauseMillisMin)),
  Schedule.spaced(Duration.millis(pauseMillisMax))
])
