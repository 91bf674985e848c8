/** When a folder of policies is read: the test says what the system saw in it, and how late it is. */
import { assert, describe, it } from "@effect/vitest"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as CedarPolicyReload from "#layers/policy-engine/CedarPolicyReload.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { EventStoreError } from "#src/ports/EventStore.ts"
import { ToolCatalog } from "#src/ports/ToolExecutor.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"
import { catalog, read, tools } from "./fixture.ts"

const permit = `@id("read") permit (principal, action == Action::"file.read", resource);\n`
const forbid = `@id("no") forbid (principal, action == Action::"file.read", resource);\n`
const gone = new EventStoreError({ reason: "Unavailable", operation: "tools", detail: "gone", retryable: true })

const quietMillis = 1_000

const world = Effect.gen(function* () {
  const folder = yield* TemporaryFolder.make
  const write = (text: string) => writeFileSync(join(folder, "a.cedar"), text)
  write(permit)
  const seen = yield* Queue.unbounded<FileSystem.WatchEvent>()
  const state = { reads: 0, refusals: 0, answers: true }
  const system = yield* FileSystem.FileSystem
  const watched = FileSystem.FileSystem.of({
    ...system,
    watch: () => Stream.fromQueue(seen),
    readDirectory: (path, options) =>
      Effect.suspend(() => {
        state.reads += 1
        return system.readDirectory(path, options)
      })
  })
  const asked = Effect.suspend(() => {
    if (state.answers) return Effect.succeed(tools)
    state.refusals += 1
    return Effect.fail(gone)
  })
  const tellable = Layer.effect(
    ToolCatalog,
    Effect.map(ToolCatalog, (known) => ToolCatalog.of({ ...known, tools: asked }))
  ).pipe(Layer.provide(catalog()))
  const engine = yield* CedarPolicyReload.make({ folder, quietMillis, lookMillis: 3_600_000 }).pipe(
    Effect.provide([tellable, NodeDigest.layer]),
    Effect.provideService(FileSystem.FileSystem, watched)
  )
  const notice = Queue.offer(seen, { _tag: "Update", path: join(folder, "a.cedar") })
  return { ...engine, state, write, notice }
}).pipe(Effect.provide(NodeFileSystem.layer))

describe("a policy folder in which something happens", () => {
  it.effect("is read once it has come to rest, and not between two changes", () =>
    Effect.gen(function* () {
      const { notice, state } = yield* world
      const before = state.reads
      for (let change = 0; change < 2; change++) {
        yield* notice
        yield* TestClock.adjust(quietMillis - 1)
        assert.strictEqual(state.reads, before)
      }
      yield* TestClock.adjust(1)
      assert.strictEqual(state.reads, before + 1)
    })
  )

  it.effect("is read all the same where it never comes to rest", () =>
    Effect.gen(function* () {
      const { notice, state } = yield* world
      const before = state.reads
      const stepMillis = quietMillis / 2
      for (let passed = 0; passed < Bounds.policyUnrestMillisMax; passed += stepMillis) {
        assert.strictEqual(state.reads, before)
        yield* notice
        yield* TestClock.adjust(stepMillis)
      }
      yield* notice
      yield* TestClock.adjust(stepMillis)
      assert.isAbove(state.reads, before)
    })
  )

  it.effect("is read again, though nothing changed since, where the store did not tell the tools", () =>
    Effect.gen(function* () {
      const { decide, notice, state, write } = yield* world
      // The folder is a real one: its reading takes as long as it takes.
      const rests = (holds: Effect.Effect<boolean, unknown>) =>
        Effect.andThen(notice, TestClock.adjust(quietMillis)).pipe(
          Effect.andThen(Effect.promise(() => new Promise<void>((wake) => setImmediate(wake)))),
          Effect.andThen(holds),
          Effect.repeat({ until: (held) => held })
        )
      write(forbid)
      state.answers = false
      yield* rests(Effect.sync(() => state.refusals > 0))
      state.answers = true
      yield* rests(Effect.map(decide(read), ({ effect }) => effect === "Deny"))
    })
  )
})
