import { assert, describe, it } from "@effect/vitest"
import { event, events } from "#src/gateway/Events.ts"
import * as Halt from "#src/gateway/Halt.ts"
import type { HaltCommand } from "#src/gateway/Protocol.ts"
import * as Sealed from "#src/kernel/Sealed.ts"
import { actor, agent, owner, specification, stamp, system } from "#test/kit/decider.ts"

const { given } = specification(Halt.decider, events)

const halt: HaltCommand = { _tag: "Halt", reason: "wrong host", cancelRunning: false }
const resume: HaltCommand = { _tag: "Resume", reason: null }
const reason = Sealed.plain("wrong host")
const halted = event("service.halted", { by: owner, sinceMillis: 5, reason, cancelRunning: false })

describe("a halt", () => {
  it("stands from a person's word on", () => given().when(halt, stamp(5)).then(halted))

  it("may be said again, for a new reason or to stop what runs, and is no younger for it", () => {
    const ana = actor("HUMAN", "ana")
    given(halted)
      .when({ ...halt, cancelRunning: true }, stamp(9, ana))
      .then(event("service.halted", { by: ana, sinceMillis: 5, reason, cancelRunning: true }))
  })

  it("goes on stopping what runs, whatever is said again", () => {
    const stopping = { ...halted, payload: { ...halted.payload, cancelRunning: true } }
    given(stopping).when(halt, stamp(9)).then(stopping)
  })

  it("ends with a person's word", () => {
    const { after, events: happened } = given(halted).when(resume, stamp(9))
    assert.deepStrictEqual(happened, [event("service.resumed", { by: owner, reason: null })])
    assert.isNull(after)
  })

  it("can't end where none stands", () =>
    given().when(resume, stamp(9)).thenRefused({ _tag: "Conflict", status: "Running" }))

  for (const by of [agent, system]) {
    it(`is nothing that ${by.kind} says or ends`, () => {
      given().when(halt, stamp(5, by)).thenRefused({ _tag: "Forbidden" })
      given(halted).when(resume, stamp(9, by)).thenRefused({ _tag: "Forbidden" })
    })
  }
})
