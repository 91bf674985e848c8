/** The one who says that time is up, where what it read is old when it says so. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as NodeStamps from "#layers/stamps/NodeStamps.ts"
import { Gateway } from "#src/gateway/Protocol.ts"
import * as Questions from "#src/gateway/Questions.ts"
import * as Timekeeper from "#src/gateway/Timekeeper.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { Principal } from "#src/ports/Identity.ts"
import { type Row, Rows } from "#src/ports/EventStore.ts"
import { actor } from "#test/kit/decider.ts"
import * as World from "#test/kit/world.ts"

const { owner } = World
const robot: Principal = { actor: actor("AGENT", "robot"), roles: ["agent"] }
const inputSchema = { type: "object", properties: {}, additionalProperties: false }
const leaseMillis = 10_000

/** An action that runs elsewhere, approved. */
const approved = Effect.gen(function* () {
  const gateway = yield* Gateway
  yield* gateway.declareTool(robot, "d", { name: "deploy", description: "Deploys.", inputSchema, leaseMillis })
  const sessionId = yield* World.session()
  const { body } = yield* gateway.propose(owner, "p", { sessionId, tool: "deploy", arguments: {} })
  yield* gateway.approve(World.person("ana", ["approver"]), "y", body.actionId)
  return body.actionId
})

describe("a timekeeper", () => {
  it.effect("whose word on a permit came after its claim still says Unknown when the lease is over", () =>
    Effect.gen(function* () {
      const gateway = yield* Gateway
      const rows = yield* Rows
      const actionId = yield* approved
      const before = yield* rows.get("action", actionId)
      const look = (old: ReadonlyArray<Row>) =>
        Effect.flatMap(Timekeeper.make, (timekeeper) => timekeeper.look).pipe(
          Effect.provideService(Rows, {
            ...rows,
            list: (query) => (query.kind === "action" && old.length > 0 ? Effect.succeed(old) : rows.list(query))
          }),
          Effect.provide(NodeStamps.layer.pipe(Layer.provide(NodeDigest.layer)))
        )
      const status = Effect.map(
        Effect.flatMap(Questions.make, (questions) => questions.action(actionId)),
        (row) => row?.status
      )
      yield* TestClock.adjust(Bounds.confirmationTtlMillis - 1)
      yield* gateway.claim(robot, "c", actionId)
      yield* TestClock.adjust(1)
      yield* look([before!])
      assert.strictEqual(yield* status, "Claimed")
      yield* TestClock.adjust(leaseMillis)
      yield* look([])
      assert.strictEqual(yield* status, "Unknown")
    }).pipe(Effect.provide(World.make().layer))
  )
})
