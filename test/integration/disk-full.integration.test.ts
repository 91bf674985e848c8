/** A disk that fills up under the running service, on a small tmpfs of the test's own. Needs root to mount it. */
import { execFileSync } from "node:child_process"
import { appendFileSync, mkdirSync, rmSync, statfsSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const tmpfs = (folder: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      mkdirSync(folder, { mode: 0o700 })
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=192m,mode=700", "keelson-test", folder])
      return folder
    }),
    () => Effect.sync(() => execFileSync("umount", ["-l", folder]))
  )

/** Takes what is free but for 64 KiB, piece by piece: the service writes meanwhile, and what it took is no longer free. */
const fill = (folder: string, filler: string) => {
  const kept = 64 * 1024
  for (;;) {
    const { bavail, bsize } = statfsSync(folder)
    const piece = Math.min(bavail * bsize - kept, 1024 * 1024)
    if (piece <= 0) return
    try {
      appendFileSync(filler, Buffer.alloc(piece))
    } catch (cause) {
      // It was faster: the disk is as full as can be.
      if (cause instanceof Error && "code" in cause && cause.code === "ENOSPC") return
      throw cause
    }
  }
}

const mayMount = process.platform === "linux" && process.getuid?.() === 0

describe("a full disk", () => {
  const how = mayMount ? "" : " (SKIP: needs root to mount a tmpfs; run: sudo npm test -- disk-full)"
  it.live.skipIf(!mayMount)(
    `is refused with a clear problem, loses nothing acknowledged, and is forgotten once there is space${how}`,
    () =>
      Effect.gen(function* () {
        const folder = yield* TemporaryFolder.make
        const data = yield* tmpfs(join(folder, "small"))
        const flags = { "data-folder": join(data, "data"), "sessions-per-principal-max": 100_000 }
        const filler = join(data, "filler")
        const acknowledged: Array<string> = []
        yield* Effect.promise(() =>
          Service.using({ folder, flags }, async (service) => {
            const open = (key: string) => service.post("/v1/sessions", key, {})
            for (let index = 0; index < 20; index++) acknowledged.push((await open(`a${index}`)).body.sessionId)
            fill(data, filler)
            let refused = 0
            for (let index = 0; refused < 10 && index < 5_000; index++) {
              const answer = await open(`b${index}`)
              if (answer.status === 201) acknowledged.push(answer.body.sessionId)
              else {
                assert.strictEqual(answer.status, 507, JSON.stringify(answer.body))
                assert.strictEqual(answer.body.retryable, true)
                refused += 1
              }
            }
            assert.strictEqual(refused, 10, "the disk filled up")
            assert.strictEqual((await service.get(`/v1/sessions/${acknowledged[0]}`)).status, 200, "reading goes on")
            assert.strictEqual((await service.get("/ready")).status, 503)
            rmSync(filler)
            const later = await open("c")
            assert.strictEqual(later.status, 201, JSON.stringify(later.body))
            acknowledged.push(later.body.sessionId)
          })
        )
        yield* Effect.promise(() =>
          Service.using({ folder, flags }, async (service) => {
            for (const id of acknowledged) assert.strictEqual((await service.get(`/v1/sessions/${id}`)).status, 200)
          })
        )
      }),
    180_000
  )
})
