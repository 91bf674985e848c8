import { assert, describe, it } from "@effect/vitest"
import { type Event, event, events } from "#src/gateway/Events.ts"
import * as Principal from "#src/gateway/Principal.ts"
import type { PrincipalCommand } from "#src/gateway/Protocol.ts"
import * as Rows from "#src/gateway/Rows.ts"
import * as Append from "#src/kernel/Append.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { KeyId, PrincipalId } from "#src/kernel/Ids.ts"
import { derive, sha256 } from "#layers/digest/NodeDigest.ts"
import { specification, stamp } from "#test/kit/decider.ts"

const { given } = specification(Principal.decider, events)

const principalId = PrincipalId.make("ana")
const keyId = (name: string) => KeyId.make(derive("key", name))
const digest = (name: string) => sha256(name)

const create: PrincipalCommand = {
  _tag: "CreatePrincipal",
  principalId,
  kind: "HUMAN",
  roles: ["reviewer", "approver", "approver"],
  keyId: keyId("one"),
  digest: digest("one")
}
const roles = ["approver", "reviewer"]
const created = event("principal.created", { principalId, kind: "HUMAN", roles, createdAtMillis: 0 })
const issued = (name: string, createdAtMillis = 0) =>
  event("principal.key-issued", { keyId: keyId(name), digest: digest(name), createdAtMillis })
const revoked = (name: string) => event("principal.key-revoked", { keyId: keyId(name) })
const issue = (name: string, replace = false): PrincipalCommand => ({
  _tag: "IssueKey",
  keyId: keyId(name),
  digest: digest(name),
  replace
})

type PrincipalEvent = Extract<Event, { readonly type: `principal.${string}` }>

/** What a door finds: digests of valid keys, by the rows that the last event writes. */
const put = (...happened: ReadonlyArray<PrincipalEvent>) => {
  let before: Principal.State = null
  const found = new Map<string, unknown>()
  for (const [index, one] of happened.entries()) {
    const { state } = given(...happened.slice(0, index + 1))
    for (const row of Principal.behaviour.rows(before, one as never, state)) {
      if (row._tag === "Put" && row.kind === "principal-key") found.set(row.key, row.body)
      if (row._tag === "Drop") found.delete(row.key)
    }
    before = state
  }
  return found
}

describe("a principal", () => {
  it("is made with its first key, its roles sorted and said once", () =>
    given().when(create, stamp(0)).then(created, issued("one")))

  it("is made once, and never under a name that is taken by the service itself", () => {
    given(created).when(create, stamp(1)).thenRefused({ _tag: "Conflict", status: "Active" })
    for (const name of ["owner", "system"]) {
      const command = { ...create, principalId: PrincipalId.make(name) }
      given().when(command, stamp(0)).thenRefused({ _tag: "Conflict", status: "Reserved" })
    }
  })

  it("runs the service only where it is a person", () => {
    given()
      .when({ ...create, roles: ["owner"] }, stamp(0))
      .then({ ...created, payload: { ...created.payload, roles: ["owner"] } } as never, issued("one"))
    given()
      .when({ ...create, kind: "AGENT", roles: ["owner"] }, stamp(0))
      .thenRefused({ _tag: "Forbidden" })
    const agent = event("principal.created", { principalId, kind: "AGENT", roles: [], createdAtMillis: 0 })
    given(agent)
      .when({ _tag: "ChangeRoles", roles: ["owner"] }, stamp(1))
      .thenRefused({ _tag: "Forbidden" })
  })

  it("gets another key beside the others, or in their place with one commit", () => {
    given(created, issued("one")).when(issue("two"), stamp(5)).then(issued("two", 5))
    given(created, issued("one"), issued("two"))
      .when(issue("three", true), stamp(5))
      .then(revoked("one"), revoked("two"), issued("three", 5))
  })

  it("has no key twice: a repeat whose receipt was forgotten is refused", () => {
    for (const replace of [false, true]) {
      given(created, issued("one"), issued("two"))
        .when(issue("two", replace), stamp(9))
        .thenRefused({ _tag: "Conflict", id: "ana" })
    }
  })

  it(`has at most ${Bounds.keysPerPrincipalMax} keys, however they are replaced`, () => {
    const full = Array.from({ length: Bounds.keysPerPrincipalMax }, (_, index) => issued(`k${index}`))
    given(created, ...full)
      .when(issue("more"), stamp(5))
      .thenRefused({ _tag: "LimitReached", limit: "keysPerPrincipal" })
    const { after } = given(created, ...full).when(issue("more", true), stamp(5))
    assert.deepStrictEqual(
      after?.keys.map((key) => key.keyId),
      [keyId("more")]
    )
  })

  it("loses a key for ever: it is not there to be revoked again, nor under another's name", () => {
    given(created, issued("one"), issued("two"))
      .when({ _tag: "RevokeKey", keyId: keyId("one") }, stamp(5))
      .then(revoked("one"))
    given(created, issued("one"), revoked("one"))
      .when({ _tag: "RevokeKey", keyId: keyId("one") }, stamp(5))
      .thenRefused({ _tag: "NotFound", kind: "key" })
  })

  it("is shut out and let in again, by the keys that it has and no new one meanwhile", () => {
    const disabled = event("principal.disabled", {})
    given(created).when({ _tag: "DisablePrincipal" }, stamp(1)).then(disabled)
    given(created, disabled).when({ _tag: "DisablePrincipal" }, stamp(2)).thenRefused({ status: "Disabled" })
    given(created, disabled).when(issue("two"), stamp(2)).thenRefused({ _tag: "Conflict", status: "Disabled" })
    given(created, disabled).when({ _tag: "EnablePrincipal" }, stamp(2)).then(event("principal.enabled", {}))
    given(created).when({ _tag: "EnablePrincipal" }, stamp(2)).thenRefused({ status: "Active" })
  })

  it("is what a door finds by a key that is valid, with its roles of today, and by no other", () => {
    const body = (name: string, today = roles) => ({ principalId, keyId: keyId(name), kind: "HUMAN", roles: today })
    const [one, two] = [digest("one"), digest("two")]
    assert.deepStrictEqual(
      [...put(created, issued("one"), issued("two"))],
      [
        [one, body("one")],
        [two, body("two")]
      ]
    )
    assert.deepStrictEqual([...put(created, issued("one"), issued("two"), revoked("one"))], [[two, body("two")]])
    const changed = event("principal.roles-changed", { roles: [] })
    assert.deepStrictEqual([...put(created, issued("one"), changed)], [[one, body("one", [])]])
    const disabled = event("principal.disabled", {})
    assert.deepStrictEqual([...put(created, issued("one"), disabled)], [])
    assert.deepStrictEqual(
      [...put(created, issued("one"), issued("two"), disabled, revoked("one"), event("principal.enabled", {}))],
      [[two, body("two")]]
    )
  })

  it("can be shut out however full its stream is, and takes nothing else then", () => {
    const { ends } = Principal.behaviour
    assert.isTrue(ends({ _tag: "RevokeKey", keyId: keyId("one") }))
    assert.isTrue(ends({ _tag: "DisablePrincipal" }))
    for (const command of [create, issue("two")]) assert.isFalse(ends(command))
  })

  it("is one of so many, judged with the commit that makes it, and with no later one", () => {
    const { guards } = Principal.behaviour
    const { state } = given(created)
    assert.deepStrictEqual(guards(null, create, []), [Append.atMost(Rows.principals, Bounds.principalsMax)])
    assert.deepStrictEqual(guards(state, issue("two"), []), [])
  })

  it("is nobody before it is made", () =>
    given().when(issue("one"), stamp(0)).thenRefused({ _tag: "NotFound", kind: "principal" }))
})
