import { assert, describe, it } from "@effect/vitest"
import { event } from "#src/gateway/Events.ts"
import type { ActionCommand } from "#src/gateway/Protocol.ts"
import { actor, agent, owner, stamp, system } from "#test/kit/decider.ts"
import { given, hash, judged, prepared, proposed } from "./fixture.ts"

const approve: ActionCommand = { _tag: "Approve", roles: [] }
const deny: ActionCommand = { _tag: "Deny", roles: [], reason: "no" }
const withdraw: ActionCommand = { _tag: "Withdraw", reason: null }
const ana = actor("HUMAN", "ana")
const ben = actor("HUMAN", "ben")
const approver: ActionCommand = { _tag: "Approve", roles: ["approver"] }

describe("a confirmation", () => {
  it("waits where the policy asks, with its deadline and digest", () => {
    const { state } = given(...proposed("Ask"))
    assert.strictEqual(state?.status, "Pending")
    assert.strictEqual(state?.deadlineMillis, 1_000)
    assert.strictEqual(state?.digest, hash('{"path":"a.txt"}'))
  })

  it("is approved by the session's owner and permits exactly what was shown", () => {
    const decided = given(...proposed("Ask")).when(prepared(approve), stamp(10))
    assert.deepStrictEqual(decided.types, ["confirmation.approved", "action.permitted"])
    assert.strictEqual(decided.after?.status, "Approved")
    assert.strictEqual(decided.after?.digest, hash('{"path":"a.txt"}'))
  })

  it("is never decided by an agent, not even the session's own", () => {
    for (const command of [approve, deny]) {
      given(...proposed("Ask"))
        .when(prepared(command), stamp(10, agent))
        .thenRefused({ _tag: "Forbidden" })
    }
    const namesake = actor("AGENT", "owner")
    given(...proposed("Ask"))
      .when(prepared(approve), stamp(10, namesake))
      .thenRefused({ _tag: "Forbidden" })
  })

  it("is not decided by a stranger, and is by a role that the policy names", () => {
    given(...proposed("Ask"))
      .when(prepared(approver), stamp(10, ana))
      .thenRefused({ _tag: "Forbidden" })
    const named = given(...proposed("Ask", ["approver"])).when(prepared(approver), stamp(10, ana))
    assert.strictEqual(named.after?.status, "Approved")
  })

  it("has one winner: the loser is told which state won", () => {
    const approved = given(...proposed("Ask")).when(prepared(approve), stamp(10)).events
    given(...proposed("Ask"), ...approved)
      .when(prepared(deny), stamp(11))
      .thenRefused({ _tag: "Conflict", status: "Approved" })
    const denied = given(...proposed("Ask")).when(prepared(deny), stamp(10)).events
    given(...proposed("Ask"), ...denied)
      .when(prepared(approve), stamp(11))
      .thenRefused({ _tag: "Conflict", status: "Denied" })
  })

  it("can't be approved at its deadline or later, whether or not SYSTEM wrote the expiry down", () => {
    given(...proposed("Ask"))
      .when(prepared(approve), stamp(1_000))
      .thenRefused({ _tag: "Conflict", status: "Expired" })
    given(...proposed("Ask"), event("confirmation.expired", { deadlineMillis: 1_000 }))
      .when(prepared(approve), stamp(1_500))
      .thenRefused({ _tag: "Conflict", status: "Expired" })
  })

  it("expires on SYSTEM's word, at its deadline, once", () => {
    const expire = prepared({ _tag: "ExpireAction", deadlineMillis: 1_000 })
    given(...proposed("Ask"))
      .when(expire, stamp(999, system))
      .thenRefused({ _tag: "NotDue" })
    given(...proposed("Ask"))
      .when(expire, stamp(1_000, owner))
      .thenRefused({ _tag: "Forbidden" })
    given(...proposed("Ask"))
      .when(expire, stamp(1_000, system))
      .then(event("confirmation.expired", { deadlineMillis: 1_000 }))
  })

  it("is withdrawn by its proposer or the owner, not by others, and not after a decision", () => {
    for (const by of [agent, owner, system]) {
      assert.deepStrictEqual(given(...proposed("Ask")).when(prepared(withdraw), stamp(10, by)).types, [
        "confirmation.withdrawn"
      ])
    }
    given(...proposed("Ask"))
      .when(prepared(withdraw), stamp(10, ana))
      .thenRefused({ _tag: "Forbidden" })
    const approved = given(...proposed("Ask")).when(prepared(approve), stamp(10)).events
    given(...proposed("Ask"), ...approved)
      .when(prepared(withdraw), stamp(11))
      .thenRefused({ _tag: "Conflict" })
  })
})

describe("a confirmation with edited arguments", () => {
  const edit: ActionCommand = { _tag: "Approve", roles: [], editedArguments: { path: "b.txt" } }
  const edited = judged("Ask", '{"path":"b.txt"}')

  it("permits the edited text under its own digest", () => {
    const decided = given(...proposed("Ask")).when(prepared(edit, edited), stamp(10))
    assert.strictEqual(decided.after?.digest, hash('{"path":"b.txt"}'))
    assert.isTrue(decided.after?.edited)
    assert.deepStrictEqual(decided.types, ["action.judged", "confirmation.approved", "action.permitted"])
    const last = decided.events[2]
    assert.strictEqual(last?.type === "action.permitted" && last.payload.digest, hash('{"path":"b.txt"}'))
  })

  it("is refused where the policy forbids the edited text, and goes on waiting", () => {
    const decided = given(...proposed("Ask")).when(prepared(edit, judged("Deny", '{"path":"b.txt"}')), stamp(10))
    decided.thenRefused({ _tag: "PolicyDenied" })
    assert.strictEqual(decided.after?.status, "Pending")
  })

  it("asks for two people where the policy wants two for the edited text", () => {
    const decided = given(...proposed("Ask")).when(prepared(edit, judged("AskTwo", '{"path":"b.txt"}')), stamp(10))
    assert.deepStrictEqual(decided.types, ["action.judged", "confirmation.approved"])
    assert.strictEqual(decided.after?.status, "Pending")
    assert.strictEqual(decided.after?.gate, "two-people")
  })
})

describe("a confirmation whose arguments stand, judged again by another set of policies", () => {
  const again = (effect: Parameters<typeof judged>[0]) => {
    const judgement = judged(effect)
    return { ...judgement, decision: { ...judgement.decision, policies: ["p2"], setHash: hash("other set") } }
  }

  it("is refused where that one forbids it, and goes on waiting", () => {
    const decided = given(...proposed("Ask")).when(prepared(approve, again("Deny")), stamp(10))
    decided.thenRefused({ _tag: "PolicyDenied", policies: ["p2"] })
    assert.strictEqual(decided.after?.status, "Pending")
  })

  it("permits what was shown, and writes down which set let it", () => {
    const decided = given(...proposed("Ask")).when(prepared(approve, again("Ask")), stamp(10))
    assert.deepStrictEqual(decided.types, ["action.judged", "confirmation.approved", "action.permitted"])
    const { digest, edited, policies, setHash } = decided.after!
    assert.deepStrictEqual(
      { digest, edited, policies, setHash },
      { digest: hash('{"path":"a.txt"}'), edited: false, policies: ["p2"], setHash: hash("other set") }
    )
  })

  it("waits for a second person where that one wants two, and counts the first", () => {
    const first = given(...proposed("Ask", ["approver"])).when(prepared(approver, again("AskTwo")), stamp(10, ana))
    assert.strictEqual(first.after?.status, "Pending")
    const second = given(...proposed("Ask", ["approver"]), ...first.events).when(prepared(approver), stamp(20, ben))
    assert.deepStrictEqual(second.after?.approvals, [ana, ben])
    assert.strictEqual(second.after?.status, "Approved")
  })

  it("asks for no fewer people than it did before", () => {
    for (const effect of ["Run", "Ask"] as const) {
      const decided = given(...proposed("AskTwo", ["approver"])).when(prepared(approver, again(effect)), stamp(10, ana))
      assert.deepStrictEqual([decided.after?.status, decided.after?.gate], ["Pending", "two-people"])
    }
  })
})

describe("a confirmation by two people", () => {
  const asked = proposed("AskTwo", ["approver"])
  const first = given(...asked).when(prepared(approver), stamp(10, ana)).events

  it("waits on after the first, and permits after the second", () => {
    assert.strictEqual(given(...asked, ...first).state?.status, "Pending")
    const second = given(...asked, ...first).when(prepared(approver), stamp(20, ben))
    assert.strictEqual(second.after?.status, "Approved")
    assert.deepStrictEqual(second.after?.approvals, [ana, ben])
  })

  it("does not count one person twice", () =>
    given(...asked, ...first)
      .when(prepared(approver), stamp(20, ana))
      .thenRefused({ _tag: "Forbidden" }))

  it("starts the count anew when somebody edits", () => {
    const edit: ActionCommand = { _tag: "Approve", roles: ["approver"], editedArguments: { path: "b.txt" } }
    const edited = given(...asked, ...first).when(
      prepared(edit, judged("Ask", '{"path":"b.txt"}', ["approver"])),
      stamp(20, ben)
    )
    assert.strictEqual(edited.after?.status, "Pending")
    assert.deepStrictEqual(edited.after?.approvals, [ben])
    assert.strictEqual(edited.after?.gate, "two-people")
  })

  it("never counts the proposer", () => {
    const proposal = given().when(
      prepared(
        {
          ...{ _tag: "ProposeAction", tool: "file.write", arguments: {}, roles: [], turnId: null, callId: null },
          ...(asked[0]?.type === "action.proposed"
            ? {
                actionId: asked[0].payload.actionId,
                sessionId: asked[0].payload.sessionId,
                ownerId: owner.id,
                agentId: agent.id
              }
            : assert.fail("no proposal"))
        },
        judged("AskTwo", undefined, ["approver"])
      ),
      stamp(0, owner)
    )
    given(...proposal.events)
      .when(prepared(approver), stamp(10, owner))
      .thenRefused({ _tag: "Forbidden" })
  })
})
