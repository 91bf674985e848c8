import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { resolve } from "node:path"
import { pathToFileURL } from "node:url"

const signals = pathToFileURL(resolve(import.meta.dirname, "../../layers/cli/Signals.ts")).href

/** A program over `runMain` that says when it is up, and goes on as told. */
const program = (body: string): string => `
  import * as Effect from "effect/Effect"
  import * as Signals from "${signals}"
  const say = (text) => Effect.sync(() => process.stdout.write(text + "\\n"))
  // What counts as one wish is a matter of time, so the program lets time pass.
  const later = (millis) => Effect.delay(Effect.void, millis)
  const asked = Effect.flatMap(Signals.StopSignal, (stop) => stop.await)
  Signals.runMain(Effect.gen(function* () { ${body} }))
`

/** Sends each signal once the program has said as many words as stand before it. */
const signalled = async (body: string, ...sent: ReadonlyArray<readonly [words: number, signal: NodeJS.Signals]>) => {
  const child = spawn(process.execPath, ["--input-type=module", "-e", program(body)], { cwd: import.meta.dirname })
  const kill = () => child.kill("SIGKILL")
  process.once("exit", kill)
  const ended = once(child, "exit") as Promise<[code: number | null, signal: NodeJS.Signals | null]>
  let out = ""
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()))
  for (const [words, signal] of sent) {
    while (out.split("\n").length <= words && child.exitCode === null)
      await Promise.race([once(child.stdout, "data"), ended])
    child.kill(signal)
  }
  const [code, signal] = await ended
  process.off("exit", kill)
  return { code, signal, out: out.trim().split("\n") }
}

describe("the main program", () => {
  it("is asked to stop by the first signal, and ends with the code it answers", async () => {
    const body =
      'const stop = yield* Effect.forkChild(asked, { startImmediately: true }); yield* say("up"); yield* say(yield* asked); return 0'
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      assert.deepStrictEqual(await signalled(body, [1, signal]), { code: 0, signal: null, out: ["up", signal] })
    }
  })

  it("is interrupted by the first signal where it does not ask: releases, then 128 and the signal's number", async () => {
    const body = 'yield* say("up"); yield* Effect.ensuring(Effect.never, say("released"))'
    assert.deepStrictEqual(await signalled(body, [1, "SIGTERM"]), { code: 143, signal: null, out: ["up", "released"] })
    assert.deepStrictEqual(await signalled(body, [1, "SIGINT"]), { code: 130, signal: null, out: ["up", "released"] })
  })

  it("without a terminal, reads its files again at every SIGHUP where it can, and still stops at the next SIGTERM", async () => {
    const body = `
      yield* Effect.forkChild(Effect.forever(Effect.flatMap(Signals.StopSignal, (stop) =>
        Effect.andThen(stop.reread, say("read")))), { startImmediately: true })
      const stop = yield* Effect.forkChild(asked, { startImmediately: true }); yield* say("up"); yield* say(yield* asked); return 0`
    assert.deepStrictEqual(await signalled(body, [1, "SIGHUP"], [2, "SIGHUP"], [3, "SIGTERM"]), {
      code: 0,
      signal: null,
      out: ["up", "read", "read", "SIGTERM"]
    })
  })

  it("takes signals that come together for one wish, and ends at once by one that comes later", async () => {
    const hangs = `
      yield* Effect.forkChild(asked, { startImmediately: true })
      yield* say("up")
      yield* asked
      yield* say("stopping")
      yield* later(1_500)
      yield* say("still")
      yield* Effect.never
    `
    const ended = await signalled(hangs, [1, "SIGTERM"], [2, "SIGTERM"], [3, "SIGTERM"])
    assert.deepStrictEqual(ended, { code: 143, signal: null, out: ["up", "stopping", "still"] })
  })
})
