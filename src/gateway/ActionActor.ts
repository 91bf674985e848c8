/**
 * The action's behaviour: its rules (`Action`, `Confirmation`) with what they need looked up.
 *
 * Owns the order "check the arguments, write them down as one text, commit to that text, ask the policy".
 * The text that is digested here is the text a person is shown and an executor receives.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Append from "../kernel/Append.ts"
import type { Behaviour, Commit } from "../kernel/Behaviour.ts"
import * as Bounds from "../kernel/Bounds.ts"
import * as Canonical from "../kernel/Canonical.ts"
import { digestInput } from "../kernel/Permit.ts"
import type { Actor, Stamp } from "../kernel/Stamp.ts"
import type { EventStoreError } from "../ports/EventStore.ts"
import type { KeyRingError } from "../ports/KeyRing.ts"
import { PolicyEngine } from "../ports/PolicyEngine.ts"
import { ToolCatalog } from "../ports/ToolExecutor.ts"
import { Vault } from "../ports/Vault.ts"
import * as Action from "./Action.ts"
import { events } from "./Events.ts"
import type { ActionCommand, Judged, Rejection } from "./Protocol.ts"
import * as Rows from "./Rows.ts"
import { subjectOf } from "./Session.ts"

export interface ActionConfig {
  readonly confirmationTtlMillis: number
  readonly claimLeaseMillis: number
  readonly pendingMax: number
  readonly pendingPerSessionMax: number
}

type ActionBehaviour = Behaviour<
  Action.State,
  ActionCommand,
  Action.Prepared,
  Action.ActionEvent,
  Rejection,
  EventStoreError | KeyRingError
>

export const make = Effect.fnUntraced(function* (config: ActionConfig) {
  const policy = yield* PolicyEngine
  const catalog = yield* ToolCatalog
  const vault = yield* Vault

  /** What the policy says of exact arguments of a tool, and the commitment to both. */
  const judge = Effect.fnUntraced(function* (
    question: {
      readonly actor: Actor
      readonly roles: ReadonlyArray<string>
      readonly tool: string
      readonly sessionId: string
      readonly ownerId: string
    },
    args: Canonical.Json,
    commit: Commit
  ) {
    const tool = yield* catalog.find(question.tool)
    if (tool === null) return Result.fail<Rejection>({ _tag: "UnknownTool", tool: question.tool })
    const checked = yield* catalog.check(question.tool, args).pipe(
      Effect.map((checked) => Result.succeed(checked)),
      Effect.catchTag("ArgumentsInvalid", ({ detail }) => Effect.succeed(Result.fail(invalid(question.tool, detail))))
    )
    if (Result.isFailure(checked)) return Result.fail(checked.failure)
    const argumentsText = Canonical.encode(checked.success)
    if (argumentsText.length > Bounds.argumentsTextMax) {
      return Result.fail(invalid(question.tool, `arguments may hold ${Bounds.argumentsTextMax} characters`))
    }
    const decision = yield* policy.decide({ ...question, arguments: checked.success, declared: tool })
    const digest = commit(digestInput(question.actor, question.tool, tool.hash, argumentsText))
    return Result.succeed<Judged>({ toolHash: tool.hash, executor: tool.executor, argumentsText, digest, decision })
  })

  /** The arguments that an approval has to judge: edited ones, or those that stand where another set is in force. */
  const toJudgeAgain = Effect.fnUntraced(function* (state: Action.Live, edited: Canonical.Json | undefined) {
    if (edited !== undefined) return edited
    const { hash } = yield* policy.set
    if (state.status !== "Pending" || hash === state.setHash) return undefined
    // What was sealed opens, or is damaged.
    const opened = yield* Effect.catchTag(vault.open(state.arguments), "NotOpened", Effect.die)
    return typeof opened === "string" ? Canonical.decode(opened) : undefined
  })

  const judgementFor = Effect.fnUntraced(function* (
    state: Action.State,
    command: ActionCommand,
    stamp: Stamp,
    commit: Commit
  ) {
    if (command._tag === "ProposeAction" && state === null) {
      return yield* judge({ ...command, actor: stamp.actor }, command.arguments as Canonical.Json, commit)
    }
    if (command._tag === "Approve" && state !== null) {
      const args = yield* toJudgeAgain(state, command.editedArguments as Canonical.Json | undefined)
      if (args !== undefined) return yield* judge({ ...state, actor: state.proposer }, args, commit)
    }
    return Result.succeed<Judged | null>(null)
  })

  const behaviour: ActionBehaviour = {
    kind: "action",
    events,
    decider: Action.decider,
    subject: (state, command) =>
      state !== null
        ? subjectOf(state.sessionId)
        : command._tag === "ProposeAction"
          ? subjectOf(command.sessionId)
          : null,
    begins: (command) => command._tag === "ProposeAction",
    createsSubject: () => false,
    passing: (rejection) => rejection._tag === "NotDue",
    ends: (command) => command._tag !== "ProposeAction" && command._tag !== "Approve",
    // What became of a tool that was at work is recorded, without its words.
    survivesErasure: (command) =>
      command._tag === "ExpireAction" ||
      command._tag === "ReportOutcome" ||
      command._tag === "RaiseUnknown" ||
      command._tag === "RenewLease" ||
      command._tag === "Withdraw",
    prepare: Effect.fnUntraced(function* (state, command, stamp, commit) {
      const times = {
        confirmationTtlMillis: config.confirmationTtlMillis,
        claimLeaseMillis: config.claimLeaseMillis
      }
      if (commit === null) return Result.succeed({ command, judged: null, ...times })
      const judged = yield* judgementFor(state, command, stamp, commit)
      return Result.map(judged, (judged) => ({ command, judged, ...times }))
    }),
    rows: (before, _event, after) => (after === null ? [] : Rows.action(before, after)),
    guards: (before, { command }, happened) => guards(config, before, command, happened),
    shreds: () => [],
    answer: (after) => (after === null ? null : (Action.answer(after) as unknown as Canonical.Json)),
    refusal: (guard, { command }) => refusal(guard, command)
  }
  return behaviour
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const invalid = (tool: string, detail: string): Rejection => ({ _tag: "ArgumentsInvalid", tool, detail })

const open = (sessionId: string) => Append.present(Rows.openSession, sessionId)
const notHalted = Append.absent(Rows.halt, Rows.haltKey)

const guards = (
  config: ActionConfig,
  before: Action.State,
  command: ActionCommand,
  happened: ReadonlyArray<Action.ActionEvent>
): ReadonlyArray<Append.Guard> => {
  switch (command._tag) {
    case "ProposeAction": {
      const waits = happened.some((one) => one.type === "confirmation.requested")
      return [
        open(command.sessionId),
        notHalted,
        ...(waits
          ? [
              Append.atMost(Rows.pending, config.pendingMax),
              Append.atMost(Rows.pendingIn(command.sessionId), config.pendingPerSessionMax)
            ]
          : [])
      ]
    }
    case "Approve":
      return before === null || happened.length === 0 ? [] : [open(before.sessionId)]
    case "Claim":
      return before === null || happened.length === 0 ? [] : [open(before.sessionId), notHalted]
    default:
      return []
  }
}

const refusal = (guard: Append.Guard, command: ActionCommand): Rejection => {
  switch (guard._tag) {
    case "AtMost": {
      const limit = guard.counter === Rows.pending ? "confirmationsPending" : "confirmationsPendingPerSession"
      return { _tag: "LimitReached", limit, maximum: guard.maximum }
    }
    case "Absent":
      return { _tag: "Halted" }
    case "Present":
      return command._tag === "ProposeAction"
        ? { _tag: "SessionNotOpen", sessionId: command.sessionId }
        : { _tag: "SessionNotOpen", sessionId: guard.key as never }
  }
}
