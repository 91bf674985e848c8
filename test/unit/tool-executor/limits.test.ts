import { assert, describe, it } from "@effect/vitest"
import * as Tool from "effect/ai/Tool"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { type Handler, register, type RegisterOptions } from "#layers/tool-executor/ToolRegistry.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { type PermitFields, redeem } from "#src/kernel/Permit.ts"
import { HaltSwitch } from "#src/ports/HaltSwitch.ts"
import { ToolExecutor, ToolFailed } from "#src/ports/ToolExecutor.ts"
import { claim, layer, makeWorld } from "./world.ts"

const Work = Tool.make("work", { success: Schema.Json })

const execute = (fields: PermitFields) => Effect.flatMap(ToolExecutor, (executor) => executor.execute(redeem(fields)))

/** One world with the tool `work`, and a way to run it on a fresh claim. */
const setting = (handler: Handler<unknown, Schema.Json>, options?: RegisterOptions) => {
  const world = makeWorld()
  return {
    world,
    run: (changed: Partial<PermitFields> = {}) => Effect.flatMap(claim(world, "work", {}, changed), execute),
    provided: layer(world, [register(Work, handler, options)])
  }
}

/** A handler that never ends by itself, and what became of it. */
const endless = () => {
  const seen = { started: 0, released: 0 }
  const handler = () =>
    Effect.gen(function* () {
      yield* Effect.acquireRelease(
        Effect.sync(() => void seen.started++),
        () => Effect.sync(() => void seen.released++)
      )
      return yield* Effect.never
    })
  return { seen, handler }
}

const codeOf = (error: unknown) => (error instanceof ToolFailed ? error.code : `not a ToolFailed: ${String(error)}`)

describe("a run", () => {
  it.effect("is stopped at its own time limit, and its scope is closed before the answer", () => {
    const { seen, handler } = endless()
    const { run, provided } = setting(handler, { timeoutMillis: 700 })
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.flip(run()))
      yield* TestClock.adjust(699)
      assert.deepStrictEqual(seen, { started: 1, released: 0 })
      yield* TestClock.adjust(1)
      assert.strictEqual(codeOf(yield* Fiber.join(fiber)), "TimedOut")
      assert.deepStrictEqual(seen, { started: 1, released: 1 })
    }).pipe(Effect.provide(provided))
  })

  it.effect("is stopped before its lease ends, with time to clean up", () => {
    const { seen, handler } = endless()
    const { run, provided } = setting(handler, { timeoutMillis: Bounds.toolMillisMax })
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.flip(run({ leaseUntilMillis: 5_000 })))
      yield* TestClock.adjust(5_000 - Bounds.toolStopMillis)
      assert.strictEqual(codeOf(yield* Fiber.join(fiber)), "TimedOut")
      assert.strictEqual(seen.released, 1)
    }).pipe(Effect.provide(provided))
  })

  it.effect("that has no time left to be stopped in is not begun", () => {
    const { seen, handler } = endless()
    const { world, run, provided } = setting(handler)
    return Effect.gen(function* () {
      assert.strictEqual(codeOf(yield* Effect.flip(run({ leaseUntilMillis: Bounds.toolStopMillis }))), "LeaseSpent")
      assert.deepStrictEqual([seen.started, world.bypasses.length], [0, 0])
    }).pipe(Effect.provide(provided))
  })

  it.effect("that meets a halt is not begun, is no bypass, and may be claimed anew once it is over", () => {
    const { seen, handler } = endless()
    const { world, run, provided } = setting(handler)
    return Effect.gen(function* () {
      const halting = yield* HaltSwitch
      yield* halting.settle(Effect.succeed({ cancelRunning: false }))
      assert.strictEqual(codeOf(yield* Effect.flip(run())), "Halted")
      assert.deepStrictEqual([seen.started, world.bypasses.length], [0, 0])
      yield* halting.settle(Effect.succeed(null))
      const fiber = yield* Effect.forkChild(run())
      yield* TestClock.adjust(0)
      assert.strictEqual(seen.started, 1)
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(provided))
  })

  it.effect("goes on through a halt that lets it, and is stopped and cleaned up by one that does not", () => {
    const { seen, handler } = endless()
    const { run, provided } = setting(handler, { timeoutMillis: 5_000 })
    return Effect.gen(function* () {
      const halting = yield* HaltSwitch
      const fiber = yield* Effect.forkChild(Effect.flip(run()))
      yield* TestClock.adjust(0)
      yield* halting.settle(Effect.succeed({ cancelRunning: false }))
      yield* TestClock.adjust(4_999)
      assert.deepStrictEqual(seen, { started: 1, released: 0 })
      yield* halting.settle(Effect.succeed({ cancelRunning: true }))
      assert.strictEqual(codeOf(yield* Fiber.join(fiber)), "Cancelled")
      assert.deepStrictEqual(seen, { started: 1, released: 1 })
    }).pipe(Effect.provide(provided))
  })

  it.effect("is stopped with its caller", () => {
    const { seen, handler } = endless()
    const { run, provided } = setting(handler)
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(run())
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(seen, { started: 1, released: 1 })
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
    }).pipe(Effect.provide(provided))
  })

  it.effect("gives at most what a result may hold", () => {
    // Two quotes around the text.
    const fits = Bounds.resultTextMax - 2
    let length = fits
    const { run, provided } = setting(() => Effect.sync(() => "x".repeat(length)))
    return Effect.gen(function* () {
      assert.strictEqual((yield* run()).output, "x".repeat(fits))
      length++
      assert.strictEqual(codeOf(yield* Effect.flip(run())), "OutputTooLarge")
    }).pipe(Effect.provide(provided))
  })

  it.effect("that gives what its schema or JSON has no form for fails as OutputInvalid", () => {
    let output: unknown = Number.NaN
    const { run, provided } = setting(() => Effect.sync(() => output as Schema.Json))
    return Effect.gen(function* () {
      assert.strictEqual(codeOf(yield* Effect.flip(run())), "OutputInvalid")
      output = "half \ud800"
      assert.strictEqual(codeOf(yield* Effect.flip(run())), "OutputInvalid")
    }).pipe(Effect.provide(provided))
  })

  it.effect("that fails with a long story has it cut, under its own name", () => {
    const { run, provided } = setting(() =>
      Effect.fail(new ToolFailed({ tool: "x", code: "c".repeat(99), detail: "d".repeat(9_999), retryable: false }))
    )
    return Effect.gen(function* () {
      const error = yield* Effect.flip(run())
      assert.isTrue(error instanceof ToolFailed)
      const { tool, code, detail } = error as ToolFailed
      assert.deepStrictEqual([tool, code.length, detail.length], ["work", 64, Bounds.reasonTextMax])
    }).pipe(Effect.provide(provided))
  })

  const bugs: ReadonlyArray<readonly [title: string, bug: Effect.Effect<never>]> = [
    ["dies", Effect.die(new RangeError("secret-7f3a\n    at secret-7f3a (secret-7f3a)"))],
    [
      "throws",
      Effect.sync(() => {
        throw new TypeError("secret-7f3a")
      })
    ],
    ["dies of a text", Effect.die("secret-7f3a")],
    ["interrupts itself", Effect.interrupt]
  ]
  for (const [title, bug] of bugs) {
    it.effect(`of a handler that ${title} fails as Defect, and neither answer nor log repeats what it said`, () => {
      const { run, provided } = setting(() => bug)
      const logged: Array<string> = []
      const listener = Logger.map(Logger.formatJson, (line) => void logged.push(line))
      return Effect.gen(function* () {
        const error = yield* Effect.flip(run())
        assert.strictEqual(codeOf(error), "Defect")
        assert.strictEqual(logged.length, 1)
        assert.include(logged[0], '"tool":"work"')
        assert.notInclude(JSON.stringify(error) + logged.join(), "secret-7f3a")
      }).pipe(Effect.provide([provided, Logger.layer([listener])]))
    })
  }

  it.effect("of arguments that the schema refuses after all does not reach the handler", () => {
    const { seen, handler } = endless()
    const { world, provided } = setting(handler)
    return Effect.gen(function* () {
      const fields = yield* claim(world, "work", { surprise: 1 })
      assert.strictEqual(codeOf(yield* Effect.flip(execute(fields))), "ArgumentsInvalid")
      const notJson = yield* claim(world, "work", {}, { argumentsText: "{" })
      assert.strictEqual((yield* Effect.flip(execute(notJson)))._tag, "PermitRefused")
      assert.strictEqual(seen.started, 0)
    }).pipe(Effect.provide(provided))
  })
})
