import { appendFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileErasureLedger from "#layers/erasure-ledger/FileErasureLedger.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const erasure = (position: number): FileErasureLedger.Erasure => ({
  position,
  eventId: `evt_${position}`,
  subject: `session:ses_${position}`,
  at: "2026-11-27T00:00:00.000Z"
})

describe("the ledger of erasures", () => {
  it.effect("holds what was added, in a file of its owner's alone", () =>
    Effect.gen(function* () {
      const folder = join(yield* TemporaryFolder.make, "checkpoints")
      assert.deepStrictEqual(yield* FileErasureLedger.read(folder), [])
      yield* FileErasureLedger.add(folder, [erasure(1), erasure(2)])
      yield* FileErasureLedger.add(folder, [erasure(3)])
      assert.deepStrictEqual(yield* FileErasureLedger.read(folder), [1, 2, 3].map(erasure))
      assert.strictEqual(statSync(join(folder, FileErasureLedger.fileName)).mode & 0o777, 0o600)
    })
  )

  it.effect("passes over a last line that a crash cut, and goes on behind the line before", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      yield* FileErasureLedger.add(folder, [erasure(1)])
      appendFileSync(join(folder, FileErasureLedger.fileName), '{"position":2,"even')
      assert.deepStrictEqual(yield* FileErasureLedger.read(folder), [erasure(1)])
      yield* FileErasureLedger.add(folder, [erasure(2)])
      assert.deepStrictEqual(yield* FileErasureLedger.read(folder), [1, 2].map(erasure))
    })
  )

  it.effect("is refused where a line within it is damaged: somebody could be missing", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      writeFileSync(join(folder, FileErasureLedger.fileName), "nonsense\n")
      const error = yield* Effect.flip(FileErasureLedger.read(folder))
      assert.include(error.message, "damaged in line 1")
      assert.isFalse(error.retryable)
    })
  )
})
