/**
 * Says that time is up, as SYSTEM, from the durable table of deadlines.
 *
 * Owns asking for what is due and sending the command that says so. The rule decides (`NotDue` where the deadline
 * moved); the key derives from stream and deadline, so any number of processes may try at once.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Actors } from "../ports/Actors.ts"
import type { Row } from "../ports/EventStore.ts"
import { Stamps } from "../ports/Stamps.ts"
import type { ActionCommand, SessionCommand, TurnCommand } from "./Protocol.ts"
import * as Questions from "./Questions.ts"
import * as Rows from "./Rows.ts"
import { system } from "./System.ts"

/** Deadlines handled in one look. */
const lookMax = 100
/** Longest pause between two looks: bounds how late a deadline set by another process is seen. */
const pauseMillisMax = 1_000
/** Shortest pause: a deadline that can't be served (an isolated stream) does not make this loop spin. */
const pauseMillisMin = 20

export const make = Effect.gen(function* () {
  const actors = yield* Actors
  const stamps = yield* Stamps
  const questions = yield* Questions.make

  const tell = Effect.fnUntraced(function* (row: Row) {
    const deadlineMillis = Number(row.body["dueAtMillis"])
    const command = commandFor(row, deadlineMillis)
    const stamp = yield* stamps.stamp({ actor: system, key: `due/${row.kind}/${row.key}/${deadlineMillis}` })
    yield* actors
      .send(row.kind, row.key, command, stamp)
      .pipe(Effect.catch((error) => Effect.logWarning(`${row.kind} ${row.key} is due, but`, error)))
  })

  /** Tells everything that is due now; answers how long until the next look. */
  const look = Effect.gen(function* () {
    const nowMillis = yield* stamps.nowMillis
    let pause = pauseMillisMax
    for (const kind of Rows.dueKinds) {
      const due = yield* questions.due(kind, nowMillis, lookMax)
      yield* Effect.forEach(due, tell, { concurrency: 16, discard: true })
      const next = yield* questions.nextDue(kind)
      if (next !== null) pause = Math.min(pause, Math.max(pauseMillisMin, next - nowMillis))
    }
    return pause
  })

  const process = Effect.forever(Effect.flatMap(look, (pause) => Effect.sleep(Duration.millis(pause))))

  return { look, process }
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const commandFor = (row: Row, deadlineMillis: number): SessionCommand | TurnCommand | ActionCommand => {
  if (row.kind === "session") return { _tag: "ExpireSession", deadlineMillis }
  if (row.kind === "turn") return { _tag: "FailTurn", code: "Timeout", detail: "the turn's time was over" }
  return row.body["status"] === "Claimed"
    ? { _tag: "RaiseUnknown", leaseUntilMillis: deadlineMillis }
    : { _tag: "ExpireAction", deadlineMillis }
}
