/**
 * Moves a running turn forward until it ends.
 *
 * Owns the loop "what is due next? do it, report it". Every fact it acts on stands in the journal first, so a turn
 * goes on after a crash where it was: a model's recorded answer is not asked for again, a proposed action is not
 * proposed twice (its id derives from turn and call), an outcome is noted once.
 *
 * Does not own the rules (`Turn`), the responder, or the running of tools (`ActionRunner`).
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Bounds from "../kernel/Bounds.ts"
import { decode, type Json } from "../kernel/Canonical.ts"
import { read } from "../kernel/Decider.ts"
import { ActionId, StreamId, type TurnId } from "../kernel/Ids.ts"
import type { Actor } from "../kernel/Stamp.ts"
import { ActorError, Actors } from "../ports/Actors.ts"
import { Digest } from "../ports/Digest.ts"
import { EventStore, EventStoreError } from "../ports/EventStore.ts"
import { Feed } from "../ports/Feed.ts"
import { Recollection } from "../ports/Recollection.ts"
import { Responder, type ResponderError, type TranscriptPart } from "../ports/Responder.ts"
import { Stamps } from "../ports/Stamps.ts"
import { ToolCatalog } from "../ports/ToolExecutor.ts"
import { Vault } from "../ports/Vault.ts"
import { events as registry } from "./Events.ts"
import { Lines } from "./Lines.ts"
import { ActionAnswer, endedStatuses, Rejection, type TurnCommand } from "./Protocol.ts"
import * as Questions from "./Questions.ts"
import { system } from "./System.ts"
import * as Turn from "./Turn.ts"

/** What a model said in one call, as it was sealed. */
const Said = Schema.Struct({ callId: Schema.String, tool: Schema.String, arguments: Schema.Json })

export const make = Effect.gen(function* () {
  const actors = yield* Actors
  const store = yield* EventStore
  const stamps = yield* Stamps
  const digest = yield* Digest
  const vault = yield* Vault
  const feed = yield* Feed
  const responder = yield* Responder
  const recollection = yield* Recollection
  const catalog = yield* ToolCatalog
  const questions = yield* Questions.make
  const { turns: line } = yield* Lines

  const load = Effect.fnUntraced(function* (turnId: TurnId) {
    const { events } = yield* store.readStream(StreamId.make(`turn:${turnId}`))
    return events.reduce<Turn.State>(
      (state, { envelope }) => Turn.evolve(state, read(registry, envelope)),
      Turn.initial
    )
  })

  const report = Effect.fnUntraced(function* (turnId: TurnId, key: string, command: TurnCommand) {
    const stamp = yield* stamps.stamp({ actor: system, key: `turn/${turnId}/${key}`, correlationId: turnId })
    yield* actors.send("turn", turnId, command, stamp).pipe(
      // Another process moved the turn by this step with an answer of its own: what stands in the journal counts.
      Effect.catchIf(
        (error) => error.reason === "KeyReused",
        () => Effect.void
      )
    )
  })

  const text = (value: unknown) => Effect.map(vault.open(value), (opened) => (typeof opened === "string" ? opened : ""))

  const recall = Effect.fnUntraced(function* (turn: Turn.Live) {
    const { source, items } = yield* Effect.withSpan(
      recollection.recall(turn.sessionId, yield* text(turn.input)),
      "Recollection.recall"
    )
    yield* report(turn.turnId, "recall", { _tag: "RecordRecall", source, items })
  })

  const transcript = Effect.fnUntraced(function* (turn: Turn.Live) {
    const parts: Array<TranscriptPart> = [{ _tag: "Input", text: yield* text(turn.input) }]
    const items = (yield* vault.open(turn.recalled)) as ReadonlyArray<{ readonly text: string }>
    if (Array.isArray(items)) for (const item of items) parts.push({ _tag: "Recalled", text: item.text })
    for (const step of turn.steps) {
      const said = yield* Effect.forEach(step.calls, (call) => saidIn(call))
      parts.push({
        _tag: "Said",
        text: yield* text(step.text),
        proposals: step.calls.map((call, index) => ({
          callId: call.callId,
          tool: said[index]!.tool,
          arguments: said[index]!.arguments
        }))
      })
      for (const [index, { callId, outcome }] of step.calls.entries()) {
        if (outcome === null) continue
        const edited = outcome.editedArguments
        parts.push({
          _tag: "ToolOutcome",
          callId,
          tool: said[index]!.tool,
          outcome: outcome.outcome,
          output: yield* vault.open(outcome.output),
          ...(edited === null ? {} : { editedArguments: yield* vault.open(edited) })
        })
      }
    }
    return parts
  })

  const saidIn = (call: Turn.Call) => Effect.flatMap(vault.open(call.said), Schema.decodeUnknownEffect(Said))

  const respond = Effect.fnUntraced(function* (turn: Turn.Live, step: number) {
    const answered = yield* responder
      .respond(yield* transcript(turn), yield* catalog.tools)
      .pipe(Effect.retry(whileRetryable), Effect.result)
    if (answered._tag === "Failure") {
      const { reason, detail } = answered.failure
      return yield* report(turn.turnId, "fail", { _tag: "FailTurn", code: `Responder${reason}`, detail })
    }
    const { text, proposals, inputTokens, outputTokens } = answered.success
    if (proposals.length > Bounds.proposalsPerStepMax) {
      const detail = `the answer proposes ${proposals.length} tool calls; ${Bounds.proposalsPerStepMax} are allowed`
      return yield* report(turn.turnId, "fail", { _tag: "FailTurn", code: "ResponderMalformed", detail })
    }
    return yield* report(turn.turnId, `respond/${step}`, {
      _tag: "RecordResponse",
      step,
      text,
      proposals,
      inputTokens,
      outputTokens
    })
  })

  /** Proposes one call as an action and waits until nothing more comes of it; records what came. */
  const resolve = Effect.fnUntraced(function* (turn: Turn.Live, call: Turn.Call) {
    const actionId = ActionId.make(digest.derive("act", turn.turnId, call.callId))
    const said = yield* saidIn(call)
    const agent: Actor = { kind: "AGENT", id: turn.agentId }
    const stamp = yield* stamps.stamp({
      actor: agent,
      key: `turn/${turn.turnId}/${call.callId}`,
      correlationId: turn.turnId
    })
    const { sessionId, ownerId, agentId, turnId } = turn
    const proposal = {
      _tag: "ProposeAction" as const,
      actionId,
      sessionId,
      ownerId,
      agentId,
      turnId,
      callId: call.callId,
      roles: ["agent"],
      tool: said.tool,
      arguments: said.arguments
    }
    const reply = yield* actors.send("action", actionId, proposal, stamp)
    const outcome =
      reply._tag === "Rejected"
        ? {
            actionId: null,
            editedArguments: null,
            ...refusal(yield* Schema.decodeUnknownEffect(Rejection)(reply.body))
          }
        : yield* settled((yield* Schema.decodeUnknownEffect(ActionAnswer)(reply.body)).actionId)
    yield* report(turn.turnId, `outcome/${call.callId}`, {
      _tag: "RecordOutcome",
      callId: call.callId,
      ...outcome
    })
  })

  const settled = Effect.fnUntraced(function* (actionId: ActionId) {
    for (;;) {
      const found = yield* Effect.scoped(
        Effect.gen(function* () {
          const change = yield* feed.changed(`action:${actionId}`)
          const row = yield* questions.action(actionId)
          if (row !== null && endedStatuses.has(row.status)) return row
          // The feed is a hint: a lost one costs time, not the turn.
          yield* Effect.raceFirst(change, Effect.sleep(Duration.millis(lookAgainMillis)))
          return null
        })
      )
      if (found === null) continue
      const output: Json = found.output === null ? yield* refusalOf(actionId) : yield* vault.open(found.output)
      const editedArguments = found.edited ? decode(yield* text(found.arguments)) : null
      return { actionId, outcome: found.status, output, editedArguments }
    }
  })

  /** Why nothing came of an action, in the words of the person or the policy that said so; null where nobody did. */
  const refusalOf = Effect.fnUntraced(function* (actionId: ActionId) {
    const { events } = yield* store.readStream(StreamId.make(`action:${actionId}`))
    const last = events[events.length - 1]?.envelope
    if (last === undefined || !refusals.has(last.type)) return null
    const judged = events.find(({ envelope }) => envelope.type === "action.judged")?.envelope
    return yield* vault.open((last.type === "action.denied" ? judged?.payload["why"] : last.payload["reason"]) ?? null)
  })

  const remember = Effect.fnUntraced(function* (turn: Turn.Live) {
    const { source, memoryIds } = yield* Effect.withSpan(
      recollection.remember(turn.sessionId, turn.turnId),
      "Recollection.remember"
    )
    yield* report(turn.turnId, "remember", { _tag: "RecordMemories", source, memoryIds })
  })

  /** A turn that waits for people or tools holds no place: those who wait for an answer would wait for them too. */
  const advance = (turn: Turn.Live, due: Turn.Next) => {
    switch (due._tag) {
      case "Recall":
        return line.within(recall(turn))
      case "Respond":
        return line.within(respond(turn, due.step))
      case "Outcomes":
        return Effect.acquireUseRelease(
          line.leave(turn.turnId),
          () =>
            Effect.forEach(due.calls, (call) => resolve(turn, call), {
              concurrency: Bounds.proposalsPerStepMax,
              discard: true
            }),
          () => line.enter(turn.turnId)
        )
      case "Remember":
        return line.within(remember(turn))
      case "Complete":
        return report(turn.turnId, "complete", { _tag: "CompleteTurn" })
    }
  }

  const loop = Effect.fnUntraced(function* (turnId: TurnId) {
    let before: Turn.Live | null = null
    for (;;) {
      const turn: Turn.State = yield* load(turnId)
      const due = turn === null ? null : Turn.next(turn)
      if (turn === null || due === null) return
      // Nothing moved: somebody else is at it, or a step is refused. Not so fast again.
      if (before !== null && same(before, turn)) yield* Effect.sleep(Duration.millis(standstillMillis))
      before = turn
      yield* advance(turn, due)
    }
  })

  const broken = (turnId: TurnId, detail: string) =>
    report(turnId, "broken", { _tag: "FailTurn", code: "Broken", detail })

  /** Runs a turn to its end, or to its deadline. Interruption leaves it where the journal says it is. */
  const run = Effect.fn("Gateway.runTurn")(function* (turnId: TurnId) {
    const turn = yield* load(turnId)
    if (turn === null || turn.status !== "Running") return
    const left = Math.max(0, turn.deadlineMillis - (yield* stamps.nowMillis))
    const finished = yield* loop(turnId).pipe(
      Effect.retry(whileTold),
      // What can't be helped by trying again ends the turn: a turn that nobody works on would wait for its deadline.
      Effect.catch((error) => broken(turnId, error.message)),
      Effect.catchDefect((defect) =>
        Effect.andThen(
          Effect.logError(`turn ${turnId} broke`, defect),
          broken(turnId, "a bug of the service ended the turn")
        )
      ),
      Effect.timeoutOption(Duration.millis(left))
    )
    if (finished._tag === "Some") return
    yield* report(turnId, "timeout", { _tag: "FailTurn", code: "Timeout", detail: "the turn's time was over" })
  })

  return { run }
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Longest time between two looks at an action that is waited for. */
const lookAgainMillis = 5_000
/** Pause before a step is tried again that did not move its turn. */
const standstillMillis = 200

const same = (before: Turn.Live, after: Turn.Live): boolean =>
  before.status === after.status &&
  (before.recalled === null) === (after.recalled === null) &&
  before.remembered === after.remembered &&
  before.steps.length === after.steps.length &&
  outcomes(before) === outcomes(after)

const outcomes = ({ steps }: Turn.Live): number =>
  steps.reduce((count, { calls }) => count + calls.filter(({ outcome }) => outcome !== null).length, 0)

/** Events that end an action because somebody would not have it. */
const refusals: ReadonlySet<string> = new Set(["action.denied", "confirmation.denied", "confirmation.withdrawn"])

const refusal = (rejection: Rejection): { readonly outcome: string; readonly output: Json } => ({
  outcome: "Invalid",
  output: { ...rejection }
})

/** The journal or a mailbox was busy: every step is named by its key, so it may be told again. */
const whileTold = {
  while: (error: unknown) =>
    (error instanceof ActorError && error.retryable && error.reason !== "Draining") ||
    (error instanceof EventStoreError && error.retryable),
  schedule: Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("2 seconds")])
}

const whileRetryable = {
  times: 3,
  while: (error: ResponderError) => error.retryable,
  schedule: Schedule.exponential("200 millis")
}
