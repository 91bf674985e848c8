/**
 * Runs what was permitted: claim, redeem, execute, report. The only module that redeems a permit.
 *
 * ```
 * Approved --Claim committed--> redeem --> ToolExecutor.execute --> ReportOutcome
 * ```
 *
 * Owns the order. Does not own who may (rules), whether the permit opens (executor) or what a tool does.
 *
 * Invariants: nothing runs before the claim is committed; an outcome that can't be reported is not repeated by
 * running again: the lease ends and SYSTEM says `Unknown`.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Bounds from "../kernel/Bounds.ts"
import { type ActionId, ClaimId } from "../kernel/Ids.ts"
import { type PermitFields, redeem } from "../kernel/Permit.ts"
import { ActorError, Actors } from "../ports/Actors.ts"
import { Digest } from "../ports/Digest.ts"
import { EventStoreError } from "../ports/EventStore.ts"
import { KeyRingError } from "../ports/KeyRing.ts"
import { Stamps } from "../ports/Stamps.ts"
import { ToolExecutor } from "../ports/ToolExecutor.ts"
import { Vault } from "../ports/Vault.ts"
import type { ActionCommand } from "./Protocol.ts"
import * as Questions from "./Questions.ts"
import { subjectOf } from "./Session.ts"
import { system } from "./System.ts"

const Text = Schema.decodeUnknownEffect(Schema.String)

export const make = Effect.gen(function* () {
  const actors = yield* Actors
  const stamps = yield* Stamps
  const digest = yield* Digest
  const executor = yield* ToolExecutor
  const vault = yield* Vault
  const questions = yield* Questions.make

  const send = Effect.fnUntraced(function* (actionId: ActionId, key: string, command: ActionCommand) {
    return yield* actors.send("action", actionId, command, yield* stamps.stamp({ actor: system, key }))
  })

  /** The claim as the journal's rows hold it, or null where somebody else has it. */
  const claimed = Effect.fnUntraced(function* (actionId: ActionId, claimId: ClaimId) {
    const row = yield* questions.action(actionId)
    if (row === null || row.status !== "Claimed" || row.claimId !== claimId) return null
    if (row.permitId === null || row.deadlineMillis === null) return null
    const argumentsText = yield* Text(yield* vault.open(row.arguments))
    const fields: PermitFields = {
      permitId: row.permitId,
      claimId,
      actionId,
      sessionId: row.sessionId,
      subject: subjectOf(row.sessionId),
      actor: row.proposer,
      approvedBy: row.approvals,
      tool: row.tool,
      toolHash: row.toolHash,
      argumentsText,
      digest: row.digest,
      expiresAtMillis: row.deadlineMillis,
      incarnation: stamps.incarnation,
      leaseUntilMillis: row.deadlineMillis
    }
    return fields
  })

  /** Runs one approved action to its outcome. Whoever loses the claim does nothing. */
  const run = Effect.fn("Gateway.runAction")(function* (actionId: ActionId) {
    const claimId = ClaimId.make(digest.derive("clm", actionId, stamps.incarnation))
    const claim = { _tag: "Claim", claimId, incarnation: stamps.incarnation } as const
    let inDoubt = false
    const reply = yield* send(actionId, `claim/${claimId}`, claim).pipe(
      Effect.tapError((error) => Effect.sync(() => void (inDoubt ||= error.reason === "Indeterminate"))),
      Effect.retry(again)
    )
    // A claim that was answered before is somebody's who runs it, unless the lost answer was this very run's.
    if (reply._tag === "Rejected" || (reply.repeated && !inDoubt)) return
    // Nothing has run yet, so a read that fails may be tried again for as long as the lease lasts.
    const fields = yield* claimed(actionId, claimId).pipe(Effect.retry(again))
    if (fields === null) return
    const outcome = yield* executor.execute(redeem(fields)).pipe(
      Effect.map((result) => ({ outcome: "Executed" as const, code: null, output: result.output })),
      Effect.catchTags({
        ToolFailed: (error) =>
          Effect.succeed({
            outcome: "Failed" as const,
            code: error.code,
            output: { code: error.code, detail: error.detail, retryable: error.retryable }
          }),
        PermitRefused: (error) =>
          Effect.succeed({
            outcome: "Failed" as const,
            code: `Permit${error.reason}`,
            output: { code: `Permit${error.reason}`, detail: error.message, retryable: false }
          })
      })
    )
    const report = { _tag: "ReportOutcome", claimId, ...outcome } as const
    yield* send(actionId, `outcome/${claimId}`, report).pipe(
      Effect.retry(again),
      Effect.catchIf(
        (error) => error.reason === "Malformed",
        () => send(actionId, `outcome/${claimId}`, { ...report, code: "OutputInvalid", output: null })
      )
    )
  })

  return { run }
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Retries what may succeed with the same key, for as long as the lease could still matter. */
const again = {
  while: (error: unknown) =>
    (error instanceof ActorError && error.retryable && error.reason !== "Draining") ||
    (error instanceof EventStoreError && error.retryable) ||
    (error instanceof KeyRingError && error.retryable),
  schedule: Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("2 seconds")]).pipe(
    Schedule.upTo({ duration: Duration.millis(Bounds.claimLeaseMillis) })
  )
}
