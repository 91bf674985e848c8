import { assert, describe, it } from "@effect/vitest"
import * as Authority from "#src/gateway/Authority.ts"
import { actor } from "#test/kit/decider.ts"

const subject: Authority.Subject = {
  ownerId: actor("HUMAN", "owner").id,
  agentId: actor("AGENT", "assistant").id,
  proposer: actor("AGENT", "proposer"),
  approvers: ["approver"],
  executorId: actor("AGENT", "runner").id
}

const who = {
  owner: [actor("HUMAN", "owner"), []],
  stranger: [actor("HUMAN", "stranger"), []],
  approver: [actor("HUMAN", "ana"), ["approver"]],
  operator: [actor("HUMAN", "boss"), ["owner"]],
  agent: [actor("AGENT", "assistant"), ["agent"]],
  proposer: [actor("AGENT", "proposer"), []],
  executor: [actor("AGENT", "runner"), []],
  "person called runner": [actor("HUMAN", "runner"), []],
  "agent called owner": [actor("AGENT", "owner"), ["approver"]],
  "agent with the operator's role": [actor("AGENT", "robot"), ["owner"]],
  system: [actor("SYSTEM", "system"), ["owner", "approver"]]
} as const

/** Row by row as an auditor would write it down, not derived from the code's own table. */
const allowed: { readonly [D in Authority.Deed]: ReadonlyArray<keyof typeof who> } = {
  "session.create": ["owner"],
  "session.read": ["owner", "agent"],
  "session.touch": ["owner", "agent"],
  "session.close": ["owner"],
  "session.erase": ["owner"],
  "turn.start": ["owner"],
  "turn.read": ["owner", "agent"],
  "turn.cancel": ["owner"],
  "action.propose": ["owner", "agent"],
  "action.read": ["owner", "approver", "agent", "proposer", "executor"],
  "confirmation.decide": ["owner", "approver"],
  "confirmation.withdraw": ["owner", "proposer"],
  "events.read": ["operator"],
  "action.execute": ["executor"],
  "action.reconcile": ["owner", "approver"],
  "tool.declare": ["operator", "agent called owner"],
  // Of itself, every person; the test's subject is the owner's.
  "policy.read": ["owner"],
  "service.halt": ["operator"],
  "principal.create": ["operator"],
  "principal.read": ["owner", "operator", "agent called owner"],
  "principal.change": ["operator"],
  "principal.key": ["owner", "operator"],
  "metrics.read": ["operator"]
}

describe("the table of authority", () => {
  for (const deed of Authority.deeds) {
    it(`lets exactly ${allowed[deed].join(", ")} ${deed}`, () => {
      for (const name of Object.keys(who) as ReadonlyArray<keyof typeof who>) {
        const [by, roles] = who[name]
        assert.strictEqual(Authority.may(by, roles, deed, subject), allowed[deed].includes(name), name)
      }
    })
  }
})
