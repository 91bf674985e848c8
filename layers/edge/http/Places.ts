/**
 * Places for those who stay: so many in all, so many of one principal.
 *
 * Invariants: a limit is never passed, not for a moment, for a look and what it takes are one step; a place is given
 * back with the scope that took it, however that ends.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Principal } from "#src/ports/Identity.ts"
import * as Problems from "../Problems.ts"

export interface Limits {
  readonly allMax: number
  readonly perPrincipalMax: number
  /** What a problem calls the limit of one principal, and what one principal does as often at once. */
  readonly limit: string
  readonly deed: string
}

/** Takes a place, until the scope ends; refused where there is none. */
export type Take = (by: Principal) => Effect.Effect<void, Problems.Problem, Scope.Scope>

export const make = (limits: Limits): Take => {
  const mine = new Map<string, number>()
  let all = 0
  const maximum = limits.perPrincipalMax
  const full = Problems.limitReached(limits.limit, maximum, `one principal ${limits.deed} ${maximum} times at once`)

  const take = (name: string) =>
    Effect.suspend(() => {
      const already = mine.get(name) ?? 0
      if (all >= limits.allMax) return Effect.fail(Problems.make("Overloaded"))
      if (already >= maximum) return Effect.fail(full)
      all += 1
      mine.set(name, already + 1)
      return Effect.void
    })

  const leave = (name: string) =>
    Effect.sync(() => {
      all -= 1
      const left = (mine.get(name) ?? 0) - 1
      if (left > 0) mine.set(name, left)
      else mine.delete(name)
    })

  return ({ actor }) => {
    const name = `${actor.kind}:${actor.id}`
    return Effect.acquireRelease(take(name), () => leave(name))
  }
}
