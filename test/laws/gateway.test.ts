/** The gateway's deciders keep the laws. */
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as Action from "#src/gateway/Action.ts"
import * as Bypass from "#src/gateway/Bypass.ts"
import * as DeclaredTool from "#src/gateway/DeclaredTool.ts"
import * as PolicyInForce from "#src/gateway/PolicyInForce.ts"
import * as Halt from "#src/gateway/Halt.ts"
import { events } from "#src/gateway/Events.ts"
import {
  ActionCommand,
  HaltCommand,
  type Judged,
  PrincipalCommand,
  SessionCommand,
  ToolCommand,
  TurnCommand
} from "#src/gateway/Protocol.ts"
import * as Principal from "#src/gateway/Principal.ts"
import * as Session from "#src/gateway/Session.ts"
import * as Turn from "#src/gateway/Turn.ts"
import { ActionId, ClaimId, IncarnationId, SessionId } from "#src/kernel/Ids.ts"
import type { Stamp } from "#src/kernel/Stamp.ts"
import { agent, laws, person, steps, storable, system } from "./decider.ts"

const said = (...texts: ReadonlyArray<string | null>): ReadonlyArray<string> => texts.filter((text) => text !== null)

laws("session", {
  decider: Session.decider,
  events,
  commands: steps(storable(Arbitrary.schema(SessionCommand)), { gapMillisMax: 3_600_000 }),
  aim: (state, command) =>
    state !== null && command._tag === "ExpireSession"
      ? { ...command, deadlineMillis: Session.deadlineMillis(state) }
      : command,
  words: (command) =>
    command._tag === "CreateSession"
      ? said(command.title)
      : command._tag === "CloseSession"
        ? said(command.reason)
        : [],
  reaches: ["session.created", "session.touched", "session.closed", "session.expired", "session.erased"]
})

laws("halt", {
  decider: Halt.decider,
  events,
  commands: steps(storable(Arbitrary.schema(HaltCommand)), { actors: [person, person, agent, system] }),
  words: (command) => said(command.reason),
  reaches: ["service.halted", "service.resumed"]
})

laws("principal", {
  decider: Principal.decider,
  events,
  commands: steps(storable(Arbitrary.schema(PrincipalCommand)), { actors: [person] }),
  aim: (state, command) =>
    state !== null && command._tag === "RevokeKey"
      ? { ...command, keyId: state.keys[0]?.keyId ?? command.keyId }
      : command,
  reaches: [
    "principal.created",
    "principal.key-issued",
    "principal.key-revoked",
    "principal.roles-changed",
    "principal.disabled",
    "principal.enabled"
  ]
})

laws("tool", {
  decider: DeclaredTool.decider,
  events,
  commands: steps(storable(Arbitrary.schema(ToolCommand)), { actors: [agent] }),
  aim: (state, command) =>
    state !== null && command._tag === "DeclareTool" ? { ...command, hash: state.hash } : command,
  reaches: ["tool.declared", "tool.withdrawn", "tool.restored"]
})

/** What the turn waits for, so that a history gets to its end more often than by chance. */
const due = (state: Turn.Live, atMillis: number): TurnCommand | null => {
  const awaited = Turn.next(state)
  switch (awaited?._tag) {
    case undefined:
      return null
    case "Recall":
      return { _tag: "RecordRecall", source: "notes", items: [{ memoryId: "m", text: "it was remembered" }] }
    case "Respond": {
      const proposals = atMillis % 3 === 0 ? [{ callId: "x", tool: "file.read", arguments: { path: "a" } }] : []
      const tokens = { inputTokens: 1, outputTokens: 1 }
      return { _tag: "RecordResponse", step: awaited.step, text: "it was answered", proposals, ...tokens }
    }
    case "Outcomes": {
      const { callId } = awaited.calls[0]!
      const editedArguments = atMillis % 5 === 0 ? { path: "it was edited" } : null
      const outcome = { callId, actionId: null, outcome: "Executed", output: "it was done" }
      return { _tag: "RecordOutcome", ...outcome, editedArguments }
    }
    case "Remember":
      return { _tag: "RecordMemories", source: "notes", memoryIds: ["m"] }
    case "Complete":
      return { _tag: "CompleteTurn" }
  }
}

/** Names that are not sealed are fixed: drawn from the same few words as what is said, they would look like a leak. */
const named = (command: TurnCommand): TurnCommand => {
  switch (command._tag) {
    case "StartTurn": {
      const responder = { provider: "keelson", model: "law", deterministic: true }
      return { ...command, responder, tokensMax: 100_000, stepsMax: 4 }
    }
    case "RecordRecall":
    case "RecordMemories":
      return { ...command, source: "notes", ...(command._tag === "RecordMemories" ? { memoryIds: ["m"] } : {}) }
    case "RecordOutcome":
      return { ...command, callId: "c1.1", outcome: "Executed" }
    case "FailTurn":
      return { ...command, code: "Timeout" }
    default:
      return command
  }
}

laws("turn", {
  decider: Turn.decider,
  events,
  commands: steps(storable(Arbitrary.schema(TurnCommand)), { actors: [system, system, person] }),
  aim: (state, command, stamp) => {
    return (state !== null && stamp.atMillis % 2 === 0 ? due(state, stamp.atMillis) : null) ?? named(command)
  },
  words: (command) => {
    switch (command._tag) {
      case "StartTurn":
        return [command.input]
      case "RecordRecall":
        return command.items.map(({ text }) => text)
      case "RecordResponse":
        return [command.text]
      case "RecordOutcome":
        return said(typeof command.output === "string" ? command.output : null)
      case "CancelTurn":
        return said(command.reason)
      case "FailTurn":
        return [command.detail]
      case "RecordMemories":
      case "CompleteTurn":
        return []
    }
  },
  reaches: [
    "turn.started",
    "turn.recalled",
    "turn.responded",
    "turn.outcome-recorded",
    "turn.memories-recorded",
    "turn.completed",
    "turn.failed",
    "turn.cancelled"
  ]
})

const remote = { principalId: agent.id, leaseMillis: 8, runMillisMax: 200 }

const Verdict = Schema.NullOr(
  Schema.Struct({
    effect: Schema.Literals(["Run", "Ask", "AskTwo", "Deny"]),
    path: Schema.Literals(["a secret path", "another secret path"]),
    remote: Schema.Boolean
  })
)

const judged = (verdict: typeof Verdict.Type): Judged | null => {
  if (verdict === null) return null
  const argumentsText = JSON.stringify({ path: verdict.path })
  return {
    toolHash: NodeDigest.sha256("tool"),
    executor: verdict.remote ? remote : null,
    argumentsText,
    digest: NodeDigest.sha256(argumentsText),
    decision: {
      effect: verdict.effect,
      approvers: ["reviewer"],
      policies: ["p1"],
      errors: [],
      reason: "the policy's own reason",
      setHash: NodeDigest.sha256("set")
    }
  }
}

const prepared: Arbitrary.Arbitrary<Action.Prepared> = Arbitrary.all({
  command: storable(Arbitrary.schema(ActionCommand)),
  verdict: Arbitrary.schema(Verdict)
}).pipe(
  Arbitrary.map(({ command, verdict }) => ({
    command,
    judged: judged(verdict),
    // In the measure of the gaps between the commands.
    confirmationTtlMillis: 40,
    claimLeaseMillis: 8
  }))
)

/** What may well happen next to an action, so that histories get beyond its proposal. */
const following = (state: Action.Live, lot: number): ActionCommand | null => {
  const deadlineMillis = state.deadlineMillis ?? 0
  const claimId = state.claimId ?? ClaimId.make(NodeDigest.derive("clm", "law"))
  switch (state.status) {
    case "Pending":
      if (lot === 0) return { _tag: "ExpireAction", deadlineMillis }
      return lot === 1
        ? { _tag: "Deny", roles: ["reviewer"], reason: "it was denied" }
        : { _tag: "Approve", roles: ["reviewer"] }
    case "Approved": {
      const incarnation = IncarnationId.make(NodeDigest.derive("inc", "law"))
      return lot === 0 ? { _tag: "ExpireAction", deadlineMillis } : { _tag: "Claim", claimId, incarnation }
    }
    case "Claimed":
      return lot < 2 ? { _tag: "RaiseUnknown", leaseUntilMillis: deadlineMillis } : reported(claimId, lot)
    case "Unknown":
      return reported(claimId, lot)
    default:
      return null
  }
}

const reported = (claimId: ClaimId, lot: number): ActionCommand => ({
  _tag: "ReportOutcome",
  claimId,
  outcome: lot === 2 ? "Failed" : "Executed",
  code: null,
  output: "it came out"
})

const proposal = {
  _tag: "ProposeAction" as const,
  actionId: ActionId.make(NodeDigest.derive("act", "law")),
  sessionId: SessionId.make(NodeDigest.derive("ses", "law")),
  ownerId: person.id,
  agentId: agent.id,
  turnId: null,
  callId: null,
  roles: [],
  tool: "file.read",
  arguments: { path: "a secret path" }
}

/** Drawn from the stamp, evenly: times alone are mostly small gaps. */
const lotOf = ({ atMillis, key }: Stamp): number =>
  Number.parseInt(NodeDigest.sha256(`${atMillis} ${key}`).slice(0, 6), 16)

/** What an agent that runs the tool elsewhere may well do next. */
const remotely = (state: Action.Live, lot: number): ActionCommand | null => {
  const claimId = state.claimId ?? ClaimId.make(NodeDigest.derive("clm", "law"))
  if (state.status === "Approved") {
    return { _tag: "Claim", claimId, incarnation: IncarnationId.make(NodeDigest.derive("inc", "law")) }
  }
  if (state.status !== "Claimed") return null
  return lot % 4 === 0 ? reported(claimId, lot) : { _tag: "RenewLease", claimId }
}

const aimed = (state: Action.State, command: ActionCommand, { actor, ...stamp }: Stamp): ActionCommand => {
  const lot = lotOf({ actor, ...stamp })
  if (state === null) {
    const proposed = command._tag === "ProposeAction" ? command : lot % 2 === 0 ? proposal : null
    return proposed === null ? command : { ...proposed, ownerId: person.id, agentId: agent.id }
  }
  if (state.status === "Unknown" && actor.kind === "HUMAN") {
    return { _tag: "Reconcile", roles: [], outcome: lot % 2 === 0 ? "Failed" : "Executed", note: "somebody looked" }
  }
  const elsewhere = state.executor !== null && actor.kind === "AGENT" ? remotely(state, lot) : null
  if (elsewhere !== null) return elsewhere
  const next = lot % 3 > 0 ? following(state, Math.floor(lot / 3) % 4) : null
  if (next !== null) return next
  const deadlineMillis = state.deadlineMillis ?? 0
  switch (command._tag) {
    case "Approve":
    case "Deny":
      return { ...command, roles: ["reviewer"] }
    case "ExpireAction":
      return { ...command, deadlineMillis }
    case "RaiseUnknown":
      return { ...command, leaseUntilMillis: deadlineMillis }
    case "ReportOutcome":
      return state.claimId === null ? command : { ...command, claimId: state.claimId }
    default:
      return command
  }
}

laws("action", {
  decider: Action.decider,
  events,
  // What a person says of an unknown outcome stands at the end of a long way.
  reachRuns: 2_000,
  commands: steps(prepared, {
    actors: [person, person, { ...person, id: system.id }, agent, agent, system, system],
    gapMillisMax: 12,
    lengthMax: 40
  }),
  aim: (state: Action.State, { command, ...rest }: Action.Prepared, stamp: Stamp) => ({
    ...rest,
    command: aimed(state, command, stamp)
  }),
  words: ({ command, judged }) => [
    ...said(judged?.argumentsText ?? null, judged?.decision.reason ?? null),
    ...(command._tag === "Reconcile" ? [command.note] : []),
    ...(command._tag === "Deny" || command._tag === "Withdraw" ? said(command.reason) : []),
    ...(command._tag === "ReportOutcome" && typeof command.output === "string" ? [command.output] : [])
  ],
  reaches: [
    "action.proposed",
    "action.judged",
    "action.denied",
    "confirmation.requested",
    "confirmation.approved",
    "confirmation.denied",
    "confirmation.expired",
    "confirmation.withdrawn",
    "action.permitted",
    "action.lapsed",
    "action.claimed",
    "action.executed",
    "action.failed",
    "action.unknown",
    "action.lease-renewed",
    "action.reconciled"
  ]
})

const RecordBypass = Schema.TaggedStruct("RecordBypass", {
  reason: Schema.Literals(["forged", "expired"]),
  permitId: Schema.NullOr(Schema.String),
  actionId: Schema.NullOr(Schema.String)
})

laws("bypass", {
  decider: Bypass.behaviour.decider,
  events,
  commands: steps(storable(Arbitrary.schema(RecordBypass))),
  words: ({ permitId, actionId }) => said(permitId, actionId),
  reaches: ["permit.refused"]
})

const RecordPolicySet = Schema.TaggedStruct("RecordPolicySet", {
  hash: Schema.Literals([NodeDigest.sha256("one"), NodeDigest.sha256("other")]),
  after: Schema.Literals([0, 1, 2])
})

laws("policy", {
  decider: PolicyInForce.behaviour.decider,
  events,
  commands: steps(storable(Arbitrary.schema(RecordPolicySet))),
  words: () => [],
  reaches: ["policy.changed"]
})
