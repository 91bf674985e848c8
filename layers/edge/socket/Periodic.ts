/**
 * Something that is done for each member again and again, by one fiber for all of them: thousands that wait for their
 * turn cost an entry each.
 *
 * Invariants: a member's first turn is a period after it joined, and each next one a period after the last; who left has
 * none; one that breaks costs nobody else theirs. A turn holds up the others: be short.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"

export interface Periodic<Member> {
  readonly join: (member: Member) => void
  readonly leave: (member: Member) => void
}

/** It goes on until the scope ends. */
export const make = Effect.fnUntraced(function* <Member>(
  periodMillis: number,
  turn: (member: Member) => void,
  scope: Scope.Scope
) {
  const clock = yield* Clock.Clock
  /** By a clock that nobody sets back. */
  const now = () => Number(clock.currentTimeNanosUnsafe()) / 1e6
  /** When each has its next turn. All periods are the same, so the first is due first. */
  const due = new Map<Member, number>()
  const some = Latch.makeUnsafe(false)

  const round = Effect.suspend(() => {
    const [first] = due
    if (first === undefined) {
      some.closeUnsafe()
      return some.await
    }
    const [member, dueMillis] = first
    const nowMillis = now()
    if (dueMillis > nowMillis) return Effect.sleep(Duration.millis(dueMillis - nowMillis))
    due.delete(member)
    due.set(member, nowMillis + periodMillis)
    return Effect.catchCause(
      Effect.sync(() => turn(member)),
      (cause) => Effect.logError("a turn met a bug; the others have theirs", cause)
    )
  })
  yield* Effect.forkIn(Effect.forever(round), scope)

  const periodic: Periodic<Member> = {
    join: (member) => {
      due.set(member, now() + periodMillis)
      some.openUnsafe()
    },
    leave: (member) => void due.delete(member)
  }
  return periodic
})
