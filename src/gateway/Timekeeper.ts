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
/** Shortest pause between two looks. */
const pauseMillisMin = 20
/** A deadline that can't be served (an isolated stream) is tried again after this, doubled each time up to the longest. */
const againMillis = 500
const againMillisMax = 60_000
/** Pages of overdue rows in one look: those that wait to be tried again do not hide the others. */
const pagesMax = 10

export const make = Effect.gen(function* () {
  const actors = yield* Actors
  const stamps = yield* Stamps
  const questions = yield* Questions.make

  const waiting = new Map<string, { readonly atMillis: number; readonly pauseMillis: number }>()

  const tell = Effect.fnUntraced(function* (row: Row, nowMillis: number) {
    const name = `${row.kind} ${row.key}`
    const deadlineMillis = Number(row.body["dueAtMillis"])
    const command = commandFor(row, deadlineMillis)
    const stamp = yield* stamps.stamp({ actor: system, key: `due/${row.kind}/${row.key}/${deadlineMillis}` })
    const sent = yield* Effect.result(actors.send(row.kind, row.key, command, stamp))
    if (sent._tag === "Success") {
      waiting.delete(name)
      return
    }
    const pauseMillis = Math.min(againMillisMax, 2 * (waiting.get(name)?.pauseMillis ?? againMillis / 2))
    waiting.set(name, { atMillis: nowMillis + pauseMillis, pauseMillis })
    yield* Effect.logWarning(`${name} is due, but`, sent.failure)
  })

  /** Tells everything that is due now; answers how long until the next look. */
  const look = Effect.gen(function* () {
    const nowMillis = yield* stamps.nowMillis
    let pause = pauseMillisMax
    for (const [name, { atMillis }] of waiting) if (atMillis < nowMillis - againMillisMax) waiting.delete(name)
    for (const kind of Rows.dueKinds) {
      let last: Row | undefined
      for (let page = 0; page < pagesMax; page++) {
        const due: ReadonlyArray<Row> = yield* questions.due(kind, nowMillis, lookMax, last)
        const fresh = due.filter((row) => (waiting.get(`${row.kind} ${row.key}`)?.atMillis ?? 0) <= nowMillis)
        yield* Effect.forEach(fresh, (row) => tell(row, nowMillis), { concurrency: 16, discard: true })
        last = due[lookMax - 1]
        if (last === undefined) break
      }
      const next = yield* questions.nextDue(kind, nowMillis)
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
