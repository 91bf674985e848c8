import { assert, describe, it } from "@effect/vitest"
import { sha256 } from "#layers/digest/NodeDigest.ts"
import { event, events } from "#src/gateway/Events.ts"
import * as PolicyInForce from "#src/gateway/PolicyInForce.ts"
import { agent, owner, specification, stamp, system } from "#test/kit/decider.ts"

const { given } = specification(PolicyInForce.decider, events)

const [one, other] = [sha256("one"), sha256("other")]
const record = (hash: typeof one, after: number): PolicyInForce.RecordPolicySet => ({
  _tag: "RecordPolicySet",
  hash,
  after
})
const first = event("policy.changed", { hash: one, previousHash: null, number: 1, sinceMillis: 5 })
const second = event("policy.changed", { hash: other, previousHash: one, number: 2, sinceMillis: 7 })

describe("the set of policies in force", () => {
  it("is recorded at the first start", () => given().when(record(one, 0), stamp(5, system)).then(first))

  it("is recorded with the one before it, and when", () =>
    given(first).when(record(other, 1), stamp(7, system)).then(second))

  it("is recorded again when it comes back", () => {
    const back = event("policy.changed", { hash: one, previousHash: other, number: 3, sinceMillis: 9 })
    given(first, second).when(record(one, 2), stamp(9, system)).then(back)
  })

  it("is recorded once, however many processes say so and however late", () => {
    for (const after of [0, 1]) {
      assert.deepStrictEqual(given(first).when(record(one, after), stamp(9, system)).events, [])
    }
  })

  it("is not recorded by a process that has not seen another one's change", () =>
    given(first, second)
      .when(record(sha256("third"), 1), stamp(9, system))
      .thenRefused({ _tag: "Conflict" }))

  for (const by of [agent, owner]) {
    it(`is nothing that ${by.kind} says`, () =>
      given().when(record(one, 0), stamp(5, by)).thenRefused({ _tag: "Forbidden" }))
  }
})
