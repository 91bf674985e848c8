/** The journal in a folder: durable, held by one process, whole again after a SIGKILL, and honest on a full disk. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import nodeFs, * as fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll } from "vitest"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as PgliteEventStore from "#layers/event-store/PgliteEventStore.ts"
import * as SqlVerify from "#layers/event-store/SqlVerify.ts"
import * as PgliteEngine from "#layers/sql-client/PgliteEngine.ts"
import { EventStore, Rows } from "#src/ports/EventStore.ts"
import { on, start } from "#test/kit/appends.ts"
import * as Child from "#test/kit/Child.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const program = fileURLToPath(new URL("../kit/journalProcess.ts", import.meta.url))

interface Said {
  readonly ready?: boolean
  readonly acknowledged?: string | null
  readonly failed?: string
}

const journal = (folder: string) => Layer.provideMerge(PgliteEventStore.layer({ folder }), NodeDigest.layer)

/** Making a database takes seconds; these tests are about what happens to one afterwards. */
const template = fs.mkdtempSync(join(tmpdir(), "keelson-test-template-"))
beforeAll(() =>
  Effect.runPromise(Effect.flatMap(PgliteEngine.open(template), (engine) => Effect.promise(engine.close)))
)
afterAll(() => fs.rmSync(template, { recursive: true, force: true }))

const made = Effect.map(TemporaryFolder.make, (parent) => {
  const folder = join(parent, "journal")
  fs.cpSync(template, folder, { recursive: true })
  fs.chmodSync(folder, 0o700)
  return folder
})

const child = (folder: string, prefix: string) => Child.start<Said>(program, ["folder", folder, prefix])

const acknowledged = (lines: ReadonlyArray<Said>) =>
  lines.flatMap((line) => (typeof line.acknowledged === "string" ? [line.acknowledged] : []))

describe("a journal in a folder", () => {
  it.live(
    "keeps everything acknowledged before a SIGKILL, round after round, and verifies",
    () =>
      Effect.gen(function* () {
        const folder = yield* made
        const kept: Array<string> = []
        for (const round of ["a", "b", "c"]) {
          yield* Effect.scoped(
            Effect.gen(function* () {
              const writer = yield* child(folder, round)
              yield* writer.said(({ ready }) => ready === true)
              yield* writer.tell("go")
              yield* writer.count(200 + round.charCodeAt(0))
              yield* writer.kill("SIGKILL")
              kept.push(...acknowledged(writer.lines))
            })
          )
          yield* Effect.gen(function* () {
            const store = yield* EventStore
            const rows = yield* Rows
            const found = new Set<string>()
            for (let cursor = 0; ; cursor += 1_000) {
              const page = yield* store.readAll(cursor, 1_000)
              if (page.length === 0) break
              for (const { envelope } of page) if (envelope.version === 2) found.add(envelope.stream)
            }
            assert.deepStrictEqual(
              kept.filter((stream) => !found.has(stream)),
              []
            )
            for (const stream of kept.slice(-50)) assert.isNotNull(yield* rows.get("thing", stream))
            const report = yield* SqlVerify.verify()
            assert.strictEqual(report.problemCount, 0, JSON.stringify(report.problems))
            assert.isAtLeast(report.events, kept.length * 2)
            assert.strictEqual(yield* rows.counter("things"), report.streams)
          }).pipe(Effect.scoped, Effect.provide(journal(folder)))
        }
        assert.isAbove(kept.length, 600)
      }).pipe(Effect.scoped),
    120_000
  )

  it.live(
    "is refused where it is no whole database, and nothing in it is touched",
    () =>
      Effect.gen(function* () {
        const folder = yield* made
        yield* Effect.flatMap(EventStore, (store) => store.append([on(start("kept:one")).append])).pipe(
          Effect.provide(journal(folder))
        )
        const file = join(folder, "pgdata", "PG_VERSION")
        const version = fs.readFileSync(file)
        fs.rmSync(file)
        const refused = yield* Effect.flip(Effect.scoped(PgliteEngine.open(folder)))
        assert.deepInclude(refused, { _tag: "EngineFailed", reason: "NotWhole" })
        assert.include(refused.message, "PG_VERSION is missing")
        fs.writeFileSync(file, version)
        const head = yield* Effect.flatMap(EventStore, (store) => store.head).pipe(Effect.provide(journal(folder)))
        assert.strictEqual(head, 1)
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "asks the system to sync its file before a commit is answered",
    () =>
      Effect.gen(function* () {
        const folder = yield* made
        const fsyncSync = fs.fsyncSync
        let syncs = 0
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            nodeFs.fsyncSync = (file) => {
              syncs += 1
              fsyncSync(file)
            }
            syncBuiltinESMExports()
          }),
          () =>
            Effect.sync(() => {
              nodeFs.fsyncSync = fsyncSync
              syncBuiltinESMExports()
            })
        )
        yield* Effect.gen(function* () {
          const store = yield* EventStore
          const before = syncs
          yield* store.append([on(start("synced:one")).append])
          assert.isAbove(syncs, before)
        }).pipe(Effect.provide(journal(folder)))
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "is written by one process only, even where somebody removes the lock under it: every statement is refused, reads too",
    () =>
      Effect.gen(function* () {
        const folder = yield* made
        const second = yield* Effect.gen(function* () {
          const store = yield* EventStore
          yield* store.append([on(start("first:one")).append])
          for (const name of fs.readdirSync(folder)) {
            if (name.startsWith("lock-")) fs.rmSync(join(folder, name))
          }
          const writer = yield* child(folder, "second")
          yield* writer.said(({ ready }) => ready === true)
          const refused = yield* Effect.flip(store.append([on(start("first:two")).append]))
          assert.deepInclude(refused, { reason: "Unavailable", retryable: false })
          yield* Effect.forEach(
            [store.probe, store.setCell("a", null, "b"), store.forgetReceipts(0, 10), store.head, store.readAll(0, 10)],
            (statement) => Effect.map(Effect.flip(statement), ({ reason }) => assert.strictEqual(reason, "Unavailable"))
          )
          return writer
        }).pipe(Effect.provide(journal(folder)))
        yield* second.tell("go")
        yield* second.count(100)
        yield* second.kill("SIGKILL")
        const report = yield* SqlVerify.verify().pipe(Effect.provide(journal(folder)))
        assert.strictEqual(report.problemCount, 0, JSON.stringify(report.problems))
        assert.isAtLeast(report.events, 1 + acknowledged(second.lines).length)
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "is refused to a second process, with the holder's pid in the message, and free again afterwards",
    () =>
      Effect.gen(function* () {
        const folder = yield* made
        yield* Effect.gen(function* () {
          const store = yield* EventStore
          yield* store.append([on(start("held:one")).append])
          const second = yield* child(folder, "second")
          const { failed } = yield* second.said((line) => line.failed !== undefined)
          assert.include(failed, `in use by process ${process.pid}`)
          yield* store.append([on(start("held:two")).append])
        }).pipe(Effect.scoped, Effect.provide(journal(folder)))
        assert.deepStrictEqual(fs.readdirSync(folder), ["pgdata"])
        const third = yield* child(folder, "third")
        yield* third.said(({ ready }) => ready === true)
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "is not opened where a commit does not reach the disk",
    () =>
      Effect.gen(function* () {
        const folder = yield* made
        const engine = yield* PgliteEngine.open(folder)
        assert.isAbove(engine.syncs(), 0)
        yield* Effect.promise(() => engine.close())
        const refused = yield* Effect.flip(PgliteEngine.open(folder, { fsync: "off" }))
        assert.deepStrictEqual([refused.reason, refused.retryable], ["NotDurable", false])
        const deferred = yield* Effect.flip(PgliteEngine.open(folder, { synchronous_commit: "off" }))
        assert.strictEqual(deferred.reason, "NotDurable")
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "starts over where a first start was killed half way",
    () =>
      Effect.gen(function* () {
        const folder = join(yield* TemporaryFolder.make, "journal")
        fs.mkdirSync(join(folder, "pgdata.new", "base"), { recursive: true, mode: 0o700 })
        fs.chmodSync(folder, 0o700)
        fs.writeFileSync(join(folder, "pgdata.new", "PG_VERSION"), "18\n")
        yield* Effect.gen(function* () {
          const store = yield* EventStore
          yield* store.append([on(start("over:one")).append])
        }).pipe(Effect.scoped, Effect.provide(journal(folder)))
        assert.deepStrictEqual(fs.readdirSync(folder), ["pgdata"])
      }).pipe(Effect.scoped),
    60_000
  )
})
