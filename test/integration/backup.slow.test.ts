/** A backup taken while the service works comes back as it was, and whoever was erased since stays erased. */
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync, gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"
import * as Kit from "./backup-kit.ts"

const folders = Effect.all([TemporaryFolder.make, TemporaryFolder.make, TemporaryFolder.make])

const run = (place: Kit.Place, ...words: ReadonlyArray<string>) => Effect.promise(() => Kit.keelson(place, ...words))

const changed = (from: string, to: string, change: (text: string) => string): void =>
  writeFileSync(to, gzipSync(change(gunzipSync(readFileSync(from)).toString())))

for (const store of Kit.stores) {
  describe.skipIf(store === "PostgreSQL" && Kit.server === null)(`a backup on ${store}`, () => {
    it.live(
      "holds one moment of a service at work, and an erased session stays erased by the ledger",
      () =>
        Effect.gen(function* () {
          const [one, two, three] = yield* folders
          const source = Kit.place(store, one)
          const file = join(one, "now.backup")
          const erased = yield* Effect.promise(() =>
            Service.using(Kit.options(source), async (service) => {
              const [victim] = await Kit.open(service, "before", 20)
              let working = true
              const load = (async () => {
                for (let round = 0; working; round++) await Kit.open(service, `load${round}`, 5)
              })()
              const taken = await Kit.keelson(source, "backup", file)
              working = false
              await load
              assert.strictEqual(taken.code, 0, taken.err)
              assert.isAtLeast(taken.out.position, 20)
              assert.strictEqual(statSync(file).mode & 0o777, 0o600)
              assert.strictEqual((await service.post(`/v1/sessions/${victim}/erase`, "e", {})).status, 200)
              await service.stop()
              return String(victim)
            })
          )
          const ledger = readFileSync(join(one, "data/checkpoints/erasures.jsonl"), "utf8")
          assert.include(ledger, erased)

          const target = Kit.place(store, two)
          Kit.putBack(source, target, Kit.everything)
          const restored = yield* run(target, "restore", file)
          assert.strictEqual(restored.code, 0, restored.err)
          assert.strictEqual(restored.out.erasedAgain, 1)
          // The ledger stays where it is, with a copy beside the checkpoints that were moved.
          const [kept, aside] = [join(two, "data/checkpoints"), restored.out.movedAside].map((folder) =>
            readdirSync(folder)
          )
          assert.deepStrictEqual(kept, ["erasures.jsonl"])
          assert.isTrue(aside!.includes("erasures.jsonl") && aside!.some((name) => name.endsWith(".checkpoint")))
          yield* Effect.promise(() =>
            Service.using(Kit.options(target), async (service) => {
              const { body } = await service.get(`/v1/sessions/${erased}`)
              assert.strictEqual(body.status, "Erased")
              assert.notInclude(JSON.stringify(body), "before 0")
              assert.strictEqual((await service.get("/ready")).status, 200)
              assert.strictEqual((await service.post("/v1/sessions", "after", {})).status, 201)
              await service.stop()
            })
          )
          const verified = yield* run(target, "verify")
          assert.strictEqual(verified.code, 0, verified.err)

          // The control: without the ledger it can be read, so the ledger is what keeps it erased.
          const control = Kit.place(store, three)
          Kit.putBack(source, control, ["keys", "owner.token"])
          const without = yield* run(control, "restore", file)
          assert.strictEqual(without.code, 0, without.err)
          assert.strictEqual(without.out.erasedAgain, 0)
          const again = join(three, "again.backup")
          const same = yield* run(control, "backup", again)
          assert.strictEqual(same.code, 0, same.err)
          assert.strictEqual(same.out.position, restored.out.position)
          assert.strictEqual(same.out.digest, restored.out.digest, "the restored store is the source at that position")
          yield* Effect.promise(() =>
            Service.using(Kit.options(control), async (service) => {
              const { body } = await service.get(`/v1/sessions/${erased}`)
              assert.strictEqual(body.title, "before 0")
            })
          )
        }),
      240_000
    )

    it.live(
      "is refused where it was changed or cut, where the place is not empty, and where the keys are missing or others",
      () =>
        Effect.gen(function* () {
          const [one, two, three] = yield* folders
          const source = Kit.place(store, one)
          const file = join(one, "now.backup")
          yield* Effect.promise(() =>
            Service.using(Kit.options(source), async (service) => {
              await Kit.open(service, "kept", 3)
              await service.stop()
            })
          )
          assert.strictEqual((yield* run(source, "backup", file)).code, 0)
          const again = yield* run(source, "backup", file)
          assert.strictEqual(again.code, 1)
          assert.include(again.err, "is there already")
          assert.include((yield* run(source, "restore", file)).err, "The place is not empty")

          const target = Kit.place(store, two)
          assert.include((yield* run(target, "restore", file)).err, "There are no wrapping keys")
          Kit.putBack(source, target, ["keys"])
          const bad = join(one, "bad.backup")
          const damages: ReadonlyArray<readonly [string, () => void]> = [
            ["a character", () => changed(file, bad, (text) => text.replace("session.created", "session.createe"))],
            ["the header", () => changed(file, bad, (text) => text.replace('"takenAt":"2', '"takenAt":"3'))],
            ["a line gone", () => changed(file, bad, (text) => text.replace(/^row .*\n/m, ""))],
            ["the end gone", () => changed(file, bad, (text) => text.replace(/^end .*\n/m, ""))],
            ["half of it", () => writeFileSync(bad, readFileSync(file).subarray(0, statSync(file).size >> 1))],
            ["something else", () => writeFileSync(bad, "not a backup\n")]
          ]
          for (const [name, damage] of damages) {
            damage()
            const ended = yield* run(target, "restore", bad)
            assert.strictEqual(ended.code, 1, name)
            assert.include(ended.err, "bad.backup is damaged", name)
          }
          // Nothing of it was begun: the whole file is restored into the same place.
          const whole = yield* run(target, "restore", file)
          assert.strictEqual(whole.code, 0, whole.err)

          const foreign = Kit.place(store, three)
          yield* Effect.promise(() => Service.using(Kit.options(Kit.place(store, three)), (service) => service.stop()))
          for (const name of ["journal", "checkpoints", "signing-keys"]) {
            rmSync(join(three, "data", name), { recursive: true, force: true })
          }
          const wrong = yield* run(foreign, "restore", file)
          assert.strictEqual(wrong.code, 1)
          assert.include(wrong.err, "It will not be served")
          // What did not end is not served.
          yield* Effect.promise(async () => {
            const started = await Kit.startRefused(foreign)
            assert.include(started ?? "it serves", "may hold half of a backup")
          })
        }),
      240_000
    )
  })
}
