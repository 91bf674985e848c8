import { assert, describe, it } from "@effect/vitest"
import { event, events } from "#src/gateway/Events.ts"
import type { SessionCommand } from "#src/gateway/Protocol.ts"
import * as Session from "#src/gateway/Session.ts"
import { PrincipalId, SessionId } from "#src/kernel/Ids.ts"
import * as Sealed from "#src/kernel/Sealed.ts"
import { derive } from "#layers/digest/NodeDigest.ts"
import { owner, specification, stamp, system } from "#test/kit/decider.ts"

const sessionId = SessionId.make(derive("ses", "owner", "one"))
const ownerId = PrincipalId.make("owner")
const agentId = PrincipalId.make("assistant")
const create: SessionCommand = {
  _tag: "CreateSession",
  sessionId,
  ownerId,
  agentId,
  title: "a title",
  ttlMillis: 1_000,
  idleMillis: 400,
  quota: 100
}
const created = event("session.created", {
  sessionId,
  ownerId,
  agentId,
  title: Sealed.plain("a title"),
  createdAtMillis: 0,
  expiresAtMillis: 1_000,
  idleMillis: 400,
  idleAtMillis: 400
})
const { given } = specification(Session.decider, events)

describe("a session", () => {
  it("opens with an absolute and an idle deadline", () => given().when(create, stamp(0)).then(created))

  it("never idles longer than it may live", () => {
    const { events: happened } = given().when({ ...create, idleMillis: 5_000 }, stamp(0))
    assert.strictEqual(happened[0]?.type === "session.created" && happened[0].payload.idleAtMillis, 1_000)
  })

  it("opens once", () => given(created).when(create, stamp(1)).thenRefused({ _tag: "Conflict", status: "Open" }))

  it("moves the idle clock only when touched", () => {
    const { after, events: happened } = given(created).when({ _tag: "TouchSession" }, stamp(300))
    assert.deepStrictEqual(happened, [event("session.touched", { idleAtMillis: 700 })])
    assert.strictEqual(after?.expiresAtMillis, 1_000)
    assert.strictEqual(after === null ? null : Session.deadlineMillis(after), 700)
  })

  it("never moves the idle clock back when two touches come out of order", () =>
    given(created, event("session.touched", { idleAtMillis: 700 }))
      .when({ _tag: "TouchSession" }, stamp(200))
      .then(event("session.touched", { idleAtMillis: 700 })))

  it("is no longer open once its deadline has passed, even before SYSTEM says so", () =>
    given(created).when({ _tag: "TouchSession" }, stamp(400)).thenRefused({ _tag: "Conflict", status: "Expired" }))

  it("expires by its idle deadline, on SYSTEM's word", () =>
    given(created)
      .when({ _tag: "ExpireSession", deadlineMillis: 400 }, stamp(400, system))
      .then(event("session.expired", { cause: "idle", deadlineMillis: 400 })))

  it("expires by its absolute deadline, however often it is touched", () =>
    given(created, event("session.touched", { idleAtMillis: 1_200 }))
      .when({ _tag: "ExpireSession", deadlineMillis: 1_000 }, stamp(1_000, system))
      .then(event("session.expired", { cause: "absolute", deadlineMillis: 1_000 })))

  it("does not expire early, by a deadline that moved, or on a person's word", () => {
    const before = given(created, event("session.touched", { idleAtMillis: 700 }))
    before.when({ _tag: "ExpireSession", deadlineMillis: 400 }, stamp(500, system)).thenRefused({ _tag: "NotDue" })
    before.when({ _tag: "ExpireSession", deadlineMillis: 700 }, stamp(699, system)).thenRefused({ _tag: "NotDue" })
    before.when({ _tag: "ExpireSession", deadlineMillis: 700 }, stamp(700, owner)).thenRefused({ _tag: "Forbidden" })
  })

  it("has one end: what comes after the first is told which", () => {
    const closed = given(created, event("session.closed", { reason: null }))
    closed.when({ _tag: "CloseSession", reason: null }, stamp(1)).thenRefused({ _tag: "Conflict", status: "Closed" })
    closed
      .when({ _tag: "ExpireSession", deadlineMillis: 400 }, stamp(400, system))
      .thenRefused({ _tag: "Conflict", status: "Closed" })
  })

  it("is erased from any state, and erased again without effect", () => {
    const erased = event("session.erased", { sessionId })
    given(created).when({ _tag: "EraseSession" }, stamp(1)).then(erased)
    given(created, event("session.closed", { reason: null }))
      .when({ _tag: "EraseSession" }, stamp(1))
      .then(erased)
    given(created, erased).when({ _tag: "EraseSession" }, stamp(2)).then()
  })

  it("keeps nothing of its title once erased", () => {
    const { after } = given(created).when({ _tag: "EraseSession" }, stamp(1))
    assert.deepStrictEqual(after?.title, Sealed.redacted)
  })

  it("that does not exist is not found", () =>
    given().when({ _tag: "TouchSession" }, stamp(0)).thenRefused({ _tag: "NotFound" }))
})
