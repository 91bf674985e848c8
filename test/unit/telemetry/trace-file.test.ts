/** Spans on a real disk: bounded, private, and never anybody's trouble. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as OtlpResource from "effect/observability/OtlpResource"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as fs from "node:fs/promises"
import { join } from "node:path"
import type { Ended } from "#layers/telemetry/TidyTracer.ts"
import * as TraceFile from "#layers/telemetry/TraceFile.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const resource = OtlpResource.make({ serviceName: "test" })
const fileBytesMax = Bounds.traceFileBytesMin

const span = (name: string): Ended => ({
  name,
  kind: "internal",
  traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
  spanId: "00f067aa0ba902b7",
  parentSpanId: null,
  startNanos: 1_700_000_000_000_000_000n,
  endNanos: 1_700_000_000_000_000_001n,
  attributes: new Map<string, unknown>([["http.route", "/v1/sessions"]]),
  links: [],
  failure: null
})

const spansIn = (text: string): ReadonlyArray<any> =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line).resourceSpans[0].scopeSpans[0].spans[0])

const read = (folder: string, name = TraceFile.fileName) =>
  Effect.promise(() => fs.readFile(join(folder, name), "utf8"))

/** Counts from nothing. */
const fresh = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => Effect.provideService(effect, Metric.MetricRegistry, new Map()))

/** A folder in it that nobody has made yet. */
const folder = Effect.map(TemporaryFolder.make, (parent) => join(parent, "data", "traces"))

describe("the trace file", () => {
  it.live("is written by itself, one OTLP document a line, readable to its user alone", () =>
    Effect.gen(function* () {
      const at = yield* folder
      const file = yield* TraceFile.make({ folder: at, fileBytesMax, resource })
      file.push(span("Room.operation"))
      const text = yield* Effect.tryPromise(() => fs.readFile(join(at, TraceFile.fileName), "utf8")).pipe(
        Effect.filterOrFail((text) => text.endsWith("\n")),
        Effect.eventually
      )
      const [only] = spansIn(text)
      assert.deepInclude(only, {
        traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
        name: "Room.operation",
        startTimeUnixNano: "1700000000000000000",
        status: { code: 1 }
      })
      assert.deepStrictEqual(only.attributes, [{ key: "http.route", value: { stringValue: "/v1/sessions" } }])
      const modes = yield* Effect.promise(() => Promise.all([fs.stat(join(at, TraceFile.fileName)), fs.stat(at)]))
      assert.deepStrictEqual(
        modes.map(({ mode }) => mode & 0o777),
        [0o600, 0o700]
      )
    }).pipe(Effect.scoped, fresh)
  )

  it.live("is closed to others also where it was left open to them, and is no way to another file", () =>
    Effect.gen(function* () {
      const at = yield* folder
      const path = join(at, TraceFile.fileName)
      yield* Effect.promise(() => fs.mkdir(at, { recursive: true }))
      yield* Effect.promise(() => fs.writeFile(path, "", { mode: 0o644 }))
      yield* Effect.promise(() => TraceFile.appendTo(at, fileBytesMax)("line\n"))
      assert.strictEqual((yield* Effect.promise(() => fs.stat(path))).mode & 0o777, 0o600)
      const elsewhere = join(at, "elsewhere")
      yield* Effect.promise(() => fs.writeFile(elsewhere, "mine"))
      yield* Effect.promise(() => fs.rm(path))
      yield* Effect.promise(() => fs.symlink(elsewhere, path))
      const linked = yield* Effect.exit(Effect.tryPromise(() => TraceFile.appendTo(at, fileBytesMax)("line\n")))
      assert.isTrue(Exit.isFailure(linked))
      assert.strictEqual(yield* read(at, "elsewhere"), "mine")
    }).pipe(Effect.scoped, fresh)
  )

  it.live("keeps the newest spans in a few files, none of them larger than its bound", () =>
    Effect.gen(function* () {
      const at = yield* folder
      const file = yield* TraceFile.make({ folder: at, fileBytesMax, resource })
      for (let round = 0; round < 20; round++) {
        for (let index = 0; index < 300; index++) file.push(span(`${round}.${index}`))
        yield* file.flush
      }
      const names = (yield* Effect.promise(() => fs.readdir(at))).sort()
      assert.deepStrictEqual(names, ["trace.1.jsonl", "trace.2.jsonl", "trace.3.jsonl", "trace.jsonl"])
      const kept: Array<string> = []
      for (const name of ["trace.3.jsonl", "trace.2.jsonl", "trace.1.jsonl", "trace.jsonl"]) {
        const { mode, size } = yield* Effect.promise(() => fs.stat(join(at, name)))
        assert.isAtMost(size, fileBytesMax)
        assert.isAbove(size, 0)
        assert.strictEqual(mode & 0o777, 0o600)
        kept.push(...spansIn(yield* read(at, name)).map(({ name }) => name))
      }
      const all = Array.from({ length: 20 }, (_, round) =>
        Array.from({ length: 300 }, (_, index) => `${round}.${index}`)
      ).flat()
      assert.isBelow(kept.length, all.length, "the oldest are gone")
      assert.deepStrictEqual(kept, all.slice(-kept.length), "in order, without a gap, up to the last")
    }).pipe(Effect.scoped, fresh)
  )

  it.live("writes what still waits when its scope ends", () =>
    Effect.gen(function* () {
      const at = yield* folder
      yield* Effect.scoped(
        Effect.map(TraceFile.make({ folder: at, fileBytesMax, resource }), (file) => file.push(span("last words")))
      )
      assert.deepStrictEqual(
        spansIn(yield* read(at)).map(({ name }) => name),
        ["last words"]
      )
    }).pipe(Effect.scoped, fresh)
  )
})

describe("a stop in the middle of a write", () => {
  for (const [count, what] of [
    [500, "loses no span and writes none twice"],
    [1, "waits for the one that is being written"]
  ] as const) {
    it.effect(what, () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const texts: Array<string> = []
        const begun = Deferred.makeUnsafe<void>()
        let release: () => void = () => undefined
        const held = new Promise<void>((resolve) => (release = resolve))
        const append = async (text: string) => {
          Deferred.doneUnsafe(begun, Effect.void)
          await held
          texts.push(text)
        }
        const file = yield* TraceFile.make({ folder: "/nowhere", fileBytesMax, resource, append }).pipe(
          Effect.provideService(Scope.Scope, scope)
        )
        const names = Array.from({ length: count }, (_, index) => `span ${index}`)
        for (const name of names) file.push(span(name))
        yield* TestClock.adjust(Bounds.traceFlushMillis)
        yield* Deferred.await(begun)
        const closing = yield* Scope.close(scope, Exit.void).pipe(
          Effect.map(() => texts.flatMap(spansIn).map(({ name }) => name)),
          Effect.forkChild({ startImmediately: true })
        )
        release()
        assert.deepStrictEqual(yield* Fiber.join(closing), names)
        assert.strictEqual((yield* Metric.value(TraceFile.written)).count, names.length)
        assert.strictEqual((yield* Metric.value(TraceFile.dropped)).count, 0)
      }).pipe(fresh)
    )
  }
})

describe("a disk that does not do its work", () => {
  it.effect("costs spans, is said once, counted, and taken again when it is back", () => {
    const lines: Array<string> = []
    const told = Logger.layer([Logger.map(Logger.formatSimple, (line) => void lines.push(line))])
    let broken = true
    const append = () => (broken ? Promise.reject(Object.assign(new Error("x"), { code: "EIO" })) : Promise.resolve())
    return Effect.gen(function* () {
      const file = yield* TraceFile.make({ folder: "/nowhere", fileBytesMax, resource, append })
      for (let round = 0; round < 3; round++) {
        file.push(span("lost"))
        yield* file.flush
      }
      assert.strictEqual((yield* Metric.value(TraceFile.dropped)).count, 3)
      assert.strictEqual((yield* Metric.value(TraceFile.failing)).value, 1)
      broken = false
      file.push(span("kept"))
      yield* file.flush
      assert.strictEqual((yield* Metric.value(TraceFile.written)).count, 1)
      assert.strictEqual((yield* Metric.value(TraceFile.failing)).value, 0)
      assert.lengthOf(lines, 2)
      assert.match(lines[0]!, /can't be written \(EIO\)/)
      assert.match(lines[1]!, /written again/)
    }).pipe(Effect.scoped, Effect.provide(told), fresh)
  })

  it.live("is a folder that can't be made, too", () =>
    Effect.gen(function* () {
      const parent = yield* TemporaryFolder.make
      yield* Effect.promise(() => fs.writeFile(join(parent, "data"), "a file"))
      const file = yield* TraceFile.make({ folder: join(parent, "data", "traces"), fileBytesMax, resource })
      file.push(span("lost"))
      yield* file.flush
      assert.strictEqual((yield* Metric.value(TraceFile.dropped)).count, 1)
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([])), fresh)
  )

  it.effect("holds nobody up: what finds no room is dropped and counted, and a stop waits for a moment only", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const begun = Deferred.makeUnsafe<void>()
      const append = () => {
        Deferred.doneUnsafe(begun, Effect.void)
        return new Promise<void>(() => undefined)
      }
      const file = yield* TraceFile.make({ folder: "/nowhere", fileBytesMax, resource, append, waitingMax: 10 }).pipe(
        Effect.provideService(Scope.Scope, scope)
      )
      file.push(span("stuck"))
      yield* TestClock.adjust(Bounds.traceFlushMillis)
      yield* Deferred.await(begun)
      for (let index = 0; index < 1_000; index++) file.push(span("waits"))
      assert.strictEqual((yield* Metric.value(TraceFile.dropped)).count, 990)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* TestClock.adjust(Bounds.telemetryFlushMillis)
      yield* Fiber.join(closing)
    }).pipe(fresh)
  )
})
