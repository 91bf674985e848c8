/** Who holds a data folder. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import * as FolderLock from "#layers/sql-client/FolderLock.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const folder = Effect.map(TemporaryFolder.make, (made) => join(made, "data"))

const locks = (of: string) => fs.readdirSync(of).filter((name) => name.startsWith("lock-"))

/** A lock as another process would have left it. */
const plant = (
  of: string,
  holder: { readonly pid: number; readonly start: string | null; readonly place?: string }
) => {
  const mine = JSON.parse(fs.readFileSync(join(of, locks(of)[0]!), "utf8")) as { readonly place: string }
  const path = join(of, `lock-${holder.pid}-${holder.start}-planted`)
  fs.writeFileSync(path, JSON.stringify({ place: mine.place, ...holder }))
  return path
}

const refusal = (of: string) => Effect.flip(Effect.scoped(FolderLock.acquire(of)))

describe("a data folder's lock", () => {
  it.effect("makes the folder for its owner alone, and is gone with its scope", () =>
    Effect.gen(function* () {
      const data = yield* folder
      yield* Effect.scoped(
        Effect.andThen(
          FolderLock.acquire(data),
          Effect.sync(() => {
            assert.strictEqual(fs.statSync(data).mode & 0o777, 0o700)
            assert.strictEqual(locks(data).length, 1)
          })
        )
      )
      assert.deepStrictEqual(locks(data), [])
      yield* Effect.scoped(FolderLock.acquire(data))
    })
  )

  it.effect("refuses a second holder, in the same process too, and names the first one's pid", () =>
    Effect.gen(function* () {
      const data = yield* folder
      yield* FolderLock.acquire(data)
      const error = yield* refusal(data)
      assert.strictEqual(error.holderPid, process.pid)
      assert.include(error.message, `in use by process ${process.pid}`)
      assert.strictEqual(locks(data).length, 1)
    })
  )

  it.effect("refuses while a living process holds the folder", () =>
    Effect.gen(function* () {
      const data = yield* folder
      const planted = yield* Effect.scoped(
        Effect.map(FolderLock.acquire(data), () => plant(data, { pid: process.ppid, start: null }))
      )
      const error = yield* refusal(data)
      assert.strictEqual(error.holderPid, process.ppid)
      assert.isTrue(fs.existsSync(planted))
    })
  )

  it.effect("is taken over from a process that is dead, and from one whose pid another process uses now", () =>
    Effect.gen(function* () {
      const data = yield* folder
      const planted = yield* Effect.scoped(
        Effect.map(FolderLock.acquire(data), () => [
          plant(data, { pid: 4_194_303, start: "1" }),
          plant(data, { pid: process.ppid, start: "1" })
        ])
      )
      yield* FolderLock.acquire(data)
      for (const path of planted) assert.isFalse(fs.existsSync(path))
      assert.strictEqual(locks(data).length, 1)
    })
  )

  it.effect("is taken over from a process that was killed and that nobody has buried", () =>
    Effect.gen(function* () {
      const data = yield* folder
      // A shell that becomes `sleep` never asks about the child that it leaves.
      const parent = childProcess.spawn("/bin/sh", ["-c", "sh -c 'echo $$' & exec sleep 60"])
      const pid = yield* Effect.promise(
        () => new Promise<number>((told) => parent.stdout.once("data", (line: Buffer) => told(Number(line.toString()))))
      )
      const state = () => / ([A-Z]) /.exec(fs.readFileSync(`/proc/${pid}/stat`, "utf8").slice(-400))?.[1]
      while (process.platform === "linux" && state() !== "Z") yield* Effect.yieldNow
      const planted = yield* Effect.scoped(
        Effect.map(FolderLock.acquire(data), () => plant(data, { pid, start: null }))
      )
      yield* FolderLock.acquire(data)
      assert.isFalse(fs.existsSync(planted))
      parent.kill("SIGKILL")
    })
  )

  it.effect("believes a process of another container while it renews its lock, and no longer", () =>
    Effect.gen(function* () {
      const data = yield* folder
      const planted = yield* Effect.scoped(
        Effect.map(FolderLock.acquire(data), () => plant(data, { pid: 7, start: "1", place: "elsewhere" }))
      )
      const error = yield* refusal(data)
      assert.include(error.message, "in use by process 7 of another container or machine")
      const longAgo = new Date(Date.now() - 60_000)
      fs.utimesSync(planted, longAgo, longAgo)
      yield* FolderLock.acquire(data)
      assert.isFalse(fs.existsSync(planted))
    })
  )

  it.effect("does not take a half written lock for a holder", () =>
    Effect.gen(function* () {
      const data = yield* folder
      yield* Effect.scoped(FolderLock.acquire(data))
      fs.writeFileSync(join(data, "lock-1-1-half"), '{"pid":1,')
      yield* FolderLock.acquire(data)
      assert.strictEqual(locks(data).length, 1)
    })
  )

  it.effect("refuses a folder that others may enter, and says what to type", () =>
    Effect.gen(function* () {
      const data = yield* folder
      fs.mkdirSync(data, { mode: 0o755 })
      const error = yield* refusal(data)
      assert.isNull(error.holderPid)
      assert.include(error.message, `chmod 700 '${data}'`)
    })
  )

  it.effect("is lost for good where somebody removed it: who knows who came and went meanwhile", () =>
    Effect.gen(function* () {
      const data = yield* folder
      const lock = yield* FolderLock.acquire(data)
      const own = locks(data)
      fs.rmSync(join(data, own[0]!))
      assert.isFalse(lock.held())
      fs.writeFileSync(join(data, own[0]!), "{}")
      assert.isFalse(lock.held(), "a file that came back proves nothing")
    })
  )
})
