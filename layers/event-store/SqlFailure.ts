/**
 * What a driver's error means for the journal.
 *
 * Classified by SQLSTATE and by where the driver stood, never by message text.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { SqlError } from "effect/sql/SqlError"
import { EventStoreError } from "#src/ports/EventStore.ts"

/** SQLSTATE of a server's answer, or undefined where no server answered: EPIPE has five letters too, and no such class. */
export const sqlState = (error: SqlError): string | undefined => {
  const cause: unknown = error.reason.cause
  return typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? /^(?:[0-9][0-9A-Z]|F0|HV|P0|XX)[0-9A-Z]{3}$/.exec(cause.code)?.[0]
    : undefined
}

/**
 * True where the server says that the session is over: it shuts down, an operator ended it, it was idle too long. What is
 * asked on it afterwards gets no other answer.
 */
export const endsSession = (error: SqlError): boolean => /^(08|25P03|57P0)/.test(sqlState(error) ?? "")

/** True where the statement may have been carried out although no answer came. */
export const mayHaveRun = (error: SqlError): boolean =>
  sqlState(error) === undefined && error.reason._tag === "ConnectionError" && error.reason.operation !== "connect"

/** True where the server's answer says that this batch's data is the trouble, so that its parts are worth trying. */
export const isData = (error: SqlError): boolean => {
  const state = sqlState(error)
  if (state === undefined) return error.reason._tag === "UnknownError"
  // Data, integrity, program limits (a text too long for an index), and what a function raised by itself.
  return /^(22|23|54|P0)/.test(state)
}

export const toError = (operation: string, error: SqlError): EventStoreError => {
  const state = sqlState(error)
  if (state === "53100" || engineLacksSpace(error)) return full(operation)
  // A file of a table that is gone (58P01) is damage like a page that can't be read (XX).
  if (state !== undefined && /^(XX|58P01)/.test(state)) {
    return new EventStoreError({ reason: "Corrupt", operation, detail: `SQLSTATE ${state}`, retryable: false })
  }
  const passing = state === undefined || /^(08|40|53|55|57)/.test(state)
  return unavailable(operation, state === undefined ? error.message : `SQLSTATE ${state}: ${error.message}`, passing)
}

export const full = (operation: string): EventStoreError =>
  new EventStoreError({ reason: "Full", operation, detail: "no space left for the journal", retryable: true })

export const unavailable = (operation: string, detail: string, retryable = true): EventStoreError =>
  new EventStoreError({ reason: "Unavailable", operation, detail, retryable })

/** An embedded engine that stopped, and finds no room to read its log again (`sql-client/PgliteEngine`). */
const engineLacksSpace = (error: SqlError): boolean => {
  const cause: unknown = error.reason.cause
  return (
    typeof cause === "object" &&
    cause !== null &&
    "_tag" in cause &&
    cause._tag === "EngineFailed" &&
    "reason" in cause &&
    cause.reason === "NoSpace"
  )
}

/** The answer did not come in time; whether the statement ran is not known. */
export class TimedOut extends Error {
  readonly _tag = "TimedOut"
  override readonly name = "TimedOut"
}

/**
 * Gives up waiting after real milliseconds, and lets the statement be cancelled behind the caller's back: the driver
 * takes seconds to drain a connection, and a caller's patience is measured in the world's time, not a test clock's.
 */
export const within = <A, E, R>(
  millis: number | null,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | TimedOut, R> =>
  millis === null
    ? effect
    : Effect.flatMap(Effect.forkDetach(effect, { startImmediately: true }), (fiber) =>
        Effect.callback<A, E | TimedOut>((resume) => {
          const timer = setTimeout(() => {
            // First the answer: interruption may end the fiber at once, and its observer would answer before us.
            resume(Effect.fail(new TimedOut(`no answer within ${millis} ms`)))
            fiber.interruptUnsafe()
          }, millis)
          fiber.addObserver((exit) => {
            clearTimeout(timer)
            resume(Exit.match(exit, { onFailure: Effect.failCause, onSuccess: Effect.succeed }))
          })
          return Effect.suspend(() => {
            clearTimeout(timer)
            return Fiber.interrupt(fiber)
          })
        })
      )
