/**
 * Keelson over one WebSocket: deeds that are answered once, and events and halts as streams that outlive breaks.
 *
 *   const live = yield* Live.make({ url: "http://127.0.0.1:7717", token })
 *   const { body } = yield* live.ask("session.create", { body: {} })
 *   yield* Stream.runForEach(live.events(body.sessionId, 0), ({ event }) => Effect.log(event.type))
 *
 * Owns the connection and patience: after a break it connects again, sends what was not answered once more under the
 * same key, and goes on after the last event that was taken, so nothing is done or seen twice. Needs a
 * `WebSocketConstructor`; `Live.layerWebSocket` is that of browsers and Node.
 *
 * Invariants: nothing that one stream or wish waits for holds up another; a stream that nobody takes from is left behind
 * and resumed where it was. What is followed is followed by one stream at a time.
 *
 * A WebSocket does not tell why it could not be opened. So after each that was not, HTTP is asked once whether the service
 * takes the token at all; where it says no, that ends it, a key that was revoked while the connection was broken too.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Predicate from "effect/Predicate"
import * as PubSub from "effect/PubSub"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Socket from "effect/socket/Socket"
import { Frames, socketPath } from "#layers/edge/Api.ts"
import type { PrincipalId, SessionId } from "#src/kernel/Ids.ts"
import * as JsonText from "#src/kernel/JsonText.ts"
import * as Client from "./Client.ts"
import * as Subscription from "./Subscription.ts"

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

/** The connection is over for good: it could not be opened at first, the key opens nothing any more, or its scope closed. */
export class Ended extends Schema.TaggedError<Ended>()("LiveEnded", {
  reason: Schema.Literals(["NotOpened", "Unauthenticated", "Closed"]),
  retryable: Schema.Boolean
}) {
  override get message() {
    switch (this.reason) {
      case "NotOpened":
        return "the service can't be reached"
      case "Unauthenticated":
        return "the service takes no such token, or its key was revoked"
      case "Closed":
        return "the connection was closed here"
    }
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
export type Work = typeof Frames.WorkFrame.Type

export type Halt = (typeof Frames.HaltFrame.Type)["halt"]

export interface Live {
  /** Does or asks. A command without a `key` gets a fresh one; give one to repeat it later. */
  readonly ask: <Type extends Frames.CommandType | Frames.QuestionType>(
    type: Type,
    input: Sent<Type>
  ) => Effect.Effect<Answer<Type>, Refused | Ended>
  /**
   * A session's events after a `sequence` (0: from the beginning): each once, in order, for ever. Without one from when
   * the service first answers: what comes before that, after a break too, is not seen.
   */
  readonly events: (sessionId: SessionId, after?: number) => Stream.Stream<Event, Refused | Ended>
  /**
   * The events of the actions with tools that the caller runs, in whoever's sessions, for as long as the tools stand. For
   * the agent of that id alone. `after` as for `events`.
   */
  readonly work: (executorId: PrincipalId, after?: number) => Stream.Stream<Work, Refused | Ended>
  /**
   * Whether everything is stopped, by whom, since when and why: what stands, then each change, for ever. Of changes that
   * came while nobody took one, or while the connection was broken, the newest.
   */
  readonly halts: Stream.Stream<Halt, Ended>
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
  const { service } = yield* Effect.provide(Client.make({ url, token, retriesMax: 0 }), FetchHttpClient.layer)
  const wishes = new Map<string, Wish>()
  const sessions = new Map<SessionId, Subscription<Event>>()
  const works = new Map<PrincipalId, Subscription<Work>>()
  const everySubscription = () => [...sessions.values(), ...works.values()]
  const halts = yield* PubSub.sliding<Halt>({ capacity: 1, replay: 1 })
  let halt = ""
  const over = yield* Deferred.make<never, Ended>()
  const opened = yield* Deferred.make<void>()
  let pauseMillis = pauseMillisMin
  /** Of the connection that stands; null between two of them. */
  let send: ((text: string) => Effect.Effect<void>) | null = null

  const say = (text: string) => Effect.suspend(() => send?.(text) ?? Effect.void)

  const end = (reason: Ended["reason"]) => {
    const error = new Ended({ reason, retryable: reason === "NotOpened" })
    for (const subscription of everySubscription()) subscription.fail(error)
    return Deferred.fail(over, error)
  }

  /** Subscribes again after a while, unless the stream ended or left meanwhile. */
  const later = (subscription: Subscription<Event> | Subscription<Work>, seconds: number | null) =>
    Effect.suspend(() => (subscription.isLive() ? say(subscription.subscribe()) : Effect.void)).pipe(
      Effect.delay(Duration.seconds(seconds ?? 1)),
      Effect.forkScoped
    )

  const refused = Effect.fnUntraced(function* ({ id, problem, retryAfterSeconds }: typeof Frames.ProblemFrame.Type) {
    const error = refusedOf(problem)
    const wish = wishes.get(id ?? "")
    if (wish !== undefined) yield* Deferred.fail(wish.answer, error)
    for (const subscription of everySubscription()) {
      if (subscription.frameId() !== id) continue
      if (error.retryable) yield* later(subscription, retryAfterSeconds)
      else subscription.fail(error)
    }
  })

  const heard = Effect.fnUntraced(function* (frame: typeof Frames.Told.Type) {
    switch (frame.type) {
      case "answer": {
        const { body, id, repeated, to } = frame
        const wish = wishes.get(id)
        if (wish !== undefined) yield* Deferred.succeed(wish.answer, { body, repeated })
        if (to === "subscribe") sessions.get(body.sessionId)?.confirm(id, body.after)
        if (to === "work.subscribe") works.get(body.executorId)?.confirm(id, body.after)
        return
      }
      case "problem":
        return yield* refused(frame)
      case "event": {
        const subscription = sessions.get(frame.sessionId)
        if (subscription?.give(frame) === "full") yield* say(subscription.leave())
        return
      }
      case "work": {
        const subscription = works.get(frame.executorId)
        if (subscription?.give(frame) === "full") yield* say(subscription.leave())
        return
      }
      case "halt": {
        // Every connection begins with what stands; that is news only where it changed.
        const told = JSON.stringify(frame.halt)
        if (told !== halt) yield* PubSub.publish(halts, frame.halt)
        halt = told
        return
      }
      case "heartbeat":
        for (const { sequence, sessionId } of frame.sessions) sessions.get(sessionId)?.complete(sequence)
        for (const { executorId, sequence } of frame.work) works.get(executorId)?.complete(sequence)
        return
      case "end":
      case "work.end": {
        const subscription = frame.type === "end" ? sessions.get(frame.sessionId) : works.get(frame.executorId)
        if (subscription === undefined) return
        if (frame.retryable) yield* later(subscription, null)
        else subscription.fail(refusedOf(frame))
      }
    }
  })

  /** One connection, from its handshake to its break. */
  const connection = Effect.scoped(
    Effect.gen(function* () {
      const { pull } = yield* socket.reader
      const writer = yield* socket.writer
      // In one step: whatever is wished from here on is said by itself.
      const frames = [
        ...[...wishes.values()].map(({ text }) => text),
        ...everySubscription()
          .filter((subscription) => subscription.isLive())
          .map((subscription) => subscription.subscribe())
      ]
      send = (text) => Effect.ignore(writer.write(text))
      yield* Effect.addFinalizer(() => Effect.sync(() => (send = null)))
      for (const text of frames) yield* say(text)
      yield* Deferred.succeed(opened, undefined)
      for (;;) {
        for (const raw of yield* pull) {
          pauseMillis = pauseMillisMin
          const text = typeof raw === "string" ? raw : new TextDecoder().decode(raw)
          yield* Effect.matchEffect(decode(text), { onFailure: () => unread(text), onSuccess: heard })
        }
      }
    })
  )

  /** What this version does not know, a newer service said; whoever waits for it must not wait for ever. */
  const unread = Effect.fnUntraced(function* (text: string) {
    const named = yield* Effect.option(decodeNamed(text))
    const wish = named._tag === "Some" ? wishes.get(named.value.id) : undefined
    const error = new Refused({ code: "Unreadable", detail: "this client does not know the answer", retryable: false })
    if (wish !== undefined) yield* Deferred.fail(wish.answer, error)
  })

  /** The service takes no frame of that size: the largest one is given up, so that the others get through. */
  const tooLarge = Effect.suspend(() => {
    const largest = [...wishes.values()].sort((one, other) => other.text.length - one.text.length)[0]
    const error = new Refused({
      code: "BodyTooLarge",
      detail: "the frame is too large for the service",
      retryable: false
    })
    return largest === undefined ? Effect.void : Effect.asVoid(Deferred.fail(largest.answer, error))
  })

  yield* Effect.addFinalizer(() => end("Closed"))
  yield* Effect.forkScoped(
    Effect.gen(function* () {
      for (;;) {
        const { reason } = yield* Effect.flip(connection)
        if (reason._tag === "SocketOpenError" && (yield* isRefused(service.whoami()))) {
          return yield* end("Unauthenticated")
        }
        if (!(yield* Deferred.isDone(opened))) return yield* end("NotOpened")
        const code = reason._tag === "SocketCloseError" ? reason.code : 0
        if (code === shutOut) return yield* end("Unauthenticated")
        if (code === messageTooBig) yield* tooLarge
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
        const id = crypto.randomUUID()
        const answer = yield* Deferred.make<Answer<Frames.AskedType>, Refused>()
        const text = JSON.stringify({ type, id, ...key, ...input })
        wishes.set(id, { text, answer })
        const answered = yield* Effect.andThen(
          say(text),
          Effect.raceFirst(Deferred.await(answer), Deferred.await(over))
        ).pipe(Effect.ensuring(Effect.sync(() => wishes.delete(id))))
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

  /** A stream of what is followed under that name, for as long as somebody takes from it. */
  const stream = <Id, Frame extends Given>(
    table: Map<Id, Subscription<Frame>>,
    id: Id,
    what: string,
    subscription: () => Subscription<Frame>
  ): Stream.Stream<Frame, Stop> =>
    Stream.unwrap(
      Effect.gen(function* () {
        if (table.has(id)) {
          const detail = `${what} is followed by another stream of this connection`
          return yield* new Refused({ code: "Conflict", detail, retryable: false })
        }
        if (yield* Deferred.isDone(over)) return yield* Deferred.await(over)
        const mine = subscription()
        yield* Effect.acquireRelease(
          Effect.sync(() => void table.set(id, mine)),
          () =>
            Effect.suspend(() => {
              table.delete(id)
              return say(mine.leave())
            })
        )
        yield* say(mine.subscribe())
        return Stream.fromPull(Effect.succeed(mine.pull(say)))
      })
    )

  const events: Live["events"] = (sessionId, after) =>
    stream(sessions, sessionId, `session ${sessionId}`, () =>
      Subscription.make(
        { subscribe: { type: "subscribe", sessionId }, unsubscribe: { type: "unsubscribe", sessionId } },
        after
      )
    )

  const work: Live["work"] = (executorId, after) =>
    stream(works, executorId, `the work of ${executorId}`, () =>
      Subscription.make(
        { subscribe: { type: "work.subscribe", executorId }, unsubscribe: { type: "work.unsubscribe", executorId } },
        after
      )
    )

  return { ask, events, work, halts: Stream.interruptWhen(Stream.fromPubSub(halts), Deferred.await(over)) }
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

interface Wish {
  readonly text: string
  readonly answer: Deferred.Deferred<Answer<Frames.AskedType>, Refused>
}

type Given = Event | Work
type Stop = Refused | Ended
type Subscription<Frame extends Given> = Subscription.Subscription<Frame, Stop>

/** The service's word for a revoked key, and RFC 6455's for a frame too large. */
const shutOut: Frames.Closing = 4401
const messageTooBig = 1009

/** Between two tries to connect. */
const pauseMillisMin = 100
const pauseMillisMax = 5_000

const refusedOf = ({ code, detail, retryable }: { code: string; detail: string; retryable: boolean }) =>
  new Refused({ code, detail, retryable })

/** Whether the service itself says that it takes no such token; nobody's answer says nothing. */
const isRefused = <A, E>(asked: Effect.Effect<A, E>): Effect.Effect<boolean> =>
  asked.pipe(
    Effect.timeout(Duration.millis(pauseMillisMax)),
    Effect.match({
      onFailure: (error) => Predicate.hasProperty(error, "code") && error.code === "Unauthenticated",
      onSuccess: () => false
    })
  )

const read = (text: string) => Effect.try({ try: () => JsonText.parse(text), catch: () => "no JSON" as const })
const decodeTold = Schema.decodeUnknownEffect(Frames.Told)
const decodeId = Schema.decodeUnknownEffect(Schema.Struct({ id: Schema.String }))
const decode = (text: string) => Effect.flatMap(read(text), decodeTold)
const decodeNamed = (text: string) => Effect.flatMap(read(text), decodeId)

const patiently = Schedule.min([
  Schedule.exponential(Duration.millis(pauseMillisMin)),
  Schedule.spaced(Duration.millis(pauseMillisMax))
])
