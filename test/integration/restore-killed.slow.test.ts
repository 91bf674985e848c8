/**
 * Restores that are killed with SIGKILL, at each moment between two of their steps and at times spread over the whole of
 * one: what is left is nothing, all of the backup, or a place that no start serves. `KEELSON_RESTORE_KILLS` says at how many times,
 * on each store; `KEELSON_SEED` at which.
 */
import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import pg from "pg"
import { table } from "../../bench/kit/statistics.ts"
import { type Moment, moments } from "#layers/profiles/Backups.ts"
import * as SeededScheduler from "#test/kit/seededScheduler.ts"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"
import * as Kit from "./backup-kit.ts"

const kills = Number(process.env["KEELSON_RESTORE_KILLS"] ?? 2)
const seed = Number(process.env["KEELSON_SEED"] ?? 1)
const sessions = 100

/** What a kill left, as an operator finds it. */
type Left =
  /** Nothing is there: a second restore goes through. */
  | "nothing"
  /** No start serves it. It is emptied, as the refusal says, and restored. */
  | "half"
  | "all"

const leaves: { readonly [moment in Moment]: Left } = {
  "the place was marked": "nothing",
  "the lines were loaded": "half",
  "the forgotten were erased again": "half",
  "the journal was verified": "half",
  "checkpoints were moved aside": "half",
  "the mark was taken away": "all"
}

/** As an operator is told to: the folder `journal`, or the schema. */
const empty = async ({ folder, schema }: Kit.Place): Promise<void> => {
  if (schema === null) return rmSync(join(folder, "data/journal"), { recursive: true, force: true })
  const client = new pg.Client({ connectionString: Redacted.value(Kit.server!.url) })
  await client.connect()
  await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
  await client.end()
}

/** Looks by restoring again, and by a start. Half is emptied and restored, which ends well: that a whole restore serves is its own test. */
const look = async (place: Kit.Place, file: string): Promise<Left> => {
  const again = await Kit.keelson(place, "restore", file)
  if (again.code === 0) return "nothing"
  assert.include(again.err, "The place is not empty")
  const refused = await Kit.startRefused(place)
  if (refused === null) return "all"
  assert.include(refused, "may hold half of a backup")
  await empty(place)
  const { code, err } = await Kit.keelson(place, "restore", file)
  assert.strictEqual(code, 0, err)
  return "half"
}

const statusOf = (place: Kit.Place, sessionId: string): Promise<unknown> =>
  Service.using(Kit.options(place), async (service) => {
    const { body } = await service.get(`/v1/sessions/${sessionId}`)
    await service.stop()
    return body.status
  })

/** A backup, and the place that it is of, where one session was erased since. */
const backup = Effect.fnUntraced(function* (store: Kit.Store) {
  const source = Kit.place(store, yield* TemporaryFolder.make)
  const file = join(source.folder, "now.backup")
  const victim = yield* Effect.promise(() =>
    Service.using(Kit.options(source), async (service) => {
      const [first] = await Kit.open(service, "kept", sessions)
      assert.strictEqual((await Kit.keelson(source, "backup", file)).code, 0)
      assert.strictEqual((await service.post(`/v1/sessions/${first}/erase`, "e", {})).status, 200)
      await service.stop()
      return first!
    })
  )
  return {
    file,
    target: Effect.map(TemporaryFolder.make, (folder) => {
      const place = Kit.place(store, folder)
      Kit.putBack(source, place, Kit.everything)
      return place
    }),
    /** Every event is there as it was written, it serves, and whoever was forgotten stays so. */
    isWhole: (place: Kit.Place) =>
      Effect.promise(async () => {
        const { code, err, out } = await Kit.keelson(place, "verify")
        assert.strictEqual(code, 0, err)
        assert.isAtLeast(out.counts.events, sessions)
        assert.strictEqual(await statusOf(place, victim), "Erased")
      }),
    /** As it serves whom it should have forgotten. */
    forgotten: (place: Kit.Place) => Effect.promise(() => statusOf(place, victim))
  }
})

for (const store of Kit.stores) {
  describe.skipIf(store === "PostgreSQL" && Kit.server === null)(`a restore on ${store}`, () => {
    it.live(
      "that is killed between two steps leaves nothing, all, or what no start serves",
      () =>
        Effect.gen(function* () {
          const { file, isWhole, target } = yield* backup(store)
          for (const moment of moments) {
            const place = yield* target
            const left = yield* Effect.promise(async () => {
              const { code } = await Kit.beginDying(moment, place, "restore", file).ended
              assert.isNull(code, `it did not die where ${moment}`)
              assert.strictEqual(readFileSync(join(place.folder, "died.txt"), "utf8"), `${moment}\n`)
              return look(place, file)
            })
            assert.strictEqual(left, leaves[moment], moment)
            if (left !== "half") yield* isWhole(place)
          }
        }),
      300_000
    )

    it.live(
      "that marks nothing is seen to be served without what was forgotten since the backup (the control)",
      () =>
        Effect.gen(function* () {
          const { file, forgotten, target } = yield* backup(store)
          const moment = "the lines were loaded"
          const place = yield* target
          const left = yield* Effect.promise(async () => {
            const { code } = await Kit.beginUnmarked(moment, place, "restore", file).ended
            assert.isNull(code, `it did not die where ${moment}`)
            return look(place, file)
          })
          assert.deepStrictEqual([left, leaves[moment]], ["all", "half"])
          assert.strictEqual(yield* forgotten(place), "Open")
        }),
      120_000
    )

    it.live(
      `that is killed at ${kills} times of its life leaves nothing, all, or what no start serves`,
      () =>
        Effect.gen(function* () {
          const { file, isWhole, target } = yield* backup(store)
          const startedAt = performance.now()
          const whole = yield* target
          const restored = yield* Effect.promise(() => Kit.keelson(whole, "restore", file))
          const wholeMillis = performance.now() - startedAt
          assert.strictEqual(restored.code, 0, restored.err)

          const random = SeededScheduler.chance(seed)
          const seen: Array<readonly [Left, number]> = []
          for (let kill = 0; kill < kills; kill++) {
            const place = yield* target
            // From before it opens anything until about its end, one in each part of that.
            const afterMillis = wholeMillis * (0.3 + (0.75 * (kill + random())) / kills)
            const left = yield* Effect.promise(async () => {
              const { code } = await Kit.beginCut(Math.round(afterMillis), place, "restore", file).ended
              return code === 0 ? ("all" as const) : look(place, file)
            })
            seen.push([left, afterMillis])
            if (left !== "half") yield* isWhole(place)
          }
          const lines = seen.map(([left, afterMillis]) => [left, afterMillis.toFixed(0)])
          console.log(table(["left", "killed after ms"], lines))
        }),
      60_000 + 30_000 * kills
    )
  })
}
