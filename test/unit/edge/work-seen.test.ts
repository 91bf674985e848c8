/** What an agent is shown of an event of its work, member by member. */
import { assert, describe, it } from "@effect/vitest"
import type { Event } from "#layers/edge/api/Resources.ts"
import * as WorkSeen from "#layers/edge/WorkSeen.ts"

const seen = (type: string, payload: object) =>
  WorkSeen.cut({ type, payload, commandId: "c", correlationId: "order-7", traceparent: "t" } as unknown as Event)

describe("an event of an agent's work", () => {
  it("tells of what the policies said the sentence, and not what failed while they were asked", () =>
    assert.deepStrictEqual<unknown>(
      seen("action.judged", { effect: "Deny", why: { reason: "not on Sundays", errors: ["in b.cedar"] } }).payload,
      { effect: "Deny", why: { reason: "not on Sundays" } }
    ))

  it("has no member that nobody thought of, and nothing where the event is none of an action", () => {
    assert.deepStrictEqual<unknown>(seen("confirmation.denied", { by: "ana", reason: "no" }).payload, { by: "ana" })
    assert.deepStrictEqual<unknown>(seen("turn.started", { input: "words" }).payload, {})
  })

  it("names neither the request of whoever asked nor its trace", () => {
    const { correlationId, traceparent } = seen("action.denied", { policies: [] })
    assert.deepStrictEqual([correlationId, traceparent], ["c", null])
  })
})
