/** A folder of policies that changes under a running engine: a real folder, watched by the system. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as CedarPolicyReload from "#layers/policy-engine/CedarPolicyReload.ts"
import { PolicyEngine } from "#src/ports/PolicyEngine.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"
import { catalog, read } from "./fixture.ts"

const permit = `@id("read") permit (principal, action == Action::"file.read", resource);\n`
const forbid = `@id("no") forbid (principal, action == Action::"file.read", resource);\n`
const wrong = `@id("typo")\npermit (principal, action == Action::"file.raed", resource);\n`

/** Never told by time alone, unless a test says so. */
const hour = 3_600_000

/** An engine over a fresh folder that holds one permit, and everything it logs. */
const world = Effect.fnUntraced(function* (options: Partial<CedarPolicyReload.Options> = {}) {
  const folder = join(yield* TemporaryFolder.make, "policies")
  mkdirSync(folder)
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
  write("a.cedar", permit)
  const log: Array<string> = []
  const logger = Layer.merge(
    Logger.layer([Logger.make(({ message }) => void log.push(String(message)))]),
    Layer.succeed(References.MinimumLogLevel, "Debug")
  )
  const built = yield* Layer.build(
    CedarPolicyReload.layer({ folder, quietMillis: 10, lookMillis: hour, ...options }).pipe(
      Layer.provide([catalog(), NodeDigest.layer]),
      Layer.provideMerge(logger)
    )
  )
  const engine = Context.get(built, PolicyEngine)
  /** From its first look on the system watches, so no change is missed. */
  const looked = (times: number) =>
    until(
      Effect.sync(() => log.filter((line) => line === "the policy folder holds nothing new").length),
      (count) => count >= times
    )
  yield* looked(1)
  return { folder, write, log, looked, ...engine, reload: Effect.provide(engine.reload, logger) }
})

/** Waits for a condition that a file brings about; the system says when, so there is no clock to move. */
const until = <A>(ask: Effect.Effect<A>, holds: (found: A) => boolean) =>
  ask.pipe(
    Effect.filterOrFail(holds, (found) => found),
    Effect.retry(Schedule.spaced("5 millis").pipe(Schedule.upTo({ times: 2_000 })))
  )

describe("a policy folder that changes", () => {
  it.live("decides by what it says now, without anybody telling the engine", () =>
    Effect.gen(function* () {
      const { decide, set, write } = yield* world()
      const before = yield* decide(read)
      assert.strictEqual(before.effect, "Run")
      write("b.cedar", forbid)
      const after = yield* until(decide(read), ({ effect }) => effect === "Deny")
      assert.deepStrictEqual(after.policies, ["no"])
      assert.notStrictEqual(after.setHash, before.setHash)
      assert.strictEqual((yield* set).hash, after.setHash)
      assert.strictEqual((yield* set).policies.length, 2)
      write("b.cedar", "")
      yield* until(decide(read), ({ effect }) => effect === "Run")
    })
  )

  it.live(
    "that turned wrong leaves the last good set deciding, and says where the mistake is: once, or when asked",
    () =>
      Effect.gen(function* () {
        const { decide, folder, log, looked, refused, reload, write } = yield* world({ lookMillis: 30 })
        const { setHash } = yield* decide(read)
        write("b.cedar", wrong)
        const error = yield* until(refused, (error) => error !== null)
        assert.deepInclude(error?.problems[0], { file: join(folder, "b.cedar"), line: 2 })
        assert.deepInclude(yield* decide(read), { effect: "Run", setHash })
        yield* looked(log.length + 3)
        const told = () => log.filter((line) => line.includes("refused"))
        assert.strictEqual(told().length, 1)
        assert.include(told()[0], `${join(folder, "b.cedar")}:2: there is no tool "file.raed"`)
        assert.include(told()[0], setHash.slice(0, 12))
        yield* reload
        assert.strictEqual(told().length, 2)
      })
  )

  it.live("that is mended decides again, and nothing is refused any more", () =>
    Effect.gen(function* () {
      const { decide, folder, refused, reload, write } = yield* world()
      write("b.cedar", wrong)
      yield* reload
      assert.isNotNull(yield* refused)
      rmSync(join(folder, "b.cedar"))
      yield* reload
      assert.isNull(yield* refused)
      assert.strictEqual((yield* decide(read)).effect, "Run")
      write("b.cedar", wrong)
      yield* reload
      write("b.cedar", forbid)
      yield* reload
      assert.isNull(yield* refused)
      assert.strictEqual((yield* decide(read)).effect, "Deny")
    })
  )

  it.live("that is gone is refused, not taken for one that permits nothing", () =>
    Effect.gen(function* () {
      const { decide, folder, refused, reload } = yield* world()
      rmSync(folder, { recursive: true })
      yield* reload
      assert.include((yield* refused)?.message, "there is no such file or folder")
      assert.strictEqual((yield* decide(read)).effect, "Run")
    })
  )

  it.live("is followed where another one is moved into its place, which its own watch does not see", () =>
    Effect.gen(function* () {
      const { decide, folder } = yield* world({ lookMillis: 50 })
      mkdirSync(`${folder}.new`)
      writeFileSync(join(`${folder}.new`, "a.cedar"), forbid)
      renameSync(folder, `${folder}.old`)
      renameSync(`${folder}.new`, folder)
      yield* until(decide(read), ({ effect }) => effect === "Deny")
      writeFileSync(join(folder, "a.cedar"), permit)
      yield* until(decide(read), ({ effect }) => effect === "Run")
    })
  )

  it.live("tells every set that decided, in order, each once", () =>
    Effect.gen(function* () {
      const { decide, reload, sets, write } = yield* world()
      const hashes = [(yield* decide(read)).setHash]
      for (const text of [forbid, wrong, forbid, "", forbid]) {
        write("b.cedar", text)
        yield* reload
        const { setHash } = yield* decide(read)
        if (hashes.at(-1) !== setHash) hashes.push(setHash)
      }
      assert.strictEqual(hashes.length, 4)
      assert.strictEqual(hashes[1], hashes[3])
      const [last] = yield* Stream.runCollect(Stream.take(sets, 1))
      assert.strictEqual(last?.hash, hashes[3])
    })
  )

  it.live("never judges a question by two sets or by none, however often it changes", () =>
    Effect.gen(function* () {
      const { decide, reload, write } = yield* world()
      let changes = 0
      const asking = Effect.gen(function* () {
        const seen = new Map<string, Set<string>>()
        while (changes < 30) {
          const { effect, reason, setHash } = yield* decide(read)
          assert.notInclude(reason, "closed")
          seen.set(setHash, (seen.get(setHash) ?? new Set()).add(effect))
          yield* Effect.yieldNow
        }
        return seen
      })
      const changing = Effect.gen(function* () {
        for (;;) {
          write("b.cedar", changes % 2 === 0 ? forbid : "")
          yield* reload
          changes += 1
        }
      })
      const seen = yield* Effect.raceFirst(asking, changing)
      assert.isAtLeast(seen.size, 2)
      for (const effects of seen.values()) assert.strictEqual(effects.size, 1)
    })
  )
})
