/**
 * Places for work of this process, and the lines before them: one for turns, one for tools.
 *
 * ```
 * door --admit--> line (waitingMax) --within--> place (inFlightMax) --leave--> out
 * ```
 *
 * Owns how much is in hand at once, and whether a door may take in more. Does not own correctness: what waits stands
 * in the journal, and a crash loses no more of it than its place in line.
 *
 * Invariants: what a door admits is never more than both hold, not for a moment, for the look and what it takes are
 * one step; what was begun is never turned away, so it may stand in line beyond that; whoever is named twice counts
 * once; places are given in the order of asking.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { Rejection } from "./Protocol.ts"

export interface Limits {
  /** How the refusal calls the limit. */
  readonly limit: string
  /** What is worked on at once. */
  readonly inFlightMax: number
  /** What may wait for a place; 0 where nothing may. */
  readonly waitingMax: number
}

export interface Line {
  /** Keeps room for `id`, which a door is about to begin; false where there is none. */
  readonly admit: (id: string) => boolean
  /** Gives that room back, unless the work came in meanwhile. */
  readonly release: (id: string) => void
  /** Takes `id` in whether there is room or not: it was begun. */
  readonly enter: (id: string) => void
  readonly leave: (id: string) => void
  readonly has: (id: string) => boolean
  /** Whether a door may take in nothing more. */
  readonly full: () => boolean
  /** Does the work in a place, once there is one. */
  readonly within: <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** What waits for a place now. */
  readonly waiting: () => number
  /** What a door says where there is no room. */
  readonly refusal: Rejection
}

export class Lines extends Context.Service<Lines, { readonly turns: Line; readonly tools: Line }>()(
  "keelson/gateway/Lines"
) {}

export const line = ({ inFlightMax, limit, waitingMax }: Limits): Effect.Effect<Line> =>
  Effect.map(Semaphore.make(inFlightMax), (places): Line => {
    const kept = new Set<string>()
    const inHand = new Set<string>()
    let waits = 0
    const has = (id: string) => kept.has(id) || inHand.has(id)
    const full = () => kept.size + inHand.size >= inFlightMax + waitingMax
    return {
      admit: (id) => {
        if (has(id)) return true
        if (full()) return false
        kept.add(id)
        return true
      },
      release: (id) => void kept.delete(id),
      enter: (id) => {
        kept.delete(id)
        inHand.add(id)
      },
      leave: (id) => {
        kept.delete(id)
        inHand.delete(id)
      },
      has,
      full,
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
      refusal: { _tag: "LimitReached", limit, maximum: waitingMax }
    }
  })

export interface LinesConfig {
  readonly turnsInFlightMax: number
  readonly turnsWaitingMax: number
  readonly toolsInFlightMax: number
  readonly toolsWaitingMax: number
}

export const make = (config: LinesConfig) =>
  Effect.all({
    turns: line({ limit: "turnsWaiting", inFlightMax: config.turnsInFlightMax, waitingMax: config.turnsWaitingMax }),
    tools: line({ limit: "toolsWaiting", inFlightMax: config.toolsInFlightMax, waitingMax: config.toolsWaitingMax })
  })
