/**
 * The one session that appends: taken from the pool once, kept until it fails, then taken anew.
 *
 *   none --reserve, introduce--> held --statement--> held
 *                                     \--failure or silence--> none (the old one is given up behind the caller's back)
 *
 * Owns the difference between "never sent" and "sent, and no answer came". Does not own what is sent.
 *
 * Invariants: a statement is sent on a session that was introduced; the patience for an answer begins when it is sent,
 * so waiting for a connection is never mistaken for a lost answer.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import * as SqlFailure from "./SqlFailure.ts"

/** Sends one statement and answers its first value. */
export type Send = (
  text: string,
  values: ReadonlyArray<unknown>
) => Effect.Effect<unknown, SqlError | SqlFailure.TimedOut>

export interface Options {
  readonly client: SqlClient
  /** How long an answer is waited for, and as long again for a session. */
  readonly timeoutMillis: number
  /** Run on every session before its first statement. */
  readonly introduce: (connection: Connection) => Effect.Effect<unknown, SqlError>
}

/** Holds a first session when it returns. */
export const make = Effect.fnUntraced(function* ({
  client,
  timeoutMillis,
  introduce
}: Options): Effect.fn.Return<Send, SqlError, Scope.Scope> {
  let held: Held | null = null

  const open = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const reserved = Effect.tap(Scope.provide(client.reserve, scope), introduce)
    const connection = yield* Effect.catch(SqlFailure.within(timeoutMillis, reserved), (error) =>
      error._tag === "TimedOut"
        ? Effect.andThen(giveUp({ scope }), Effect.fail(notSent(error)))
        : Effect.andThen(Scope.close(scope, Exit.void), Effect.fail(error))
    )
    held = { scope, connection }
    return held
  })

  const run = (session: Held, text: string, values: ReadonlyArray<unknown>) =>
    Effect.suspend(() => {
      let turned = false
      queueMicrotask(() => (turned = true))
      return SqlFailure.within(timeoutMillis, session.connection.executeValues(text, values)).pipe(
        Effect.map((rows) => rows[0]?.[0]),
        Effect.catch((error): Effect.Effect<never, SqlError | SqlFailure.TimedOut> => {
          // A server that answers with an error keeps its session, unless it says that this was its end; one that doesn't
          // answer has none any more.
          const isAnswer = error._tag === "SqlError" && SqlFailure.sqlState(error) !== undefined
          if (isAnswer && !SqlFailure.endsSession(error)) return Effect.fail(error)
          held = null
          if (error._tag === "TimedOut") return Effect.andThen(giveUp(session), Effect.fail(error))
          // What failed before the event loop turned was never sent: the session had died while it was idle.
          return Effect.andThen(
            Scope.close(session.scope, Exit.void),
            Effect.fail(turned ? lost(error) : notSent(error))
          )
        })
      )
    })

  const runAnew = (text: string, values: ReadonlyArray<unknown>) =>
    Effect.flatMap(open, (opened) => run(opened, text, values))

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => (held === null ? Effect.void : Scope.close(held.scope, Exit.void)))
  )
  yield* open

  return (text, values) =>
    Effect.suspend(() => {
      if (held === null) return runAnew(text, values)
      return Effect.catch(run(held, text, values), (error) =>
        error._tag === "SqlError" && isNotSent(error) ? runAnew(text, values) : Effect.fail(error)
      )
    })
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

interface Held {
  readonly scope: Scope.Closeable
  readonly connection: Connection
}

/** Draining a silent connection takes seconds, for which nobody waits. */
const giveUp = ({ scope }: Pick<Held, "scope">): Effect.Effect<void> =>
  Effect.asVoid(Effect.forkDetach(Scope.close(scope, Exit.void)))

/** As the driver says it of a connection that did not come about. */
const notSent = (cause: unknown): SqlError =>
  new SqlError({ reason: new ConnectionError({ cause, message: "no session to send it on", operation: "connect" }) })

/** What the server said last is no answer to the statement: it may have been carried out before. */
const lost = (error: SqlError): SqlError =>
  SqlFailure.endsSession(error)
    ? new SqlError({
        reason: new ConnectionError({ cause: error, message: "the session ended", operation: "execute" })
      })
    : error

const isNotSent = ({ reason }: SqlError): boolean => reason._tag === "ConnectionError" && reason.operation === "connect"
