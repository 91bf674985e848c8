import { assert, describe, it } from "@effect/vitest"
import { type Event, event, events } from "#src/gateway/Events.ts"
import type { TurnCommand } from "#src/gateway/Protocol.ts"
import * as Turn from "#src/gateway/Turn.ts"
import { PrincipalId, TurnId } from "#src/kernel/Ids.ts"
import * as Sealed from "#src/kernel/Sealed.ts"
import { derive } from "#layers/digest/NodeDigest.ts"
import { owner, specification, stamp, system } from "#test/kit/decider.ts"
import { actionId, ownerId, sessionId } from "./fixture.ts"

const turnId = TurnId.make(derive("trn", "owner", "one"))
const start: TurnCommand = {
  _tag: "StartTurn",
  turnId,
  sessionId,
  ownerId,
  agentId: PrincipalId.make("assistant"),
  input: "hello",
  responder: { provider: "p", model: "m", deterministic: true },
  stepsMax: 2,
  tokensMax: 100,
  timeoutMillis: 1_000,
  quota: 10
}
const { given } = specification(Turn.decider, events)
const started = given().when(start, stamp(0)).events[0]!
const recalled = event("turn.recalled", { source: "none", count: 0, items: Sealed.plain([]) })
const respond = (step: number, calls: number, tokens = 1): TurnCommand => ({
  _tag: "RecordResponse",
  step,
  text: "text",
  proposals: Array.from({ length: calls }, (_, index) => ({ callId: `m${index}`, tool: "file.read", arguments: {} })),
  inputTokens: tokens,
  outputTokens: 0
})
const responded = (step: number, calls: number) =>
  given(started, recalled)
    .when(respond(1, calls), stamp(1, system))
    .events.map((one) => ({
      ...one,
      payload: { ...one.payload, step }
    })) as unknown as ReadonlyArray<Event<"turn.responded">>
const outcome: TurnCommand = {
  _tag: "RecordOutcome",
  callId: "c1.1",
  actionId,
  outcome: "Executed",
  output: { text: "x" },
  editedArguments: null
}

describe("a turn", () => {
  it("starts with its input, its bounds and its deadline", () => {
    const { state } = given(started)
    assert.strictEqual(state?.status, "Running")
    assert.strictEqual(state?.deadlineMillis, 1_000)
    assert.deepStrictEqual(state === null ? null : Turn.next(state), { _tag: "Recall" })
  })

  it("takes each step when it is due, and no other", () => {
    const early: ReadonlyArray<TurnCommand> = [respond(1, 0), outcome, { _tag: "CompleteTurn" }]
    for (const command of early) given(started).when(command, stamp(1, system)).thenRefused({ _tag: "Conflict" })
    given(started, recalled)
      .when({ _tag: "RecordRecall", source: "none", items: [] }, stamp(1, system))
      .thenRefused({ _tag: "Conflict" })
    given(started, recalled).when(respond(2, 0), stamp(1, system)).thenRefused({ _tag: "Conflict" })
  })

  it("moves forward on SYSTEM's word alone", () =>
    given(started, recalled).when(respond(1, 0), stamp(1, owner)).thenRefused({ _tag: "Forbidden" }))

  it("waits for the outcome of every call, each once, before it asks the model again", () => {
    const asked = responded(1, 2)
    const { state } = given(started, recalled, ...asked)
    assert.strictEqual(state === null ? null : Turn.next(state)?._tag, "Outcomes")
    const first = given(started, recalled, ...asked).when(outcome, stamp(2, system)).events
    given(started, recalled, ...asked, ...first)
      .when(outcome, stamp(3, system))
      .thenRefused({ _tag: "Conflict" })
    const second = given(started, recalled, ...asked, ...first).when({ ...outcome, callId: "c1.2" }, stamp(3, system))
    assert.deepStrictEqual(second.after === null ? null : Turn.next(second.after), { _tag: "Respond", step: 2 })
  })

  it("completes after an answer without calls, once its memories are recorded", () => {
    const answered = responded(1, 0)
    const remembered = event("turn.memories-recorded", { source: "none", memoryIds: [] })
    given(started, recalled, ...answered, remembered)
      .when({ _tag: "CompleteTurn" }, stamp(5, system))
      .then(event("turn.completed", { steps: 1, tokens: 1 }))
  })

  it("fails when it asks for more steps than it may, and keeps the answer that did", () => {
    const first = [
      ...responded(1, 1),
      ...given(started, recalled, ...responded(1, 1)).when(outcome, stamp(2, system)).events
    ]
    const last = given(started, recalled, ...first).when(respond(2, 1), stamp(3, system))
    assert.deepStrictEqual(last.types, ["turn.responded", "turn.failed"])
    assert.strictEqual(last.after?.failure, "StepsSpent")
  })

  it("fails when it used more tokens than it may", () => {
    const { after } = given(started, recalled).when(respond(1, 0, 101), stamp(1, system))
    assert.strictEqual(after?.failure, "TokensSpent")
    assert.strictEqual(after?.status, "Failed")
  })

  it("is cancelled at every point, once", () => {
    const points = [[started], [started, recalled], [started, recalled, ...responded(1, 1)]]
    for (const point of points) {
      const cancelled = given(...point).when({ _tag: "CancelTurn", reason: null }, stamp(9))
      assert.deepStrictEqual(cancelled.types, ["turn.cancelled"])
    }
    given(started, event("turn.cancelled", { reason: null }))
      .when({ _tag: "CancelTurn", reason: null }, stamp(10))
      .thenRefused({ _tag: "Conflict", status: "Cancelled" })
  })

  it("names its calls itself: what a model calls them is among its sealed words", () => {
    const [response] = given(started, recalled).when(respond(1, 2), stamp(1, system)).events
    assert.deepStrictEqual(response?.type === "turn.responded" && response.payload.calls.map((call) => call.callId), [
      "c1.1",
      "c1.2"
    ])
  })
})
