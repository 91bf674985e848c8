/**
 * Starts what the journal says is to be done, and ends what it says is over.
 *
 * ```
 * turn.started       -> run the turn            turn.completed | failed | cancelled -> stop it, withdraw what it asked
 * action.permitted   -> run the action          session.closed | expired | erased   -> cancel its turns, withdraw its asks
 * service.halted     -> no tool starts here     session.erased                      -> forget the key in this process too
 * service.resumed    -> start what was permitted
 * ```
 *
 * Owns which work runs in this process, bounded. Does not own correctness: a claim or a step that another process
 * took first is refused by its stream's head. At start it looks at the rows, so work that a crash left goes on.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Bounds from "../kernel/Bounds.ts"
import type { StoredEvent } from "../kernel/Envelope.ts"
import { type ActionId, type SessionId, StreamId, type TurnId } from "../kernel/Ids.ts"
import * as Trace from "../kernel/Trace.ts"
import { Actors } from "../ports/Actors.ts"
import { EventStore } from "../ports/EventStore.ts"
import { HaltSwitch } from "../ports/HaltSwitch.ts"
import { Stamps } from "../ports/Stamps.ts"
import { Vault } from "../ports/Vault.ts"
import * as ActionRunner from "./ActionRunner.ts"
import type { Payloads } from "./Events.ts"
import { Lines } from "./Lines.ts"
import type { ActionCommand, TurnCommand } from "./Protocol.ts"
import * as Questions from "./Questions.ts"
import { subjectOf } from "./Session.ts"
import { system } from "./System.ts"
import * as TurnRunner from "./TurnRunner.ts"

/** How far the journal was followed, kept by whoever restarts the process: what happened meanwhile is not skipped. */
export interface Cursor {
  position: number
}

export const make = Effect.fnUntraced(function* (cursor: Cursor) {
  const actors = yield* Actors
  const store = yield* EventStore
  const stamps = yield* Stamps
  const vault = yield* Vault
  const haltSwitch = yield* HaltSwitch
  const questions = yield* Questions.make
  const actions = yield* ActionRunner.make
  const turns = yield* TurnRunner.make
  const lines = yield* Effect.map(Lines, (all) => ({ turn: all.turns, action: all.tools }))
  const running = {
    turn: yield* FiberMap.make<string, void>(),
    action: yield* FiberMap.make<string, void>()
  }
  const endings = yield* FiberMap.make<string, void>()
  // Before the maps end what they hold: a tool in hand may finish and report. A turn may wait for people; it goes on later.
  yield* Effect.addFinalizer(() =>
    FiberMap.awaitEmpty(running.action).pipe(
      Effect.timeoutOption(Duration.millis(Bounds.toolDrainMillis)),
      Effect.asVoid,
      Effect.orDie
    )
  )
  let missed = false

  /** Starts a piece of work unless it runs already. A failure is logged: the deadline in the journal outlives it. */
  const start = Effect.fnUntraced(function* <E>(kind: "turn" | "action", id: string, work: Effect.Effect<unknown, E>) {
    if ((yield* FiberMap.size(running[kind])) >= Bounds.workInHandMax) {
      missed = true
      return
    }
    const guarded = Effect.acquireUseRelease(
      lines[kind].enter(id),
      () => work,
      () => lines[kind].leave(id)
    ).pipe(
      Effect.catchCause((cause) => Effect.logWarning(`${kind} ${id} did not come to its end here`, cause)),
      Effect.asVoid
    )
    yield* FiberMap.run(running[kind], id, guarded, { onlyIfMissing: true })
  })

  /** What nobody here begins keeps no room: an agent elsewhere runs it, or it was over before there was room in hand. */
  const leave = (kind: "turn" | "action", id: string) => lines[kind].leave(id)

  /** Runs beside the feed: one stream that is slow to take a word holds nobody else up. */
  const end = <E>(name: string, work: Effect.Effect<void, E>) =>
    FiberMap.run(
      endings,
      name,
      work.pipe(
        Effect.retry(patiently),
        Effect.catchCause((cause) => Effect.logWarning(`what belongs to ${name} was not ended here`, cause))
      )
    )

  /** Every row that a question answers, page by page. */
  const every = <A, E>(
    ask: (request: Questions.PageRequest) => Effect.Effect<Questions.Page<A>, E>,
    each: (item: A) => Effect.Effect<void>
  ) =>
    Effect.gen(function* () {
      let after: Questions.PageRequest["after"] = undefined
      for (;;) {
        const page: Questions.Page<A> = yield* ask({ limit: Bounds.pageMax, after })
        yield* Effect.forEach(page.items, each, { discard: true })
        if (page.next === null) return
        after = page.next
      }
    })

  /** The trace of a stream's newest event: what a crash left goes on in it. */
  const traceOf = (stream: string) =>
    store.readStream(StreamId.make(stream)).pipe(
      Effect.map(({ events }) => events.at(-1)?.envelope.traceparent ?? null),
      Effect.orElseSucceed(() => null)
    )

  const startTurn = (id: TurnId, trace: Effect.Effect<string | null>) =>
    start(
      "turn",
      id,
      Effect.flatMap(trace, (traceparent) => Trace.within(traceparent)(turns.run(id)))
    )
  const startAction = (id: ActionId, trace: Effect.Effect<string | null>) =>
    start(
      "action",
      id,
      Effect.flatMap(trace, (traceparent) => Trace.within(traceparent)(lines.action.within(actions.run(id))))
    )

  const tell = Effect.fnUntraced(function* (
    kind: "turn" | "action",
    id: string,
    key: string,
    command: TurnCommand | ActionCommand
  ) {
    const stamp = yield* stamps.stamp({ actor: system, key })
    yield* actors
      .send(kind, id, command, stamp)
      .pipe(Effect.catch((error) => Effect.logWarning(`${kind} ${id} was not told that it is over`, error)))
  })

  /** Asks that nobody waits for any more are withdrawn; what is missed here expires by its own deadline. */
  const withdraw = Effect.fnUntraced(function* (sessionId: SessionId, turnId: TurnId | null, why: string) {
    yield* every(
      (request) => questions.actions({ sessionId, status: "Pending" }, request),
      (action) =>
        turnId === null || action.turnId === turnId
          ? tell("action", action.actionId, `moot/${turnId ?? sessionId}/${action.actionId}`, {
              _tag: "Withdraw",
              reason: why
            })
          : Effect.void
    )
  })

  const endSession = Effect.fnUntraced(function* (sessionId: SessionId) {
    yield* every(
      (request) => questions.turns({ sessionId, status: "Running" }, request),
      ({ turnId }) => tell("turn", turnId, `moot/${turnId}`, { _tag: "CancelTurn", reason: null })
    )
    yield* withdraw(sessionId, null, "the session is over")
  })

  const endTurn = Effect.fnUntraced(function* (turnId: TurnId) {
    const turn = yield* questions.turn(turnId)
    if (turn !== null && turn.status !== "Completed") yield* withdraw(turn.sessionId, turnId, "the turn is over")
  })

  const follow = (stored: StoredEvent) => {
    const { type, stream, payload, traceparent } = stored.envelope
    const id = stream.slice(stream.indexOf(":") + 1)
    switch (type as keyof Payloads) {
      case "turn.started":
        return startTurn(id as TurnId, Effect.succeed(traceparent))
      case "action.permitted":
        if ((payload as Payloads["action.permitted"]).executorId === undefined) {
          return startAction(id as ActionId, Effect.succeed(traceparent))
        }
        return leave("action", id)
      case "action.executed":
      case "action.failed":
      case "action.unknown":
      case "action.lapsed":
        return leave("action", id)
      case "turn.completed":
      case "turn.failed":
      case "turn.cancelled":
        return FiberMap.remove(running.turn, id).pipe(
          Effect.andThen(leave("turn", id)),
          Effect.andThen(end(id, endTurn(id as TurnId)))
        )
      case "session.closed":
      case "session.expired":
        return end(id, endSession(id as SessionId))
      case "session.erased":
        return Effect.andThen(
          vault.scrub(subjectOf((payload as Payloads["session.erased"]).sessionId)),
          end(id, endSession(id as SessionId))
        )
      case "service.halted":
        return settle
      case "service.resumed":
        return Effect.andThen(settle, recover)
      default:
        return Effect.void
    }
  }

  /** This process does what the journal says of a halt, before it starts anything. */
  const settle = haltSwitch.settle(questions.halt)

  /** Everything that was under way when some process stopped. */
  const recover = Effect.gen(function* () {
    missed = false
    yield* every(
      (request) => questions.turns({ status: "Running" }, request),
      ({ turnId }) => startTurn(turnId, traceOf(`turn:${turnId}`))
    )
    yield* every(
      (request) => questions.actions({ status: "Approved" }, request),
      ({ actionId, executorId }) =>
        executorId === undefined ? startAction(actionId, traceOf(`action:${actionId}`)) : Effect.void
    )
  })

  const step = Effect.fnUntraced(function* (stored: StoredEvent) {
    yield* follow(stored)
    cursor.position = stored.position
    if (!missed) return
    // The rows are asked again once there is room for half of what may be in hand.
    const waiting = (yield* FiberMap.size(running.turn)) + (yield* FiberMap.size(running.action))
    if (waiting < Bounds.workInHandMax / 2) yield* recover
  })

  const process = Effect.gen(function* () {
    yield* settle
    yield* recover
    // From before the rows were asked: what came meanwhile is heard of twice, and begun once.
    return yield* store
      .follow(cursor.position)
      .pipe(Stream.runForEach(step), Effect.andThen(Effect.die(new Error("the journal's feed ended"))))
  })

  return { process, recover }
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const patiently = { times: 20, schedule: Schedule.spaced("500 millis") }
