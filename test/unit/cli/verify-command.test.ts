import * as Effect from "effect/Effect"
import { assert, describe, it } from "@effect/vitest"
import type { Problem, Verification } from "#layers/cli/Deployment.ts"
import { FolderLocked } from "#layers/sql-client/FolderLock.ts"
import { EngineFailed } from "#layers/sql-client/OpenFailures.ts"
import { EventStoreError } from "#src/ports/EventStore.ts"
import { clean, keelson } from "./kit.ts"

const problem = (position: number): Problem => ({
  table: "event",
  position,
  stream: "action:act_x",
  version: 3,
  eventId: "evt_x",
  name: null,
  what: "the text's hash is another one"
})

const found = (count: number): Verification => ({
  ...clean,
  problems: Array.from({ length: Math.min(count, 1_000) }, (_, index) => problem(index + 1)),
  problemCount: count
})

describe("verify", () => {
  it.effect("says what it looked at, and clean with exit code 0", () =>
    Effect.gen(function* () {
      const { err, exitCode, out } = yield* keelson(["verify"])
      assert.strictEqual(exitCode, 0)
      assert.include(out, "Looked at 1,204 events and 31 streams.")
      assert.include(out, "Clean")
      assert.strictEqual(err, "")
    })
  )

  it.effect("names the first bad event and what differs, with exit code 1", () =>
    Effect.gen(function* () {
      const { exitCode, out } = yield* keelson(["verify"], { verify: Effect.succeed(found(1)) })
      assert.strictEqual(exitCode, 1)
      const words = out.replace(/ +/g, " ")
      for (const part of [
        "The first:",
        "position 1",
        "stream action:act_x",
        "version 3",
        "event evt_x",
        "differs the text's hash"
      ]) {
        assert.include(words, part)
      }
      assert.notInclude(out, "Clean")
    })
  )

  it.effect("writes out twenty of very many and counts the rest", () =>
    Effect.gen(function* () {
      const { out } = yield* keelson(["verify"], { verify: Effect.succeed(found(5_000)) })
      assert.strictEqual(out.match(/differs/g)?.length, 20)
      assert.include(out, "5,000 problems")
      assert.include(out, "4,980 more")
    })
  )

  it.effect("gives machines the same", () =>
    Effect.gen(function* () {
      const good = yield* keelson(["verify", "--json"])
      assert.deepStrictEqual(JSON.parse(good.out), {
        clean: true,
        counts: { events: 1_204, streams: 31 },
        problemCount: 0,
        problems: []
      })
      const bad = yield* keelson(["verify", "--json"], { verify: Effect.succeed(found(1)) })
      assert.strictEqual(bad.exitCode, 1)
      assert.deepInclude(JSON.parse(bad.out), { clean: false, problems: [problem(1)] })
    })
  )

  it.effect("calls a store damaged that its database can't read, with exit code 1", () =>
    Effect.gen(function* () {
      const error = new EventStoreError({
        reason: "Corrupt",
        operation: "verify",
        detail: "SQLSTATE XX001",
        retryable: false
      })
      const { err, exitCode, out } = yield* keelson(["verify"], { verify: Effect.fail(error) })
      assert.deepStrictEqual([exitCode, out], [1, ""])
      assert.include(err, "SQLSTATE XX001")
      assert.include(err, "What is stored is damaged: restore a backup.")
      assert.notInclude(err, "Run keelson verify")
      const gone = new EngineFailed({
        reason: "NotWhole",
        folder: "/d/pgdata",
        detail: "/d/pgdata is no whole database: PG_VERSION is missing; nothing was touched, restore a backup",
        retryable: false
      })
      assert.strictEqual((yield* keelson(["verify"], { verify: Effect.fail(gone) })).exitCode, 1)
    })
  )

  it.effect("says nothing about a store that it could not look through, with exit code 3", () =>
    Effect.gen(function* () {
      const locked = new FolderLocked({
        folder: "/d",
        holderPid: 4711,
        detail: "/d is in use by process 4711; stop it first, or use another folder",
        retryable: true
      })
      const { err, exitCode, out } = yield* keelson(["verify"], { verify: Effect.fail(locked) })
      assert.strictEqual(exitCode, 3)
      assert.strictEqual(out, "")
      assert.include(err, "process 4711")
      assert.include(err, "Nothing was verified.")
    })
  )

  it.effect("writes out what a stored name would make a terminal do", () =>
    Effect.gen(function* () {
      const verification = { ...found(1), problems: [{ ...problem(1), stream: "evil\u001b[2J\u202e" }] }
      const { out } = yield* keelson(["verify"], { verify: Effect.succeed(verification) })
      assert.include(out, "evil\\u{1b}[2J\\u{202e}")
    })
  )
})
