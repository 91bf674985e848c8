/**
 * At which moment the service dies next, and when all of them had their turn. Chance is an argument.
 */
import type { Point } from "./points.ts"

/** A moment among the others: how often it was tried, and how often the service died there. */
export interface Turn {
  readonly point: Point
  tries: number
  hits: number
}

/** What is asked of a run. */
export interface Asked {
  /** The least kills. */
  readonly kills: number
  /** How often the service has to die at each moment; the run goes on for it, to `killsMax` at most. */
  readonly hitsMin: number
}

/** Kills from which on a run is a whole one: every moment is to be hit `wholeHits` times. */
export const wholeKills = 200
export const wholeHits = 3

/** What a run of so many kills is asked. */
export const asked = (kills: number): Asked => ({ kills, hitsMin: kills >= wholeKills ? wholeHits : 0 })

/** As many again as were asked may be spent, on moments that did not come. */
export const killsMax = ({ kills }: Asked): number => 2 * kills

export const make = (points: ReadonlyArray<Point>): ReadonlyArray<Turn> =>
  points.map((point) => ({ point, tries: 0, hits: 0 }))

export const kills = (turns: ReadonlyArray<Turn>): number => turns.reduce((sum, { tries }) => sum + tries, 0)

/**
 * One of the moments that were hit least; chance decides which. Once there were as many kills as asked, only of those that
 * were not hit as often as asked.
 */
export const next = (turns: ReadonlyArray<Turn>, asked: Asked, random: () => number): Turn => {
  const short = kills(turns) < asked.kills ? [] : shortOf(turns, asked)
  const among = short.length === 0 ? turns : short
  const least = Math.min(...among.map(score))
  const all = among.filter((turn) => score(turn) === least)
  return all[Math.floor(random() * all.length)]!
}

/** Counts a kill: where the service was to die, and where it did. */
export const took = (turn: Turn, died: string): void => {
  turn.tries += 1
  if (turn.point.name === died) turn.hits += 1
}

/** Moments that were hit less often than asked. */
export const missed = (turns: ReadonlyArray<Turn>, asked: Asked): ReadonlyArray<string> => [
  ...new Set(shortOf(turns, asked).map(({ point }) => point.name))
]

export const isOver = (turns: ReadonlyArray<Turn>, asked: Asked): boolean =>
  kills(turns) >= killsMax(asked) || (kills(turns) >= asked.kills && shortOf(turns, asked).length === 0)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Tries that may miss their moment; another that does is taken for a hit, so that the others go on. */
const missesMax = 4

const score = ({ hits, tries }: Turn): number => Math.max(hits, tries - missesMax)

const shortOf = (turns: ReadonlyArray<Turn>, { hitsMin }: Asked): ReadonlyArray<Turn> =>
  turns.filter(({ hits }) => hits < hitsMin)
