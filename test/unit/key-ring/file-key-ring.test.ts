import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as fs from "node:fs"
import { join } from "node:path"
import { inspect } from "node:util"
import * as FileKeyRing from "#layers/key-ring/FileKeyRing.ts"
import * as NodePrivateFiles from "#layers/private-files/NodePrivateFiles.ts"
import { SubjectId } from "#src/kernel/Ids.ts"
import { PrivateFileError, PrivateFiles } from "#src/ports/PrivateFiles.ts"
import * as TemporaryFolder from "../../kit/TemporaryFolder.ts"

const one = SubjectId.make("session:one")

/** A ring as one process holds it, from its start to the end of the test. */
const start = (folder: string, createIfEmpty: boolean) =>
  FileKeyRing.make({ folder, createIfEmpty }).pipe(Effect.provide(NodePrivateFiles.layer))

const newFolder = Effect.map(TemporaryFolder.make, (folder) => join(folder, "keys"))

describe("file key ring", () => {
  it.effect("keeps its keys for the next start, in files for their owner alone", () =>
    Effect.gen(function* () {
      const folder = yield* newFolder
      const { key, wrapped } = yield* Effect.scoped(Effect.flatMap(start(folder, true), (ring) => ring.create(one)))
      const again = yield* start(folder, false)
      assert.strictEqual((yield* again.unwrap(wrapped)).open("here", key.seal("here", "words")), "words")
      assert.strictEqual(fs.statSync(folder).mode & 0o777, 0o700)
      assert.deepStrictEqual(fs.readdirSync(folder), ["wrapping-1.key"])
      assert.strictEqual(fs.statSync(join(folder, "wrapping-1.key")).mode & 0o777, 0o600)
    })
  )

  it.effect("makes a first key only in an empty folder and only when told to", () =>
    Effect.gen(function* () {
      const folder = yield* newFolder
      const untold = yield* Effect.flip(start(folder, false))
      assert.strictEqual(untold.reason, "KeyMissing")
      assert.include(untold.message, "restore")
      assert.deepStrictEqual(fs.readdirSync(folder), [])
      fs.writeFileSync(join(folder, "wrapping-1.key.bak"), "")
      assert.strictEqual((yield* Effect.flip(start(folder, true))).reason, "KeyMissing")
      assert.deepStrictEqual(fs.readdirSync(folder), ["wrapping-1.key.bak"])
    })
  )

  it.effect("never replaces a lost version: what it wrapped stays closed, and says so", () =>
    Effect.gen(function* () {
      const folder = yield* newFolder
      const ring = yield* start(folder, true)
      const { wrapped } = yield* ring.create(one)
      yield* ring.rotate
      fs.rmSync(join(folder, "wrapping-1.key"))
      for (const each of [ring, yield* start(folder, true)]) {
        yield* each.versions
        const error = yield* Effect.flip(each.unwrap(wrapped))
        assert.deepInclude(error, { reason: "KeyMissing", subject: one })
        assert.strictEqual((yield* Effect.flip(each.rewrap(wrapped))).reason, "KeyMissing")
      }
      assert.deepStrictEqual(fs.readdirSync(folder), ["wrapping-2.key"])
    })
  )

  it.effect("does not start on a file or folder that others can read", () =>
    Effect.gen(function* () {
      const folder = yield* newFolder
      const path = join(folder, "wrapping-1.key")
      yield* start(folder, true)
      fs.chmodSync(path, 0o644)
      const file = yield* Effect.flip(start(folder, true))
      assert.strictEqual(file.reason, "Insecure")
      assert.include(file.message, `run: chmod 600 '${path}'`)
      fs.chmodSync(path, 0o600)
      fs.chmodSync(folder, 0o750)
      const open = yield* Effect.flip(start(folder, true))
      assert.strictEqual(open.reason, "Insecure")
      assert.include(open.message, `run: chmod 700 '${folder}'`)
      fs.chmodSync(folder, 0o700)
      yield* start(folder, true)
    })
  )

  it.effect("stops making keys when its folder opens up while it runs", () =>
    Effect.gen(function* () {
      const folder = yield* newFolder
      const ring = yield* start(folder, true)
      fs.chmodSync(folder, 0o755)
      assert.strictEqual((yield* Effect.flip(ring.create(one))).reason, "Insecure")
      fs.chmodSync(folder, 0o700)
      yield* ring.create(one)
    })
  )

  it.effect("names a file that was cut, changed at any character, or renamed", () =>
    Effect.gen(function* () {
      const folder = yield* newFolder
      const path = join(folder, "wrapping-1.key")
      yield* start(folder, true)
      const text = fs.readFileSync(path, "utf8").trimEnd()
      const damages = [
        ...Array.from({ length: text.length }, (_, index) => {
          const now = text[index] === "x" ? "y" : "x"
          return text.slice(0, index) + now + text.slice(index + 1)
        }),
        ...[0, 1, 40, text.length - 1].map((length) => text.slice(0, length))
      ]
      for (const damage of damages) {
        fs.writeFileSync(path, damage)
        const error = yield* Effect.flip(start(folder, true))
        assert.strictEqual(error.reason, "KeyDamaged", damage)
        assert.include(error.message, path)
      }
      fs.writeFileSync(path, text)
      fs.renameSync(path, join(folder, "wrapping-2.key"))
      assert.strictEqual((yield* Effect.flip(start(folder, true))).reason, "KeyDamaged")
    })
  )

  it.effect("sees another process's rotation before it makes the next key", () =>
    Effect.gen(function* () {
      const folder = yield* newFolder
      const [left, right] = [yield* start(folder, true), yield* start(folder, false)]
      yield* right.rotate
      const made = yield* right.create(one)
      assert.strictEqual((yield* left.unwrap(made.wrapped)).open("here", made.key.seal("here", "words")), "words")
      assert.strictEqual((yield* left.create(one)).wrapped.wrappingVersion, 2)
    })
  )

  it.effect("gives rivals that rotate at once a version each", () =>
    Effect.gen(function* () {
      const folder = yield* newFolder
      const rings = [yield* start(folder, true), yield* start(folder, false)]
      const rotations = Array.from({ length: 10 }, (_, index) => rings[index % 2]!.rotate)
      const made = yield* Effect.all(rotations, { concurrency: "unbounded" })
      const expected = Array.from({ length: 10 }, (_, index) => index + 2)
      assert.deepStrictEqual(
        made.toSorted((left, right) => left - right),
        expected
      )
      for (const ring of rings) assert.deepStrictEqual(yield* ring.versions, [1, ...expected])
    })
  )

  it.effect("wraps nothing once its scope is closed", () =>
    Effect.gen(function* () {
      const folder = yield* newFolder
      const ring = yield* Effect.scoped(start(folder, true))
      const cause = yield* Effect.flip(Effect.sandbox(ring.create(one)))
      assert.include(Cause.pretty(cause), "wrapping key 1 was destroyed")
    })
  )

  it.effect("keeps keys out of what it shows and of its errors", () =>
    Effect.gen(function* () {
      const folder = yield* newFolder
      const ring = yield* start(folder, true)
      const text = fs.readFileSync(join(folder, "wrapping-1.key"), "utf8")
      const { key } = JSON.parse(text) as { key: string }
      const { wrapped } = yield* ring.create(one)
      fs.writeFileSync(join(folder, "wrapping-1.key"), text.replace('"version":1', '"version":9'))
      const shown = inspect([ring, yield* Effect.flip(start(folder, false)), wrapped], { depth: 12, showHidden: true })
      assert.notInclude(shown, key)
      assert.notInclude(shown, Buffer.from(key, "base64url").toString("hex").slice(0, 16))
    })
  )

  it.effect("says that the disk is full, and is itself again when it is not", () =>
    Effect.gen(function* () {
      const folder = yield* newFolder
      let full = false
      const failing = Layer.effect(
        PrivateFiles,
        Effect.map(PrivateFiles, (files) => ({
          ...files,
          create: (...input: Parameters<typeof files.create>) =>
            full
              ? Effect.fail(
                  new PrivateFileError({ reason: "Unavailable", path: folder, detail: "ENOSPC", retryable: true })
                )
              : files.create(...input)
        }))
      ).pipe(Layer.provide(NodePrivateFiles.layer))
      const ring = yield* FileKeyRing.make({ folder, createIfEmpty: true }).pipe(Effect.provide(failing))
      full = true
      assert.deepInclude(yield* Effect.flip(ring.rotate), { reason: "Unavailable", retryable: true })
      assert.deepStrictEqual(yield* ring.versions, [1])
      full = false
      assert.strictEqual(yield* ring.rotate, 2)
    })
  )
})
