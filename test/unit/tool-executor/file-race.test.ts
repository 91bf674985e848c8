import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { lstatSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { type Folder, outsideUntouched, secret, workspace } from "./folder.ts"

/** `d/secret.txt` and `f` hold "mine"; another process swaps both for links to the outside until the scope closes. */
const contested = (place: Folder) =>
  Effect.gen(function* () {
    mkdirSync(join(place.inside, "d"))
    writeFileSync(join(place.inside, "d", "secret.txt"), "mine")
    writeFileSync(join(place.inside, "f"), "mine")
    yield* Effect.acquireRelease(
      Effect.promise(async () => {
        const script = fileURLToPath(new URL("swapper.ts", import.meta.url))
        const child = spawn(process.execPath, [script, place.inside, place.outside], {
          stdio: ["ignore", "pipe", "inherit"]
        })
        const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
        await Promise.race([new Promise((resolve) => child.stdout.once("data", resolve)), ended])
        return { child, ended }
      }),
      ({ child, ended }) =>
        Effect.promise(() => {
          assert.isNull(child.exitCode, "the swapper swapped to the end")
          child.kill("SIGKILL")
          return ended
        })
    )
  })

/** How often each answer came. */
type Tally = Map<string, number>

const tally = (seen: Tally, answer: string) => void seen.set(answer, (seen.get(answer) ?? 0) + 1)

/** What may come out of a race: the file, or a refusal that says what was in the way. Both must have come. */
const assertContested = (seen: Tally) => {
  const expected = new Set(["done", "LinkRefused", "NotFound", "Exists"])
  const figures = JSON.stringify([...seen])
  assert.isTrue(
    [...seen.keys()].every((answer) => expected.has(answer)),
    figures
  )
  assert.isTrue(seen.has("done") && seen.has("LinkRefused"), figures)
}

describe("a race for a path", () => {
  it.live(
    "never lets file.read out of the workspace",
    () =>
      Effect.gen(function* () {
        const place = yield* workspace("descriptor")
        yield* contested(place)
        const seen: Tally = new Map()
        for (let round = 0; round < 2_000; round++) {
          for (const path of ["d/secret.txt", "f"]) {
            const result = yield* Effect.result(place.call("file.read", { path }))
            if (Result.isSuccess(result)) assert.strictEqual(result.success.text, "mine")
            tally(seen, Result.isSuccess(result) ? "done" : String(result.failure.code))
          }
        }
        assertContested(seen)
      }),
    60_000
  )

  it.live(
    "never lets file.write or file.list out of the workspace",
    () =>
      Effect.gen(function* () {
        const place = yield* workspace("descriptor")
        const { call } = place
        yield* contested(place)
        const seen: Tally = new Map()
        for (let round = 0; round < 150; round++) {
          const attempts = [
            call("file.write", { path: `d/new-${round}`, content: "x" }),
            call("file.write", { path: "d/replaced", content: "x", mode: "replace" }),
            call("file.write", { path: "d/secret.txt", content: "x", mode: "append" }),
            call("file.write", { path: "f", content: "x", mode: "append" })
          ]
          for (const attempt of attempts) {
            const result = yield* Effect.result(attempt)
            tally(seen, Result.isSuccess(result) ? "done" : String(result.failure.code))
          }
          const listed = yield* Effect.result(call("file.list", { path: "d" }))
          if (Result.isSuccess(listed)) assert.notInclude(JSON.stringify(listed.success), '"deep"')
        }
        assert.isTrue(outsideUntouched(place))
        assertContested(seen)
      }),
    60_000
  )

  it.live(
    "counter-check: a reader that looks first and opens afterwards is led outside",
    () =>
      Effect.gen(function* () {
        const place = yield* workspace("descriptor")
        yield* contested(place)
        const root = realpathSync(place.inside)
        const naive = (name: string) => {
          const path = join(place.inside, name)
          if (!realpathSync(path).startsWith(`${root}/`) || lstatSync(path).isSymbolicLink()) return ""
          return readFileSync(path, "utf8")
        }
        const deadline = Date.now() + 45_000
        let led = false
        while (!led && Date.now() < deadline) {
          for (const name of ["d/secret.txt", "f"]) {
            const text = yield* Effect.result(Effect.try(() => naive(name)))
            led ||= Result.isSuccess(text) && text.success === secret
          }
          yield* Effect.yieldNow
        }
        assert.isTrue(led)
      }),
    60_000
  )
})
