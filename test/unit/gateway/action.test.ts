import { assert, describe, it } from "@effect/vitest"
import type { ActionEvent } from "#src/gateway/Action.ts"
import { event } from "#src/gateway/Events.ts"
import type { ActionCommand } from "#src/gateway/Protocol.ts"
import * as Rows from "#src/gateway/Rows.ts"
import { agent, owner, stamp, system } from "#test/kit/decider.ts"
import {
  actionId,
  claimed,
  claimId,
  given,
  incarnation,
  judged,
  otherClaimId,
  permitted,
  prepared,
  proposal,
  proposed,
  unknown,
  words
} from "./fixture.ts"

const claim: ActionCommand = { _tag: "Claim", claimId, incarnation }
const executed: ActionCommand = { _tag: "ReportOutcome", claimId, outcome: "Executed", code: null, output: "done" }
const raise: ActionCommand = { _tag: "RaiseUnknown", leaseUntilMillis: 600 }

describe("an action", () => {
  it("is permitted at once where the policy lets it run", () =>
    assert.deepStrictEqual(
      proposed("Run").map((one) => one.type),
      ["action.proposed", "action.judged", "action.permitted"]
    ))

  it("ends at once where the policy forbids it, and says by which policies", () => {
    const happened = proposed("Deny")
    assert.deepStrictEqual(happened[2], event("action.denied", { policies: ["p1"] }))
    assert.strictEqual(given(...happened).state?.status, "Denied")
  })

  it("is proposed once", () =>
    given(...proposed("Run"))
      .when(prepared(proposal, judged("Run")), stamp(5, agent))
      .thenRefused({ _tag: "Conflict", status: "Approved" }))

  it("of a tool nobody knows is refused", () =>
    given().when(prepared(proposal, null), stamp(0, agent)).thenRefused({ _tag: "UnknownTool" }))

  it("is claimed once, and only when permitted", () => {
    given(...proposed("Run"))
      .when(prepared(claim), stamp(100, system))
      .then(claimed)
    given(...proposed("Run"), claimed)
      .when(prepared({ ...claim, claimId: otherClaimId }), stamp(101, system))
      .thenRefused({ _tag: "Conflict", status: "Claimed" })
    given(...proposed("Ask"))
      .when(prepared(claim), stamp(100, system))
      .thenRefused({ _tag: "Conflict", status: "Pending" })
  })

  it("is claimed for no longer than it was allowed: the time to live covers the execution", () => {
    const late = given(...proposed("Run")).when(prepared(claim), stamp(900, system))
    late.then(event("action.claimed", { ...claimed.payload, leaseUntilMillis: 1_000 }))
  })

  it("is not claimed by a person or an agent", () => {
    for (const by of [owner, agent]) {
      given(...proposed("Run"))
        .when(prepared(claim), stamp(100, by))
        .thenRefused({ _tag: "Forbidden" })
    }
  })

  it("is not claimed at its deadline or later, and lapses on SYSTEM's word", () => {
    given(...proposed("Run"))
      .when(prepared(claim), stamp(1_000, system))
      .thenRefused({ _tag: "Conflict", status: "Lapsed" })
    given(...proposed("Run"))
      .when(prepared({ _tag: "ExpireAction", deadlineMillis: 1_000 }), stamp(1_000, system))
      .then(event("action.lapsed", { permitId: permitted.payload.permitId, deadlineMillis: 1_000 }))
  })

  it("has the outcome that its claim reports, once", () => {
    const done = event("action.executed", { claimId, output: words("done"), late: false })
    given(...proposed("Run"), claimed)
      .when(prepared(executed), stamp(200, system))
      .then(done)
    given(...proposed("Run"), claimed, done)
      .when(prepared(executed), stamp(201, system))
      .thenRefused({ _tag: "Conflict", status: "Executed" })
    given(...proposed("Run"), claimed)
      .when(prepared({ ...executed, claimId: otherClaimId }), stamp(200, system))
      .thenRefused({ _tag: "Conflict", status: "Claimed" })
  })

  it("becomes unknown on SYSTEM's word after the lease, not before it", () => {
    const at = (millis: number) => given(...proposed("Run"), claimed).when(prepared(raise), stamp(millis, system))
    at(599).thenRefused({ _tag: "NotDue" })
    at(600).then(unknown)
    given(...proposed("Run"), claimed)
      .when(prepared(raise), stamp(600, owner))
      .thenRefused({ _tag: "Forbidden" })
  })

  it("takes a late outcome from its own claim, once, and says that it was late", () => {
    const late = event("action.executed", { claimId, output: words("done"), late: true })
    given(...proposed("Run"), claimed, unknown)
      .when(prepared(executed), stamp(700, system))
      .then(late)
    given(...proposed("Run"), claimed, unknown, late)
      .when(prepared(executed), stamp(701, system))
      .thenRefused({ _tag: "Conflict", status: "Executed" })
  })

  it("is never claimed a second time after it became unknown", () =>
    given(...proposed("Run"), claimed, unknown)
      .when(prepared({ ...claim, claimId: otherClaimId }), stamp(700, system))
      .thenRefused({ _tag: "Conflict", status: "Unknown" }))

  it("that does not exist is not found", () =>
    given()
      .when(prepared({ _tag: "Deny", roles: [], reason: null }), stamp(0))
      .thenRefused({ _tag: "NotFound" }))
})

describe("the rows of an action", () => {
  const rowsOf = (happened: ReadonlyArray<ActionEvent>) => {
    let before: ReturnType<typeof given>["state"] = null
    const counters = new Map<string, number>()
    for (let count = 1; count <= happened.length; count++) {
      const after = given(...happened.slice(0, count)).state
      for (const row of after === null ? [] : Rows.action(before, after)) {
        if (row._tag === "Add") counters.set(row.counter, (counters.get(row.counter) ?? 0) + row.delta)
      }
      before = after
    }
    return counters
  }

  it("conserve: created = approved + denied + expired + withdrawn + pending", () => {
    const ask = proposed("Ask")
    const decisions: { readonly [name: string]: ReadonlyArray<ActionEvent> } = {
      pending: [],
      approved: given(...ask).when(prepared({ _tag: "Approve", roles: [] }), stamp(10)).events,
      denied: given(...ask).when(prepared({ _tag: "Deny", roles: [], reason: null }), stamp(10)).events,
      withdrawn: given(...ask).when(prepared({ _tag: "Withdraw", reason: null }), stamp(10)).events,
      expired: [event("confirmation.expired", { deadlineMillis: 1_000 })]
    }
    for (const [name, decided] of Object.entries(decisions)) {
      const counters = rowsOf([...ask, ...decided])
      const sum = ["approved", "denied", "expired", "withdrawn"].reduce(
        (total, name) => total + (counters.get(`confirmations.${name}`) ?? 0),
        counters.get(Rows.pending) ?? 0
      )
      assert.strictEqual(counters.get("confirmations.created"), 1)
      assert.strictEqual(counters.get(`confirmations.${name}`), 1, name)
      assert.strictEqual(sum, 1)
    }
  })

  it("count nothing as waiting that its policy decided", () =>
    assert.isUndefined(rowsOf(proposed("Deny")).get("confirmations.created")))

  it("hold the claim while it stands, for the executor to look at", () => {
    const before = given(...proposed("Run")).state
    const after = given(...proposed("Run"), claimed).state
    assert.deepInclude(after === null ? [] : Rows.action(before, after), {
      _tag: "Put",
      kind: Rows.claim,
      key: permitted.payload.permitId,
      body: { claimId, actionId, incarnation }
    })
  })
})
