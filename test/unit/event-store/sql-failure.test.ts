/** What a driver's error means for the journal. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { ConnectionError, SqlError, UnknownError } from "effect/sql/SqlError"
import * as SqlFailure from "#layers/event-store/SqlFailure.ts"

const answered = (code: string) =>
  new SqlError({
    reason: new UnknownError({ cause: Object.assign(new Error("x"), { code }), message: "x", operation: "query" })
  })

const connection = (operation: string) =>
  new SqlError({ reason: new ConnectionError({ cause: new Error("x"), message: "x", operation }) })

describe("an error of the driver", () => {
  it("leaves in doubt only what may have been sent and was not answered", () => {
    assert.isTrue(SqlFailure.mayHaveRun(connection("query")))
    assert.isFalse(SqlFailure.mayHaveRun(connection("connect")))
    for (const code of ["23505", "40001", "53100", "57014", "08006"])
      assert.isFalse(SqlFailure.mayHaveRun(answered(code)))
  })

  it("blames the data only where the server did", () => {
    for (const code of ["22P05", "22003", "23505", "54000", "P0001"])
      assert.isTrue(SqlFailure.isData(answered(code)), code)
    for (const code of ["53100", "57014", "40001", "55P03", "42P01"])
      assert.isFalse(SqlFailure.isData(answered(code)), code)
    assert.isFalse(SqlFailure.isData(connection("connect")))
  })

  it("says what passes by itself, and what does not", () => {
    const said = (error: SqlError) => {
      const { reason, retryable } = SqlFailure.toError("append", error)
      return [reason, retryable]
    }
    assert.deepStrictEqual(said(answered("53100")), ["Full", true])
    assert.deepStrictEqual(said(answered("57014")), ["Unavailable", true])
    assert.deepStrictEqual(said(answered("40P01")), ["Unavailable", true])
    assert.deepStrictEqual(said(connection("connect")), ["Unavailable", true])
    assert.deepStrictEqual(said(answered("42P01")), ["Unavailable", false])
    assert.deepStrictEqual(said(answered("XX001")), ["Corrupt", false])
    assert.deepStrictEqual(said(answered("58P01")), ["Corrupt", false])
  })
})

describe("waiting within a limit", () => {
  it.live("gives up after real milliseconds, and does not wait for the work to end", () =>
    Effect.gen(function* () {
      let interrupted = false
      const stubborn = Effect.never.pipe(Effect.onInterrupt(() => Effect.sync(() => void (interrupted = true))))
      const error = yield* Effect.flip(SqlFailure.within(5, stubborn))
      assert.instanceOf(error, SqlFailure.TimedOut)
      yield* Effect.yieldNow
      assert.isTrue(interrupted)
    })
  )

  it.effect("answers and fails as the work does", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* SqlFailure.within(1_000, Effect.succeed(1)), 1)
      assert.strictEqual(yield* Effect.flip(SqlFailure.within(1_000, Effect.fail("no"))), "no")
      assert.strictEqual(yield* SqlFailure.within(null, Effect.succeed(2)), 2)
    })
  )
})
