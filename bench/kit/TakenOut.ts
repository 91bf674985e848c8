/**
 * What shows that the check of a bench can fail: once a journal was found whole, an event is taken out of it, and the check
 * must complain. The journal is broken afterwards.
 */
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import * as Audit from "#chaos/kit/audit.ts"

/** Of a bench's options. */
export interface Wish {
  /** Whether something is taken out after the check, and the check made again. */
  readonly takeOut?: boolean
}

/** Of a bench's report. */
export interface TakenOut {
  /** What the check said then. */
  readonly takenOut?: ReadonlyArray<string>
}

/** Takes out, and checks again. Throws where the check is content. */
export const checkAgain = (
  { takeOut = false }: Wish,
  take: () => Promise<void>,
  check: () => Promise<ReadonlyArray<string>>
): Effect.Effect<TakenOut> =>
  Effect.promise(async () => {
    if (!takeOut) return {}
    await take()
    const takenOut = await check()
    if (takenOut.length === 0) throw new Error("the check was content, though something had been taken out on purpose")
    return { takenOut }
  })

/** Of several journals, as one. */
export const all = (parts: ReadonlyArray<TakenOut>): TakenOut => {
  const asked = parts.flatMap(({ takenOut }) => (takenOut === undefined ? [] : [takenOut]))
  return asked.length === 0 ? {} : { takenOut: asked.flat() }
}

/** Deletes the newest event, of a type or of all, past what guards the table. */
export const newest = Effect.fnUntraced(function* (schema: string, type: string | null) {
  const sql = yield* SqlClient
  const table = `${schema}.event`
  const which = type === null ? "" : "WHERE type = $1"
  const text = `DELETE FROM ${table} WHERE position = (SELECT max(position) FROM ${table} ${which}) RETURNING 1`
  yield* sql.unsafe(`ALTER TABLE ${table} DISABLE TRIGGER ALL`).unprepared
  const rows = yield* sql.unsafe(text, type === null ? [] : [type]).unprepared
  if (rows.length !== 1) throw new Error(`there is no ${type ?? "event"} to take out`)
})

/** The same, of a journal that no service has. */
export const event = (place: Audit.Place, type: string): Promise<void> =>
  Audit.within(place, newest(place.databaseSchema, type))

/** For the end of a bench's table. */
export const lines = ({ takenOut }: TakenOut): ReadonlyArray<string> =>
  takenOut === undefined ? [] : [`noticed once something had been taken out on purpose: ${takenOut.length}`]
