/**
 * Everybody who follows the journal, by one reading.
 *
 *   a batch that this process committed --keep--> a page
 *   follower at a cursor --page--> kept, or read before from there? --yes--> the same page
 *                                                                   --no --> one statement, for all who ask meanwhile
 *
 * Owns the newest pages and the waiting for more. Does not own SQL, nor how commits become known (`Wake`'s owner).
 *
 * Invariants: positions have no hole, or reading is over; who is told that there is nothing yet waits for a position that
 * it did not see; a page is a value, read by many and changed by nobody; at most `Bounds.followPagesMax` pages are kept.
 */
import * as Arr from "effect/Array"
import * as Cache from "effect/Cache"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import type { EventStoreError } from "#src/ports/EventStore.ts"
import * as StoredRow from "./StoredRow.ts"
import type { Wake } from "./Wake.ts"

/** The events behind a position, as many as one page takes; none where there are none yet. */
type ReadPage = (after: number) => Effect.Effect<ReadonlyArray<StoredEvent>, EventStoreError>

export interface Following {
  readonly follow: (after: number) => Stream.Stream<StoredEvent, EventStoreError>
  /** What a commit of this process has put into the journal, without a hole: whoever follows closely reads it from here. */
  readonly keep: (written: ReadonlyArray<StoredEvent>) => Effect.Effect<void>
}

export const make = Effect.fnUntraced(function* (read: ReadPage, wake: Wake) {
  const whole = Effect.fnUntraced(function* (after: number) {
    const page = yield* read(after)
    const hole = page.findIndex(({ position }, index) => position !== after + index + 1)
    if (hole >= 0) return yield* StoredRow.corrupt("follow", `position ${after + hole + 1} is missing`)
    return page
  })

  // Who was told to look again is not content with a reading that began before.
  const name = (after: number) => `${after} ${wake.nudges()}`
  const pages = yield* Cache.makeWith((name: string) => whole(Number.parseInt(name, 10)), {
    capacity: Bounds.followPagesMax,
    // What was not there yet may be there now.
    timeToLive: (exit) => (Exit.isSuccess(exit) && exit.value.length > 0 ? Duration.infinity : Duration.zero)
  })

  const next = Effect.fnUntraced(function* (cursor: number) {
    for (;;) {
      const page = yield* Cache.get(pages, name(cursor))
      if (Arr.isReadonlyArrayNonEmpty(page)) return page
      yield* wake.beyond(cursor)
    }
  })

  const following: Following = {
    follow: (after) =>
      Stream.fromPull(
        Effect.sync(() => {
          let cursor = after
          return Effect.map(
            Effect.suspend(() => next(cursor)),
            (page) => {
              cursor += page.length
              return page
            }
          )
        })
      ),
    keep: (written) => {
      const [first] = written
      return first === undefined ? Effect.void : Cache.set(pages, name(first.position - 1), written)
    }
  }
  return following
})
