/** Cells measured again and again, so that neither the first nor whoever follows a heavy one is always the same. */
import { type Spread, spread } from "./statistics.ts"

/** Warm-up, unrecorded; then every round in another order. Answers the samples of each cell, round by round. */
export const rounds = async <A>(
  count: number,
  cells: ReadonlyArray<() => Promise<A>>
): Promise<ReadonlyArray<ReadonlyArray<A>>> => {
  for (const cell of cells) await cell()
  const samples = cells.map((): Array<A> => [])
  for (let round = 0; round < count; round++) {
    for (let index = 0; index < cells.length; index++) {
      const at = (index + round) % cells.length
      samples[at]!.push(await cells[at]!())
    }
  }
  return samples
}

/** A figure to the floor of the same round, which a busy neighbour slows as well. */
export const toFloor = (values: ReadonlyArray<number>, floor: ReadonlyArray<number>): Spread =>
  spread(values.map((value, round) => value / floor[round]!))
