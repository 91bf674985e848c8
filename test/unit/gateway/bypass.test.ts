import { describe, it } from "@effect/vitest"
import * as Bypass from "#src/gateway/Bypass.ts"
import { permitIdOf } from "#src/gateway/Confirmation.ts"
import { event, events } from "#src/gateway/Events.ts"
import { specification, stamp, system } from "#test/kit/decider.ts"
import { actionId } from "./fixture.ts"

const { given } = specification(Bypass.behaviour.decider, events)
const permitId = permitIdOf(actionId)
const report = (permitId: string | null, actionId: string | null): Bypass.RecordBypass => ({
  _tag: "RecordBypass",
  reason: "Forged",
  permitId,
  actionId
})
const refused = event("permit.refused", { reason: "Forged", permitId, actionId })

describe("a refused permit", () => {
  it("is written down with the ids that it named", () =>
    given().when(report(permitId, actionId), stamp(1, system)).then(refused))

  it("is written down once", () => given(refused).when(report(permitId, actionId), stamp(2, system)).then())

  for (const text of [
    "",
    "a forger's text",
    actionId.slice(0, -1),
    `${actionId} `,
    `${permitId}\n`,
    actionId.slice(4)
  ]) {
    it(`brings no text of a forger's into the journal where an id belongs: ${JSON.stringify(text)}`, () =>
      given()
        .when(report(text, text), stamp(1, system))
        .then(event("permit.refused", { reason: "Forged", permitId: null, actionId: null })))
  }

  it("takes neither id for the other", () =>
    given()
      .when(report(actionId, permitId), stamp(1, system))
      .then(event("permit.refused", { reason: "Forged", permitId: null, actionId: null })))
})
