/** What shows that the check of a bench can fail. */
import * as Audit from "#chaos/kit/audit.ts"

export interface Planted {
  /** What the check said once an event had been taken out of the journal on purpose; only where that was asked for. */
  readonly planted?: ReadonlyArray<string>
}

/** Takes an event of that type out of a journal that was found whole, and checks again. */
export const plant = async (
  wanted: boolean | undefined,
  place: Audit.Place,
  type: string,
  check: () => Promise<ReadonlyArray<string>>
): Promise<Planted> => {
  if (wanted !== true) return {}
  await Audit.takeOut(place, type)
  return { planted: await check() }
}
