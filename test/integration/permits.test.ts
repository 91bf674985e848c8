/**
 * What is offered as a permit and is none, over a real journal: nothing runs, and an event says so each time.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import { permitIdOf } from "#src/gateway/Confirmation.ts"
import { Gateway } from "#src/gateway/Protocol.ts"
import * as Questions from "#src/gateway/Questions.ts"
import * as GatewayRows from "#src/gateway/Rows.ts"
import { subjectOf } from "#src/gateway/Session.ts"
import { ClaimId } from "#src/kernel/Ids.ts"
import { type Permit, type PermitFields, redeem } from "#src/kernel/Permit.ts"
import { EventStore, Rows } from "#src/ports/EventStore.ts"
import { Stamps } from "#src/ports/Stamps.ts"
import { ToolExecutor } from "#src/ports/ToolExecutor.ts"
import { Vault } from "#src/ports/Vault.ts"
import * as World from "#test/kit/world.ts"

/** The fields with which the runner redeemed a permit, rebuilt from the journal's rows as a thief would. */
const stolen = (name: string, tool = "look") =>
  Effect.gen(function* () {
    const gateway = yield* Gateway
    const vault = yield* Vault
    const { incarnation } = yield* Stamps
    const sessionId = yield* World.session(`session-${name}`)
    const { body } = yield* gateway.propose(World.owner, name, { sessionId, tool, arguments: { text: name } })
    if (tool === "look") yield* World.actionUntil(body.actionId)
    const row = (yield* Effect.flatMap(Questions.make, (questions) => questions.action(body.actionId)))!
    const fields: PermitFields = {
      permitId: row.permitId ?? permitIdOf(row.actionId),
      claimId: ClaimId.make(row.claimId ?? "clm_00000000000000000000000000"),
      actionId: row.actionId,
      sessionId,
      subject: subjectOf(sessionId),
      actor: row.proposer,
      approvedBy: row.approvals,
      tool,
      toolHash: row.toolHash,
      argumentsText: yield* Effect.flatMap(vault.open(row.arguments), Schema.decodeUnknownEffect(Schema.String)),
      digest: row.digest,
      expiresAtMillis: Number.MAX_SAFE_INTEGER,
      incarnation,
      leaseUntilMillis: Number.MAX_SAFE_INTEGER
    }
    return fields
  })

const offer = (permit: Permit) =>
  Effect.flatMap(ToolExecutor, (executor) => Effect.map(Effect.flip(executor.execute(permit)), String))

const bypasses = Effect.gen(function* () {
  const events = yield* Effect.flatMap(EventStore, (store) => store.readAll(0, 1_000))
  const counted = yield* Effect.flatMap(Rows, (rows) => rows.counter(GatewayRows.permitsRefused))
  const refused = events.filter(({ envelope }) => envelope.type === "permit.refused")
  assert.strictEqual(refused.length, counted)
  return refused.map(({ envelope }) => envelope.payload["reason"])
})

describe("what is offered as a permit", () => {
  it.live("runs nothing and leaves an event each: forged, cloned, expired, foreign, unclaimed, replayed", () => {
    const world = World.make()
    return Effect.gen(function* () {
      const fields = yield* stolen("one")
      const other = yield* stolen("two")
      const waiting = yield* stolen("three", "note")
      const ran = world.done.length
      const genuine = redeem(fields)
      const offers: ReadonlyArray<readonly [string, unknown]> = [
        ["Forged", { ...fields }],
        [
          "Forged",
          {
            fields,
            get [Symbol.toStringTag]() {
              return "Permit"
            }
          }
        ],
        ["Forged", Object.create(genuine)],
        ["Forged", JSON.parse(JSON.stringify({ fields }))],
        ["Forged", null],
        ["Expired", redeem({ ...fields, expiresAtMillis: 1 })],
        ["Expired", redeem({ ...fields, leaseUntilMillis: 1 })],
        ["DigestMismatch", redeem({ ...fields, argumentsText: other.argumentsText })],
        ["DigestMismatch", redeem({ ...fields, actor: World.person("ana").actor })],
        ["DigestMismatch", redeem({ ...fields, subject: other.subject })],
        ["ToolChanged", redeem({ ...fields, toolHash: "f".repeat(64) as PermitFields["toolHash"] })],
        // The claim ended with its outcome, so the very same permit opens nothing a second time.
        ["Unclaimed", genuine],
        ["Unclaimed", redeem({ ...other, claimId: fields.claimId })],
        // Nobody approved it, so nothing claimed it.
        ["Unclaimed", redeem(waiting)]
      ]
      for (const [reason, value] of offers) {
        assert.include(yield* offer(value as Permit), reason)
      }
      assert.strictEqual(world.done.length, ran)
      assert.deepStrictEqual(
        yield* bypasses,
        offers.map(([reason]) => reason)
      )
    }).pipe(Effect.provide(world.layer))
  })

  it.live("runs nothing in a later life of the process, even while the claim still stands", () =>
    Effect.gen(function* () {
      const store = yield* Layer.build(VolatileEventStore.layer)
      const stopped = World.make({}, () => Effect.never)
      const first = yield* Layer.build(Layer.fresh(stopped.over(store)))
      const standing = yield* Effect.gen(function* () {
        const gateway = yield* Gateway
        const sessionId = yield* World.session()
        const { body } = yield* gateway.propose(World.owner, "p", { sessionId, tool: "look", arguments: { text: "x" } })
        const row = yield* World.actionUntil(body.actionId, "Claimed")
        const { incarnation } = yield* Stamps
        return { row, incarnation, sessionId }
      }).pipe(Effect.provideContext(first))
      const later = World.make()
      const second = yield* Layer.build(Layer.fresh(later.over(store)))
      yield* Effect.gen(function* () {
        const { row, incarnation, sessionId } = standing
        const replayed = redeem({
          permitId: row.permitId!,
          claimId: ClaimId.make(row.claimId!),
          actionId: row.actionId,
          sessionId,
          subject: subjectOf(sessionId),
          actor: row.proposer,
          approvedBy: row.approvals,
          tool: row.tool,
          toolHash: row.toolHash,
          argumentsText: '{"text":"x"}',
          digest: row.digest,
          expiresAtMillis: Number.MAX_SAFE_INTEGER,
          incarnation,
          leaseUntilMillis: Number.MAX_SAFE_INTEGER
        })
        assert.include(yield* offer(replayed), "Stale")
        assert.deepStrictEqual(yield* bypasses, ["Stale"])
      }).pipe(Effect.provideContext(second))
      assert.deepStrictEqual(later.done, [])
    }).pipe(Effect.scoped)
  )
})
