/**
 * Places for work of this process, and the lines before them: one for turns, one for tools.
 *
 * ```
 * door --admit--> line (waitingMax, of one principal perPrincipalMax) --within--> place (inFlightMax) --leave--> out
 * ```
 *
 * Owns how much is in hand at once, whether a door may take in more, and that nobody takes all of it. Does not own
 * correctness: what waits stands in the journal, and a crash loses no more of it than its place in line.
 *
 * Invariants: every operation is one transaction (`Effect.tx`), so what doors admit is never more than both hold, not for
 * a moment, whatever interleaves; what was begun is never turned away, so it may stand in line beyond that; whoever is
 * named twice counts once; places are given in the order of asking.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import * as TxHashMap from "effect/TxHashMap"
import type { PrincipalId } from "../kernel/Ids.ts"
import type { Rejection } from "./Protocol.ts"

export interface Limits {
  /** How refusals call the limits: `turns` gives `turnsWaiting` and `turnsPerPrincipal`. */
  readonly of: string
  /** What is worked on at once. */
  readonly inFlightMax: number
  /** What may wait for a place; 0 where nothing may. */
  readonly waitingMax: number
  /** What one principal may have in line and in places, of what a door admitted for it. */
  readonly perPrincipalMax: number
}

/** `Kept`: room that is given back with `release`, or taken by `enter`. `Known`: whoever is named has it already. */
export type Admission = "Kept" | "Known" | Rejection

export interface Line {
  /** Keeps room for `id`, which a door is about to begin for a principal; a refusal where there is none. */
  readonly admit: (id: string, by: PrincipalId) => Effect.Effect<Admission>
  /** Gives that room back, unless the work came in meanwhile. */
  readonly release: (id: string) => Effect.Effect<void>
  /** Takes `id` in whether there is room or not: it was begun. */
  readonly enter: (id: string) => Effect.Effect<void>
  readonly leave: (id: string) => Effect.Effect<void>
  /** How much stands here, room that is kept included. */
  readonly size: Effect.Effect<number>
  /** Does the work in a place, once there is one. */
  readonly within: <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** What waits for a place now. */
  readonly waiting: () => number
  /** What a door says where nothing more may come; null where it may. A part of whoever's transaction asks. */
  readonly full: Effect.Effect<Rejection | null, never, Effect.Transaction>
}

export class Lines extends Context.Service<Lines, { readonly turns: Line; readonly tools: Line }>()(
  "keelson/gateway/Lines"
) {}

/** Makes what an operation does one step; anything but a transaction stands here only as the control of its test. */
export interface Atomically {
  <A, E>(body: Effect.Effect<A, E, Effect.Transaction>, operation: string): Effect.Effect<A, E>
}

interface Place {
  /** Whom a door admitted it for; null where it came without asking. */
  readonly by: PrincipalId | null
  readonly came: boolean
}

/** `after`: a line in which this one's work stands next; nothing is admitted while nothing may come there. */
export const line = (
  { inFlightMax, of, perPrincipalMax, waitingMax }: Limits,
  after: Line["full"] = nothing,
  atomically: Atomically = (body) => Effect.tx(body)
) =>
  Effect.gen(function* () {
    const places = yield* Semaphore.make(inFlightMax)
    const standing = yield* TxHashMap.empty<string, Place>()
    const ofPrincipal = yield* TxHashMap.empty<PrincipalId, number>()
    let waits = 0

    const full = Effect.map(TxHashMap.size(standing), (size) =>
      size >= inFlightMax + waitingMax ? limitReached(`${of}Waiting`, waitingMax) : null
    )
    const count = (by: PrincipalId) =>
      Effect.map(
        TxHashMap.get(ofPrincipal, by),
        Option.getOrElse(() => 0)
      )

    const remove = Effect.fnUntraced(function* (id: string, { by }: Place) {
      yield* TxHashMap.remove(standing, id)
      if (by === null) return
      const mine = (yield* count(by)) - 1
      yield* mine === 0 ? TxHashMap.remove(ofPrincipal, by) : TxHashMap.set(ofPrincipal, by, mine)
    })

    const admit = Effect.fnUntraced(function* (id: string, by: PrincipalId) {
      if (yield* TxHashMap.has(standing, id)) return "Known"
      const refusal = (yield* after) ?? (yield* full)
      if (refusal !== null) return refusal
      const mine = yield* count(by)
      if (mine >= perPrincipalMax) return limitReached(`${of}PerPrincipal`, perPrincipalMax)
      yield* TxHashMap.set(standing, id, { by, came: false })
      yield* TxHashMap.set(ofPrincipal, by, mine + 1)
      return "Kept"
    })

    const take = (id: string, which: (place: Place) => boolean) =>
      Effect.flatMap(TxHashMap.get(standing, id), (place) =>
        Option.isSome(place) && which(place.value) ? remove(id, place.value) : Effect.void
      )

    const made: Line = {
      admit: (id, by) => atomically<Admission, never>(admit(id, by), "admit"),
      release: (id) =>
        atomically(
          take(id, ({ came }) => !came),
          "release"
        ),
      enter: (id) =>
        atomically(
          Effect.flatMap(TxHashMap.get(standing, id), (place) =>
            TxHashMap.set(standing, id, { by: Option.isSome(place) ? place.value.by : null, came: true })
          ),
          "enter"
        ),
      leave: (id) =>
        atomically(
          take(id, () => true),
          "leave"
        ),
      size: atomically(TxHashMap.size(standing), "size"),
      within: (work) =>
        Effect.suspend(() => {
          let here = true
          waits++
          const goes = Effect.sync(() => {
            if (here) waits--
            here = false
          })
          return Effect.ensuring(places.withPermit(Effect.andThen(goes, work)), goes)
        }),
      waiting: () => waits,
      full
    }
    return made
  })

export interface LinesConfig {
  readonly turnsInFlightMax: number
  readonly turnsWaitingMax: number
  readonly turnsPerPrincipalMax: number
  readonly toolsInFlightMax: number
  readonly toolsWaitingMax: number
  readonly toolsPerPrincipalMax: number
}

export const make = Effect.fnUntraced(function* (config: LinesConfig) {
  const tools = yield* line({
    of: "tools",
    inFlightMax: config.toolsInFlightMax,
    waitingMax: config.toolsWaitingMax,
    perPrincipalMax: config.toolsPerPrincipalMax
  })
  const turns = yield* line(
    {
      of: "turns",
      inFlightMax: config.turnsInFlightMax,
      waitingMax: config.turnsWaitingMax,
      perPrincipalMax: config.turnsPerPrincipalMax
    },
    // A turn's tools wait in the other line.
    tools.full
  )
  return Lines.of({ turns, tools })
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const nothing: Line["full"] = Effect.succeed(null)

const limitReached = (limit: string, maximum: number): Rejection => ({ _tag: "LimitReached", limit, maximum })
