/** A backup knows no product, and without wrapping keys it gives what needs none. */
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"
import * as Kit from "./backup-kit.ts"

describe.skipIf(Kit.server === null)("a backup of PostgreSQL", () => {
  it.live(
    "is restored into PGlite with the same digest, and with lost keys is verified but not served",
    () =>
      Effect.gen(function* () {
        const [one, two] = yield* Effect.all([TemporaryFolder.make, TemporaryFolder.make])
        const source = Kit.place("PostgreSQL", one)
        const target = Kit.place("PGlite", two)
        const file = join(one, "now.backup")
        yield* Effect.promise(async () => {
          await Service.using(Kit.options(source), async (service) => {
            await Kit.open(service, "kept", 3)
            await service.stop()
          })
          const taken = await Kit.keelson(source, "backup", file)
          assert.strictEqual(taken.code, 0, taken.err)
          const restored = await Kit.keelson(target, "restore", file, "--without-keys")
          assert.strictEqual(restored.code, 0, restored.err)
          const verified = await Kit.keelson(target, "verify")
          assert.strictEqual(verified.out.clean, true)
          const again = await Kit.keelson(target, "backup", two)
          assert.strictEqual(again.out.digest, taken.out.digest)
          const started = await Kit.startRefused(target)
          assert.include(started ?? "it serves", "wrapping")
        })
      }),
    240_000
  )
})
