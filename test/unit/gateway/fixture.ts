/** An action and a turn as tests need them: exact values, no chance. */
import * as Action from "#src/gateway/Action.ts"
import { event, events } from "#src/gateway/Events.ts"
import type { ActionCommand, Judged } from "#src/gateway/Protocol.ts"
import { ActionId, ClaimId, Hash, IncarnationId, PrincipalId, SessionId } from "#src/kernel/Ids.ts"
import * as Sealed from "#src/kernel/Sealed.ts"
import { derive, sha256 } from "#layers/digest/NodeDigest.ts"
import { agent, specification, stamp } from "#test/kit/decider.ts"

export const sessionId = SessionId.make(derive("ses", "owner", "one"))
export const actionId = ActionId.make(derive("act", "owner", "one"))
export const claimId = ClaimId.make(derive("clm", "one"))
export const otherClaimId = ClaimId.make(derive("clm", "two"))
export const incarnation = IncarnationId.make(derive("inc", "one"))
export const ownerId = PrincipalId.make("owner")
export const hash = (text: string): Hash => sha256(text)

export const judged = (
  effect: Judged["decision"]["effect"],
  argumentsText = '{"path":"a.txt"}',
  approvers: ReadonlyArray<string> = []
): Judged => ({
  toolHash: hash("tool"),
  executor: null,
  argumentsText,
  digest: hash(argumentsText),
  decision: { effect, approvers, policies: ["p1"], errors: [], reason: "because", setHash: hash("set") }
})

export const prepared = (command: ActionCommand, judgement: Judged | null = null): Action.Prepared => ({
  command,
  judged: judgement,
  confirmationTtlMillis: 1_000,
  claimLeaseMillis: 500
})

export const proposal: ActionCommand = {
  _tag: "ProposeAction",
  actionId,
  sessionId,
  ownerId,
  agentId: PrincipalId.make("assistant"),
  turnId: null,
  callId: null,
  roles: ["agent"],
  tool: "file.write",
  arguments: { path: "a.txt" }
}

export const { given } = specification(Action.decider, events)

/** The events of a proposal under a policy's verdict, at time 0. */
export const proposed = (effect: Judged["decision"]["effect"], approvers: ReadonlyArray<string> = []) =>
  given().when(prepared(proposal, judged(effect, undefined, approvers)), stamp(0, agent)).events

export const permitted = event("action.permitted", {
  permitId: Action.permitIdOf(actionId),
  digest: hash('{"path":"a.txt"}'),
  approvedBy: [],
  expiresAtMillis: 1_000
})

export const claimed = event("action.claimed", {
  permitId: Action.permitIdOf(actionId),
  claimId,
  incarnation,
  leaseUntilMillis: 600
})

export const unknown = event("action.unknown", { claimId, leaseUntilMillis: 600 })
export const words = (text: string) => Sealed.plain(text)
