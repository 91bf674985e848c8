/** The checker of the race: what one step at a time explains, and what nothing does. */
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Linearizable from "#chaos/kit/linearizable.ts"
import * as Models from "#chaos/kit/models.ts"

type Operation = Linearizable.Operation<Models.Deed, Models.Seen>

const did = (from: number, to: number, input: Models.Deed, done = true): Operation => ({
  from,
  to,
  input,
  output: { done, status: null }
})
const saw = (from: number, to: number, status: string): Operation => ({
  from,
  to,
  input: "look",
  output: { done: true, status }
})

const ofSession = (...history: ReadonlyArray<Operation>) => Linearizable.explain(Models.session, history) !== null
const ofAction = (...history: ReadonlyArray<Operation>) => Linearizable.explain(Models.action, history) !== null

describe("a history", () => {
  it("is explained where each answer follows from what came before", () => {
    assert.isTrue(ofSession(did(0, 1, "create"), did(2, 3, "touch"), did(4, 5, "close"), did(6, 7, "touch", false)))
    assert.isTrue(ofAction(did(0, 1, "request"), did(2, 3, "approve"), did(4, 5, "deny", false), saw(6, 7, "Executed")))
  })

  it("is explained by any order of what overlapped", () => {
    assert.isTrue(ofSession(did(0, 1, "create"), did(2, 9, "close"), saw(3, 4, "Open"), did(5, 6, "touch")))
    assert.isTrue(ofSession(did(0, 1, "create"), did(2, 9, "close"), saw(3, 4, "Closed"), did(5, 6, "touch", false)))
    assert.isTrue(ofAction(did(0, 1, "request"), did(2, 5, "approve", false), did(2, 5, "deny")))
  })

  it("is refused where a read is stale", () => {
    assert.isFalse(ofSession(did(0, 1, "create"), did(2, 3, "close"), saw(4, 5, "Open")))
    assert.isFalse(ofSession(did(0, 1, "create"), did(2, 9, "close"), saw(3, 4, "Closed"), saw(5, 6, "Open")))
    assert.isFalse(ofAction(did(0, 1, "request"), did(2, 3, "deny"), saw(4, 5, "Pending")))
  })

  it("is refused where two rivals both won, or both lost", () => {
    assert.isFalse(ofAction(did(0, 1, "request"), did(2, 5, "approve"), did(2, 5, "deny")))
    assert.isFalse(ofAction(did(0, 1, "request"), did(2, 5, "approve", false), did(2, 5, "deny", false)))
    assert.isFalse(ofSession(did(0, 1, "create"), did(2, 5, "close"), did(2, 5, "close")))
  })

  it("is refused where something was done before it was there, or refused without a reason", () => {
    assert.isFalse(ofSession(did(0, 1, "touch"), did(2, 3, "create")))
    assert.isFalse(ofSession(did(0, 1, "create"), did(2, 3, "touch", false)))
  })

  const deeds = Schema.Array(Schema.Literals(["touch", "close", "look"])).check(Schema.isMaxLength(12))
  const width = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 }))
  const widths = Schema.Array(width).check(Schema.isMinLength(12), Schema.isMaxLength(12))

  it.prop(
    "is explained where it was made one step at a time, whatever is known of the moments",
    [deeds, widths],
    ([wanted, wide]) => {
      let open = true
      const history = wanted.map((input, index): Operation => {
        const at = index + 1
        const [from, to] = [at - wide[index]! / 2, at + wide[index]! / 2]
        if (input === "look") return saw(from, to, open ? "Open" : "Closed")
        const done = open
        if (input === "close") open = false
        return did(from, to, input, done)
      })
      return ofSession(did(-9, -8, "create"), ...history)
    }
  )
})
