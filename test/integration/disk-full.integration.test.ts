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

/** Sessions opened before, while and after the disk is full; and how many of those that were acknowledged a restart lost. */
const trial = Effect.fnUntraced(function* (program: Partial<Service.Options>, attemptsMax: number) {
  const folder = yield* TemporaryFolder.make
  const data = yield* tmpfs(join(folder, "small"))
  const flags = { "data-folder": join(data, "data"), "sessions-per-principal-max": 100_000 }
  const filler = join(data, "filler")
  return yield* Effect.promise(async () => {
    const acknowledged: Array<string> = []
    const seen = await Service.using({ folder, flags, ...program }, async (service) => {
      const open = async (key: string) => {
        const answer = await service.post("/v1/sessions", key, {})
        if (answer.status === 201) acknowledged.push(answer.body.sessionId)
        return answer
      }
      for (let index = 0; index < 20; index++) await open(`a${index}`)
      fill(data, filler)
      const refused: Array<Service.Answer> = []
      for (let index = 0; refused.length < 10 && index < attemptsMax; index++) {
        const answer = await open(`b${index}`)
        if (answer.status !== 201) refused.push(answer)
      }
      const read = (await service.get(`/v1/sessions/${acknowledged[0]}`)).status
      const ready = (await service.get("/ready")).status
      rmSync(filler)
      return { refused, read, ready, later: await open("c") }
    })
    const lost = await Service.using({ folder, flags }, async (service) => {
      const statuses = await Promise.all(acknowledged.map((id) => service.get(`/v1/sessions/${id}`)))
      return statuses.filter(({ status }) => status !== 200).length
    })
    return { ...seen, lost }
  })
}, Effect.scoped)

describe("a full disk", () => {
  const how = mayMount ? "" : " (SKIP: needs root to mount a tmpfs; run: sudo npm test -- disk-full)"
  it.live.skipIf(!mayMount)(
    `is refused with a clear problem, loses nothing acknowledged, and is forgotten once there is space${how}`,
    () =>
      Effect.gen(function* () {
        const { later, lost, read, ready, refused } = yield* trial({}, 5_000)
        assert.lengthOf(refused, 10, "the disk filled up")
        for (const { body, status } of refused) {
          assert.strictEqual(status, 507, JSON.stringify(body))
          assert.strictEqual(body.retryable, true)
        }
        assert.strictEqual(read, 200, "reading goes on")
        assert.strictEqual(ready, 503)
        assert.strictEqual(later.status, 201, JSON.stringify(later.body))
        assert.strictEqual(lost, 0)
      }),
    180_000
  )

  it.live.skipIf(!mayMount)(
    `is seen to lose sessions where the service acknowledges before it commits (the control)${how}`,
    () =>
      Effect.gen(function* () {
        const service = new URL("../../chaos/service.ts", import.meta.url).pathname
        const program = [process.execPath, service] as const
        const { lost } = yield* trial({ program, environment: { CHAOS_MUTANT: "acknowledge-before-commit" } }, 500)
        // The kill at the end costs a few; the full disk hundreds.
        assert.isAbove(lost, 100)
      }),
    180_000
  )
})
