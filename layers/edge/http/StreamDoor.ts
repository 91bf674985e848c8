/**
 * The journal as it grows, as server-sent events.
 *
 * Owns who sees which event, and when a stream ends. Does not own following (`EventStore.follow`) or how an event is
 * shown (`Show`).
 *
 * Invariants: pulled, never pushed: a slow reader holds back its own cursor and no memory; every event is judged for
 * its reader; a stream ends with its reader's key, with the door, or where a session that it follows is not the
 * reader's any more; the ids of what is sent only grow, so going on after the last one misses nothing; nobody waits
 * for a position that the journal had not reached when it was asked.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Authority from "#src/gateway/Authority.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import type { PrincipalId, SessionId, StreamId } from "#src/kernel/Ids.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { Feed } from "#src/ports/Feed.ts"
import { Identity, type Principal } from "#src/ports/Identity.ts"
import { Api } from "../Api.ts"
import type { HaltState } from "../api/HaltApi.ts"
import type { Message } from "../api/StreamApi.ts"
import { Belonging, isOf } from "../Belonging.ts"
import { HaltNews } from "../HaltNews.ts"
import * as Problems from "../Problems.ts"
import * as WorkSeen from "../WorkSeen.ts"
import * as Answers from "./Answers.ts"
import { Drain } from "./Drain.ts"
import * as Places from "./Places.ts"
import * as Readable from "./Readable.ts"

export interface Limits {
  readonly eventStreamsMax: number
  readonly eventStreamsPerPrincipalMax: number
  readonly heartbeatMillis: number
}

interface Which {
  readonly executorId?: PrincipalId | undefined
  readonly sessionId?: SessionId | undefined
  readonly stream?: StreamId | undefined
  readonly type?: string | undefined
}

export const layer = (limits: Limits) =>
  HttpApiBuilder.group(
    Api,
    "stream",
    Effect.fnUntraced(function* (handlers) {
      const store = yield* EventStore
      const identity = yield* Identity
      const readable = yield* Readable.make
      const { of: belongingOf } = yield* Belonging
      const permit = Effect.fnUntraced(function* (by: Principal, which: Which) {
        if (which.executorId !== undefined) return void (yield* readable.work(by, which.executorId))
        if (Authority.may(by.actor, by.roles, "events.read", { ownerId: by.actor.id })) return
        if (which.sessionId === undefined) {
          return yield* Problems.make(
            "Forbidden",
            "only an operator follows everything; name a session of yours, or yourself as executorId"
          )
        }
        yield* readable.session(by, which.sessionId)
      })
      const ending = yield* makeEnding(permit)
      const place = Places.make({
        allMax: limits.eventStreamsMax,
        perPrincipalMax: limits.eventStreamsPerPrincipalMax,
        limit: "eventStreamsPerPrincipal",
        deed: "follows events"
      })
      const news = yield* HaltNews

      /** What stands, and each change; of those that a slow reader did not take, the newest. */
      const halted = Stream.unwrap(
        Effect.gen(function* () {
          const untold = yield* Queue.sliding<HaltState>(1)
          yield* news.listen((state) => Effect.asVoid(Queue.offer(untold, state)))
          return Stream.fromQueue(untold)
        })
      )

      /** As the reader stands now: what is committed after its key or its role was taken is not told, however late that is heard. */
      const judge = (by: Principal, which: Which) =>
        by.keyId === undefined ? Effect.void : Effect.flatMap(identity.renew(by), (now) => permit(now, which))

      const concerns = (stored: StoredEvent, which: Which) =>
        which.executorId === undefined && which.sessionId === undefined
          ? Effect.succeed(true)
          : Effect.map(belongingOf(stored), (belongs) => isOf(belongs, which))

      /** What an event is to this reader: its text, or nothing but a higher position. */
      const shown = (by: Principal, which: Which) =>
        Effect.fnUntraced(function* (stored: StoredEvent) {
          const { stream, type } = stored.envelope
          const { position } = stored
          const meant =
            (which.stream === undefined || which.stream === stream) && (which.type === undefined || which.type === type)
          if (!meant || !(yield* concerns(stored, which))) return passed(position)
          const event = yield* readable.show.event(stored)
          const text = JSON.stringify(which.executorId === undefined ? event : WorkSeen.cut(event))
          yield* judge(by, which)
          // Of an agent's work each event is judged by its action.
          const { executorId } = which
          if (executorId !== undefined && !(yield* readable.isWork(by, executorId, stored))) return passed(position)
          return { _tag: "Event", position, text } satisfies Step
        })

      const follow = (by: Principal, after: number, which: Which) => {
        const events = store.follow(after).pipe(Stream.mapEffect(shown(by, which)), orEnded)
        const halts = Stream.mapEffect(halted, (halt): Effect.Effect<Step, Problems.Failure> =>
          Effect.as(judge(by, which), { _tag: "Halt", halt })
        ).pipe(orEnded)
        const heartbeats = Stream.as(Stream.tick(Duration.millis(limits.heartbeatMillis)), heartbeat)
        // Told as the last word: the reader knows whether coming back helps.
        const end = Stream.map(Stream.fromEffect(ending(by, which)), ended)
        return Stream.mergeAll([events, heartbeats, halts, end], { concurrency: "unbounded" }).pipe(
          Stream.mapAccum(
            () => after,
            (sent, step: Step): readonly [number, ReadonlyArray<Message>] => {
              // An id is a promise that nothing before it is missing, so it grows here, behind the merge, and only here.
              const position = "position" in step ? step.position : sent
              return [position, messageOf(position, step)]
            }
          ),
          Stream.takeUntil(({ event }) => event === "end")
        )
      }

      const begin = Effect.fnUntraced(function* (by: Principal, from: From | null, which: Which) {
        yield* permit(by, which)
        const head = yield* store.head
        if (from !== null && from.position > head) return yield* beyond(from, head)
        // With the request's scope: given back when the answer is over, also where nobody is there to read it.
        yield* place(by)
        return follow(by, from?.position ?? head, which)
      })

      return handlers.handle("events", ({ headers, query }) =>
        Answers.ask((by) => begin(by, fromOf(headers["last-event-id"], query.after), query))
      )
    })
  )

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Where a reader goes on, and which parameter says so. */
interface From {
  readonly parameter: "last-event-id" | "after"
  readonly position: number
}

const fromOf = (lastEventId: number | undefined, after: number | undefined): From | null => {
  if (lastEventId !== undefined) return { parameter: "last-event-id", position: lastEventId }
  return after === undefined ? null : { parameter: "after", position: after }
}

/** A position that the journal has not reached is of another journal, or of one that was set back: what comes there is not what was missed. */
const beyond = ({ parameter, position }: From, head: number) =>
  Problems.make("InvalidParameter", `${parameter}: ${position} is beyond the journal, which ends at ${head}`, {
    parameter
  })

/** One thing on its way to a reader: an event, an event that is not for it, a heartbeat, a halt, the end. */
type Step =
  | { readonly _tag: "Event"; readonly position: number; readonly text: string }
  | { readonly _tag: "Passed"; readonly position: number }
  | { readonly _tag: "Heartbeat" }
  | { readonly _tag: "Halt"; readonly halt: HaltState }
  | { readonly _tag: "End"; readonly code: Problems.Code }

const passed = (position: number): Step => ({ _tag: "Passed", position })
const heartbeat: Step = { _tag: "Heartbeat" }
const ended = (code: Problems.Code): Step => ({ _tag: "End", code })

/** A session that a reader may not know of any more is `NotFound` to who asks, and to who follows it a right that is gone. */
const lost = (code: Problems.Code): Problems.Code => (code === "NotFound" ? "Forbidden" : code)

/** What can't go on, as the last word. */
const orEnded = <R>(steps: Stream.Stream<Step, Problems.Failure, R>): Stream.Stream<Step, never, R> =>
  steps.pipe(
    Stream.catch((error) => Stream.make(ended(lost(Problems.from(error).code)))),
    Stream.catchCause((cause) =>
      Stream.fromEffect(Effect.as(Effect.logError("a stream of events broke", cause), ended("InternalError")))
    )
  )

const messageOf = (position: number, step: Step): ReadonlyArray<Message> => {
  const id = String(position)
  switch (step._tag) {
    case "Event":
      return [{ id, event: "message", data: step.text }]
    case "Passed":
      return []
    case "Heartbeat":
      return [{ id, event: "heartbeat", data: JSON.stringify({ position }) }]
    case "Halt":
      return [{ id, event: "halt", data: JSON.stringify(step.halt) }]
    case "End": {
      const { retryable, title } = Problems.definitionOf(step.code)
      return [{ id, event: "end", data: JSON.stringify({ code: step.code, detail: title, retryable }) }]
    }
  }
}

/** Completes with why a reader's stream ends: the door closes, its key is revoked, or it lost the role that let it in. */
const makeEnding = Effect.fnUntraced(function* (
  permit: (by: Principal, which: Which) => Effect.Effect<void, Problems.Failure>
) {
  const feed = yield* Feed
  const identity = yield* Identity
  const drain = yield* Drain

  const shutOut = (by: Principal, which: Which): Effect.Effect<Problems.Code> =>
    Effect.scoped(
      Effect.gen(function* () {
        const changed = yield* feed.changed(`principal:${by.actor.id}`)
        const stands = yield* Effect.result(Effect.flatMap(identity.renew(by), (now) => permit(now, which)))
        if (Result.isFailure(stands)) return lost(Problems.from(stands.failure).code)
        yield* changed
        return null
      })
    ).pipe(
      Effect.repeat({ until: (code) => code !== null }),
      Effect.map((code) => code ?? "Unauthenticated")
    )

  return (by: Principal, which: Which): Effect.Effect<Problems.Code> =>
    Effect.raceFirst(
      Effect.as(drain.signal, "Draining" as const),
      by.keyId === undefined ? Effect.never : shutOut(by, which)
    )
})
