import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { type FileHandle, open as openFile } from "node:fs/promises"
import { join } from "node:path"
import { make as files } from "#layers/private-files/NodePrivateFiles.ts"
import { privateFileBytesMax } from "#src/kernel/Bounds.ts"
import * as TemporaryFolder from "../../kit/TemporaryFolder.ts"

const mode = (path: string): number => fs.statSync(path).mode & 0o777

/** Runs the command that an error tells the operator to run. */
const mend = (detail: string): void => {
  const [, command] = detail.split("; run: ")
  execFileSync("sh", ["-c", command!])
}

/** Until the scope closes every sync of this process goes through `watch`, which may let it happen or not. */
const watchedSyncs = (watch: (handle: FileHandle, sync: () => Promise<void>) => Promise<void>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const handle = await openFile(process.execPath)
      const prototype: { sync: (this: FileHandle) => Promise<void> } = Object.getPrototypeOf(handle)
      await handle.close()
      const { sync } = prototype
      prototype.sync = function (this: FileHandle) {
        return watch(this, () => sync.call(this))
      }
      return () => {
        prototype.sync = sync
      }
    }),
    (restore) => Effect.sync(restore)
  )

describe("private files", () => {
  it.effect("are 0600 in folders that are 0700, parents included", () =>
    Effect.gen(function* () {
      const root = yield* TemporaryFolder.make
      const folder = join(root, "a", "b c")
      yield* files.ensureFolder(folder, "ToReaders")
      yield* files.create(folder, "x", "secret")
      assert.strictEqual(mode(join(root, "a")), 0o700)
      assert.strictEqual(mode(folder), 0o700)
      assert.strictEqual(mode(join(folder, "x")), 0o600)
      assert.strictEqual(yield* files.read(folder, "x"), "secret")
      assert.deepStrictEqual(yield* files.list(folder, "ToReaders"), ["x"])
    })
  )

  it.effect("are created once: of ten creators at once one wins, and its text stands", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      const outcomes = yield* Effect.forEach(
        Array.from({ length: 10 }, (_, index) => String(index)),
        (text) => Effect.result(Effect.as(files.create(folder, "x", text), text)),
        { concurrency: "unbounded" }
      )
      const [winner, ...rest] = outcomes.filter(Result.isSuccess)
      assert.deepStrictEqual(rest, [])
      for (const lost of outcomes.filter(Result.isFailure)) assert.strictEqual(lost.failure.reason, "Exists")
      assert.strictEqual(yield* files.read(folder, "x"), winner?.success)
      assert.deepStrictEqual(fs.readdirSync(folder), ["x"])
    })
  )

  it.effect("are on the disk before their name is there, and their name is before they are said to be created", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      const synced: Array<readonly [inode: number, named: boolean]> = []
      yield* watchedSyncs(async (handle, sync) => {
        synced.push([(await handle.stat()).ino, fs.existsSync(join(folder, "x"))])
        await sync()
      })
      yield* files.create(folder, "x", "secret")
      const inode = (path: string) => fs.statSync(path).ino
      assert.deepStrictEqual(synced, [
        [inode(join(folder, "x")), false],
        [inode(folder), true]
      ])
    })
  )

  it.effect("are not there where the disk did not take them", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      yield* watchedSyncs(() => Promise.reject(Object.assign(new Error("no"), { code: "EIO" })))
      const error = yield* Effect.flip(files.create(folder, "x", "secret"))
      assert.deepInclude(error, { reason: "Unavailable", retryable: true })
      assert.deepStrictEqual(fs.readdirSync(folder), [])
    })
  )

  it.effect("are refused when others can read them, with the command that mends it", () =>
    Effect.gen(function* () {
      const folder = join(yield* TemporaryFolder.make, "it's here")
      yield* files.ensureFolder(folder, "ToReaders")
      yield* files.create(folder, "x", "secret")
      for (const open of [0o640, 0o604, 0o620, 0o601]) {
        fs.chmodSync(join(folder, "x"), open)
        const error = yield* Effect.flip(files.read(folder, "x"))
        assert.strictEqual(error.reason, "Insecure")
        assert.include(error.message, "chmod 600 ")
        mend(error.message)
        assert.strictEqual(yield* files.read(folder, "x"), "secret")
      }
    })
  )

  it.effect("are refused in a folder that others can look into or write to, with the command that mends it", () =>
    Effect.gen(function* () {
      const folder = join(yield* TemporaryFolder.make, "keys")
      yield* files.ensureFolder(folder, "ToReaders")
      fs.chmodSync(folder, 0o755)
      yield* files.list(folder, "ToWriters")
      const readable = yield* Effect.flip(files.list(folder, "ToReaders"))
      assert.strictEqual(readable.reason, "Insecure")
      mend(readable.message)
      yield* files.list(folder, "ToReaders")
      fs.chmodSync(folder, 0o722)
      const writable = yield* Effect.flip(files.ensureFolder(folder, "ToWriters"))
      assert.include(writable.message, "chmod go-w ")
      mend(writable.message)
      yield* files.ensureFolder(folder, "ToWriters")
    })
  )

  it.effect.skipIf(process.getuid?.() !== 0)("are refused when they belong to somebody else", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      yield* files.create(folder, "x", "secret")
      fs.chownSync(join(folder, "x"), 12_345, 12_345)
      const error = yield* Effect.flip(files.read(folder, "x"))
      assert.strictEqual(error.reason, "Insecure")
      assert.include(error.message, "belongs to user 12345; run: chown 0 ")
      mend(error.message)
      assert.strictEqual(yield* files.read(folder, "x"), "secret")
      fs.chownSync(folder, 12_345, 12_345)
      assert.strictEqual((yield* Effect.flip(files.list(folder, "ToWriters"))).reason, "Insecure")
    })
  )

  it.effect("are files: no link, folder or pipe is followed, opened or waited for", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      yield* files.create(folder, "x", "secret")
      fs.symlinkSync(join(folder, "x"), join(folder, "link"))
      fs.mkdirSync(join(folder, "folder"), 0o700)
      execFileSync("mkfifo", ["-m", "600", join(folder, "pipe")])
      for (const name of ["link", "folder", "pipe"]) {
        assert.strictEqual((yield* Effect.flip(files.read(folder, name))).reason, "Insecure", name)
      }
    })
  )

  it.effect("are small, and missing ones are said to be missing", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      yield* files.create(folder, "full", "x".repeat(privateFileBytesMax))
      yield* files.create(folder, "large", "x".repeat(privateFileBytesMax + 1))
      assert.strictEqual((yield* files.read(folder, "full")).length, privateFileBytesMax)
      assert.strictEqual((yield* Effect.flip(files.read(folder, "large"))).reason, "Damaged")
      assert.strictEqual((yield* Effect.flip(files.read(folder, "none"))).reason, "Missing")
      assert.strictEqual((yield* Effect.flip(files.list(join(folder, "none"), "ToReaders"))).reason, "Missing")
      const error = yield* Effect.flip(files.create(join(folder, "full"), "x", "secret"))
      assert.deepInclude(error, { reason: "Unavailable", retryable: true })
      assert.notInclude(JSON.stringify(error), "secret")
    })
  )

  it.effect("lose what a killed creator left, once it is too old to be somebody's work", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      yield* files.create(folder, "x", "secret")
      const left = join(folder, ".x.0123456789ab.tmp")
      fs.linkSync(join(folder, "x"), left)
      assert.deepStrictEqual(yield* files.list(folder, "ToReaders"), ["x"])
      const writtenMillis = fs.statSync(left).mtimeMs
      yield* TestClock.setTime(writtenMillis + 30_000)
      yield* files.removeStale(folder)
      assert.isTrue(fs.existsSync(left))
      yield* TestClock.setTime(writtenMillis + 90_000)
      yield* files.removeStale(folder)
      assert.deepStrictEqual(fs.readdirSync(folder), ["x"])
      assert.strictEqual(yield* files.read(folder, "x"), "secret")
    })
  )

  it.effect("show a change of their folder", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      const before = yield* files.state(folder)
      assert.strictEqual(yield* files.state(folder), before)
      yield* files.create(folder, "x", "secret")
      assert.notStrictEqual(yield* files.state(folder), before)
    })
  )
})
