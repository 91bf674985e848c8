/**
 * A failing plan, made short: steps are left out as long as the same law is broken.
 *
 * Delta debugging (Zeller and Hildebrandt): halves first, then ever smaller pieces, then step by step, and at last two at
 * a time. Bounded.
 */
import { only } from "./plan.ts"
import type { Plan } from "./steps.ts"

/** Plans tried at most: each is a whole run. */
const triesMax = 600

/** `isBroken` says whether a plan still breaks the law. The plan given must. */
export const shrink = (whole: Plan, isBroken: (plan: Plan) => boolean): Plan => {
  let kept = whole.steps.map(({ number }) => number)
  let tries = 0
  const breaks = (numbers: ReadonlyArray<number>): boolean => {
    tries += 1
    return isBroken(only(whole, new Set(numbers)))
  }
  /** What neither step can be spared alone for, both may be: one that asks and one that answers. */
  const leaveOutTwo = (): boolean => {
    for (let first = 0; first < kept.length; first++) {
      for (let second = first + 1; second < kept.length && tries < triesMax; second++) {
        const rest = kept.filter((_, at) => at !== first && at !== second)
        if (!breaks(rest)) continue
        kept = rest
        return true
      }
    }
    return false
  }
  for (let pieces = 2; kept.length > 0 && tries < triesMax;) {
    const size = Math.max(1, Math.ceil(kept.length / pieces))
    let isShorter = false
    for (let from = 0; from < kept.length && tries < triesMax;) {
      const rest = [...kept.slice(0, from), ...kept.slice(from + size)]
      if (breaks(rest)) {
        kept = rest
        isShorter = true
      } else from += size
    }
    if (size === 1 && !isShorter && !leaveOutTwo()) break
    pieces = isShorter ? 2 : Math.min(kept.length, pieces * 2)
  }
  return only(whole, new Set(kept))
}
