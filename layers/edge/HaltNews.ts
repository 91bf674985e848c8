/**
 * The halt as everybody who is connected hears of it: what stands, and every change, without asking.
 *
 *   halt:all committed, by whichever process -> one look at its row -> whoever listens
 *
 * Owns the one look for all connections of this door. Does not own stopping anything (`ports/HaltSwitch`), nor how a
 * listener is told (`socket/Notices`, `http/StreamDoor`).
 *
 * Invariants: whoever begins to listen hears what stands, then each change, and the newest last; a look that fails is
 * made again, and until the first that succeeds nothing is claimed; waiting costs no reads, and no fiber for a listener.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Rows from "#src/gateway/Rows.ts"
import { Feed } from "#src/ports/Feed.ts"
import type { HaltState } from "./api/HaltApi.ts"
import * as Readable from "./http/Readable.ts"

export type Hear = (state: HaltState) => Effect.Effect<void>

export class HaltNews extends Context.Service<
  HaltNews,
  {
    /** Hears what stands now, then each change, until the scope ends. All listeners wait for each: be short. */
    readonly listen: (hear: Hear) => Effect.Effect<void, never, Scope.Scope>
  }
>()("keelson/edge/HaltNews") {}

export const make = Effect.gen(function* () {
  const feed = yield* Feed
  const { halt } = yield* Readable.make
  const listeners = new Set<Hear>()
  let known: HaltState | null = null

  const tell = Effect.fnUntraced(function* (state: HaltState) {
    known = state
    for (const hear of listeners) yield* hear(state)
  })

  /** Registered before it looks, so a change while it tells is the next round's. */
  const round = Effect.scoped(
    Effect.gen(function* () {
      const changed = yield* feed.changed(`${Rows.halt}:${Rows.haltKey}`)
      yield* Effect.flatMap(halt, tell)
      yield* changed
    })
  )
  yield* Effect.forever(round).pipe(
    Effect.sandbox,
    Effect.tapError((cause) => Effect.logWarning("a halt could not be looked at, and is looked at again", cause)),
    Effect.retry(Schedule.spaced("1 second")),
    Effect.forkScoped
  )

  return HaltNews.of({
    listen: (hear) =>
      Effect.andThen(
        Effect.acquireRelease(
          Effect.sync(() => listeners.add(hear)),
          () => Effect.sync(() => listeners.delete(hear))
        ),
        Effect.suspend(() => (known === null ? Effect.void : hear(known)))
      )
  })
})

export const layer = Layer.effect(HaltNews, make)
