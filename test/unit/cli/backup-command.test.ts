import * as Effect from "effect/Effect"
import { assert, describe, it } from "@effect/vitest"
import type { Restored } from "#layers/cli/Deployment.ts"
import { keelson } from "./kit.ts"

const taken = { file: "/elsewhere/now.backup", position: 1_204, lines: 5_120, digest: "ab".repeat(32) }

const restored: Restored = { ...taken, erasedAgain: 0, signed: 1_200, movedAside: null, withoutKeys: false }

const restore = (result: Restored, ...flags: ReadonlyArray<string>) =>
  keelson(["restore", taken.file, ...flags], { backups: { restore: () => Effect.succeed(result) } })

describe("backup", () => {
  it.effect("says where it is, of how many events, and its digest", () =>
    Effect.gen(function* () {
      const { exitCode, out } = yield* keelson(["backup", "/elsewhere"], {
        backups: { take: () => Effect.succeed(taken) }
      })
      assert.strictEqual(exitCode, 0)
      for (const part of ["1,204 events", taken.file, taken.digest]) assert.include(out, part)
    })
  )

  it.effect("says why there is none, with exit code 1", () =>
    Effect.gen(function* () {
      const { err, exitCode, out } = yield* keelson(["backup", "/elsewhere"], {
        backups: { take: () => Effect.fail(new Error("the disk is full")) }
      })
      assert.strictEqual(exitCode, 1)
      assert.match(err, /^keelson backup: .*disk is full/s)
      assert.strictEqual(out, "")
    })
  )
})

describe("restore", () => {
  it.effect("says what vouches for it, and no word of what did not happen", () =>
    Effect.gen(function* () {
      const { exitCode, out } = yield* restore(restored)
      assert.strictEqual(exitCode, 0)
      assert.include(out, "vouches for the first 1,200 events")
      for (const part of ["erased again", "Checkpoints of events", "wrapping keys"]) assert.notInclude(out, part)
    })
  )

  it.effect("says who was erased again, which checkpoints moved, and what lost keys mean", () =>
    Effect.gen(function* () {
      const { out } = yield* restore({
        ...restored,
        erasedAgain: 2,
        signed: null,
        movedAside: "/data/aside",
        withoutKeys: true
      })
      for (const part of ["2 sessions", "No checkpoint", "/data/aside", "nothing sealed can be read"]) {
        assert.include(out, part)
      }
    })
  )

  it.effect("hands over whether keys may be missing", () =>
    Effect.gen(function* () {
      const asked: Array<boolean> = []
      const backups = {
        restore: (_: unknown, __: string, { withoutKeys }: { readonly withoutKeys: boolean }) =>
          Effect.sync(() => {
            asked.push(withoutKeys)
            return restored
          })
      }
      yield* keelson(["restore", taken.file], { backups })
      yield* keelson(["restore", taken.file, "--without-keys"], { backups })
      assert.deepStrictEqual(asked, [false, true])
    })
  )
})
