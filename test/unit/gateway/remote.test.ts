/** An action whose tool an agent runs elsewhere: one claim, signs of life, one outcome, and a person's last word. */
import { assert, describe, it } from "@effect/vitest"
import * as Action from "#src/gateway/Action.ts"
import { event } from "#src/gateway/Events.ts"
import * as Sealed from "#src/kernel/Sealed.ts"
import { actor, agent, owner, stamp, system } from "#test/kit/decider.ts"
import { actionId, claimId, given, incarnation, judged, otherClaimId, prepared, proposal } from "./fixture.ts"

const runner = actor("AGENT", "runner")
const executor = { principalId: runner.id, leaseMillis: 300, runMillisMax: 1_000 }
const proposed = given().when(prepared(proposal, { ...judged("Run"), executor }), stamp(0, agent)).events
const claim = prepared({ _tag: "Claim", claimId, incarnation })
const claimed = event("action.claimed", {
  permitId: Action.permitIdOf(actionId),
  claimId,
  incarnation,
  leaseUntilMillis: 400,
  runUntilMillis: 1_100
})
const renew = prepared({ _tag: "RenewLease", claimId })
const renewed = (leaseUntilMillis: number) => event("action.lease-renewed", { claimId, leaseUntilMillis })
const report = (outcome: "Executed" | "Failed" = "Executed", id = claimId) =>
  prepared({ _tag: "ReportOutcome", claimId: id, outcome, code: null, output: "done" })
const unknown = event("action.unknown", { claimId, leaseUntilMillis: 400 })
const reconcile = prepared({ _tag: "Reconcile", roles: [], outcome: "Executed", note: "it is there" })

describe("a tool that runs elsewhere", () => {
  it("is permitted for the agent that runs it, by name", () =>
    assert.deepInclude(proposed.at(-1)?.payload, { executorId: runner.id }))

  it("is claimed by that agent alone: not by SYSTEM, not by the proposer, not by a person of that name", () => {
    given(...proposed)
      .when(claim, stamp(100, runner))
      .then(claimed)
    for (const other of [system, agent, actor("HUMAN", "runner")]) {
      given(...proposed)
        .when(claim, stamp(100, other))
        .thenRefused({ _tag: "Forbidden" })
    }
  })

  it("is claimed once, and not after the permit has lapsed", () => {
    const again = prepared({ _tag: "Claim", claimId: otherClaimId, incarnation })
    given(...proposed, claimed)
      .when(again, stamp(101, runner))
      .thenRefused({ status: "Claimed" })
    given(...proposed, claimed, unknown)
      .when(again, stamp(500, runner))
      .thenRefused({ status: "Unknown" })
    given(...proposed)
      .when(claim, stamp(1_000, runner))
      .thenRefused({ status: "Lapsed" })
  })

  it("holds its lease by signs of life, as long as a run may take and no longer", () => {
    given(...proposed, claimed)
      .when(renew, stamp(200, runner))
      .then(renewed(500))
    given(...proposed, claimed, renewed(1_000))
      .when(renew, stamp(950, runner))
      .then(renewed(1_100) as never)
  })

  it("has no lease beyond its run, however long a lease its tool declared", () => {
    const brief = { principalId: runner.id, leaseMillis: 1_000, runMillisMax: 300 }
    const own = given().when(prepared(proposal, { ...judged("Run"), executor: brief }), stamp(0, agent)).events
    const { events } = given(...own).when(claim, stamp(100, runner))
    assert.deepInclude(events[0]?.payload, { leaseUntilMillis: 400, runUntilMillis: 400 })
  })

  it("is heard and not written down where a sign of life gains little", () =>
    given(...proposed, claimed)
      .when(renew, stamp(150, runner))
      .then())

  it("has no lease to renew once it is over, under another claim, or by another agent", () => {
    given(...proposed, claimed)
      .when(renew, stamp(400, runner))
      .thenRefused({ status: "Unknown" })
    const other = prepared({ _tag: "RenewLease", claimId: otherClaimId })
    given(...proposed, claimed)
      .when(other, stamp(200, runner))
      .thenRefused({ status: "Claimed" })
    given(...proposed, claimed)
      .when(renew, stamp(200, agent))
      .thenRefused({ _tag: "Forbidden" })
  })

  it("ends as Unknown by SYSTEM's word once the lease is over, never before its last renewal is", () => {
    const raise = (leaseUntilMillis: number) => prepared({ _tag: "RaiseUnknown", leaseUntilMillis })
    given(...proposed, claimed)
      .when(raise(400), stamp(400, system))
      .then(unknown)
    given(...proposed, claimed, renewed(500))
      .when(raise(400), stamp(450, system))
      .thenRefused({ _tag: "NotDue" })
  })

  it("is reported by its agent, once; late too, after Unknown", () => {
    const output = Sealed.plain("done")
    given(...proposed, claimed)
      .when(report(), stamp(200, runner))
      .then(event("action.executed", { claimId, output, late: false }))
    const late = event("action.executed", { claimId, output, late: true })
    given(...proposed, claimed, unknown)
      .when(report(), stamp(900, runner))
      .then(late)
    given(...proposed, claimed, unknown, late)
      .when(report("Failed"), stamp(901, runner))
      .thenRefused({ status: "Executed" })
    given(...proposed, claimed)
      .when(report("Executed", otherClaimId), stamp(200, runner))
      .thenRefused({ status: "Claimed" })
    given(...proposed, claimed)
      .when(report(), stamp(200, system))
      .thenRefused({ _tag: "Forbidden" })
  })

  it("is reconciled by a person, only where nobody knows, and then by nobody else", () => {
    const reconciled = event("action.reconciled", {
      claimId,
      by: owner,
      outcome: "Executed",
      note: Sealed.plain("it is there")
    })
    const { after, events } = given(...proposed, claimed, unknown).when(reconcile, stamp(900, owner))
    assert.deepStrictEqual(events, [reconciled])
    assert.strictEqual(after?.status, "Executed")
    given(...proposed, claimed)
      .when(reconcile, stamp(200, owner))
      .thenRefused({ status: "Claimed" })
    given(...proposed, claimed, unknown)
      .when(reconcile, stamp(900, runner))
      .thenRefused({ _tag: "Forbidden" })
    given(...proposed, claimed, unknown)
      .when(reconcile, stamp(900, actor("HUMAN", "bob")))
      .thenRefused({ _tag: "Forbidden" })
    given(...proposed, claimed, unknown, reconciled)
      .when(report(), stamp(901, runner))
      .thenRefused({ status: "Executed" })
  })
})

describe("a tool of the service", () => {
  it("is claimed by SYSTEM alone, within its permit", () => {
    const own = given().when(prepared(proposal, judged("Run")), stamp(0, agent)).events
    given(...own)
      .when(claim, stamp(100, agent))
      .thenRefused({ _tag: "Forbidden" })
    const { events } = given(...own).when(claim, stamp(800, system))
    assert.deepInclude(events[0]?.payload, { leaseUntilMillis: 1_000 })
  })

  it("has no signs of life", () => {
    const own = given().when(prepared(proposal, judged("Run")), stamp(0, agent)).events
    const { events } = given(...own).when(claim, stamp(100, system))
    given(...own, ...events)
      .when(renew, stamp(200, system))
      .thenRefused({ status: "Claimed" })
  })
})
