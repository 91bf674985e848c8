/** A backup that is asked of another process: answered by it, or given up once nobody is there to answer. */
import { spawnSync } from "node:child_process"
import { readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as BackupRequests from "#layers/profiles/BackupRequests.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const ended = spawnSync(process.execPath, ["--version"]).pid

describe("a backup asked of the service", () => {
  it.live("is answered with what became of it, also where that is a refusal", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      const done = { file: "f", position: 1, lines: 2, digest: "d" }
      for (const [take, answer] of [
        [Effect.succeed(done), done],
        [Effect.fail(new Error("no room")), { refused: "no room" }]
      ] as const) {
        const asking = yield* Effect.forkChild(BackupRequests.ask(folder, "/x", process.pid))
        yield* Effect.eventually(
          Effect.suspend(() =>
            readdirSync(folder).some((name) => name.endsWith(".request")) ? Effect.void : Effect.fail(0)
          )
        )
        yield* BackupRequests.serve(folder, () => take)
        assert.deepStrictEqual(yield* Fiber.join(asking), answer)
        assert.deepStrictEqual(readdirSync(folder), [])
      }
    }).pipe(Effect.scoped)
  )

  it.live("is given up where that took it, and ended", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      const asking = yield* Effect.forkChild(BackupRequests.ask(folder, "/x", ended))
      yield* Effect.sync(() => {
        for (const name of readdirSync(folder)) rmSync(join(folder, name))
      })
      assert.match(JSON.stringify(yield* Fiber.join(asking)), /ended before its backup was done/)
    }).pipe(Effect.scoped)
  )
})
