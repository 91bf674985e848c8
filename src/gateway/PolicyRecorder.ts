/**
 * Writes down which set of policies decides: at the start where it is another than the last recorded one, and at
 * every change.
 *
 * The first set is written down before the door opens. A later one decides from the moment it is taken; its event
 * follows, as soon as the store takes it. The key derives from the set's hash and place in the order, so any number of
 * processes may try at once.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Bounds from "../kernel/Bounds.ts"
import { ActorError, Actors } from "../ports/Actors.ts"
import { PolicyEngine, type PolicySet } from "../ports/PolicyEngine.ts"
import { Stamps } from "../ports/Stamps.ts"
import type { RecordPolicySet } from "./PolicyInForce.ts"
import * as Questions from "./Questions.ts"
import * as Rows from "./Rows.ts"
import { system } from "./System.ts"

export const make = Effect.gen(function* () {
  const actors = yield* Actors
  const stamps = yield* Stamps
  const policy = yield* PolicyEngine
  const questions = yield* Questions.make

  const once = Effect.fnUntraced(function* ({ hash }: PolicySet) {
    const last = yield* questions.policy
    if (last?.hash === hash) return
    const after = last?.number ?? 0
    const stamp = yield* stamps.stamp({ actor: system, key: `policy/${after}/${hash}` })
    const command: RecordPolicySet = { _tag: "RecordPolicySet", hash, after }
    const reply = yield* actors.send(Rows.policy, Rows.policyKey, command, stamp)
    if (reply._tag === "Accepted") return
    const detail = "another set was recorded meanwhile"
    return yield* new ActorError({ reason: "Overloaded", actor: "policy", detail, retryable: true })
  })

  const record = (set: PolicySet) =>
    Effect.retry(once(set), { while: ({ retryable }) => retryable, schedule: patiently })

  return {
    /** Before anything is decided, where the store takes it in time; else the process does it. */
    begin: Effect.flatMap(policy.set, once).pipe(
      Effect.timeoutOption(Duration.millis(Bounds.queryTimeoutMillis)),
      Effect.ignore
    ),
    process: Effect.andThen(
      Stream.runForEach(policy.sets, record),
      Effect.die(new Error("there is no set of policies"))
    )
  }
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** For as long as it takes: the set decides meanwhile, and says so with every judgement. */
const patiently = Schedule.min([
  Schedule.exponential(Duration.millis(Bounds.restartBackoffBaseMillis)),
  Schedule.spaced(Duration.millis(Bounds.restartBackoffMaxMillis))
])
