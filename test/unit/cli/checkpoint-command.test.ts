/** `keelson checkpoint`, `prove` and `verify --checkpoint`: what is asked of a deployment, and how it is told. */
import * as Effect from "effect/Effect"
import { assert, describe, it } from "@effect/vitest"
import type { Doubt } from "#layers/cli/Deployment.ts"
import * as Signed from "#layers/profiles/Signed.ts"
import { clean, keelson } from "./kit.ts"

const note = "keelson.journal/x\n5\nDM+B5at5dyDUkpM9ckmJUv/jsYgClfkLFKHk8H7W+D8=\n\n— keelson.journal/x AAAA\n"

const words = (text: string) => text.replace(/\s+/g, " ").trim()

describe("checkpoint", () => {
  it.effect("prints the newest one and nothing else", () =>
    Effect.gen(function* () {
      const checkpoints = { newest: () => Effect.succeed(note) }
      // A line end follows whatever is printed.
      const plain = yield* keelson(["checkpoint"], { checkpoints })
      assert.deepStrictEqual(plain, { exitCode: 0, out: note.slice(0, -1), err: "" })
      const { out } = yield* keelson(["checkpoint", "--json"], { checkpoints })
      assert.deepStrictEqual(JSON.parse(out), { checkpoint: note })
    })
  )

  it.effect("signs one now where it is told to, in the folder that it is told", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const take = ({ checkpointFolder }: { readonly checkpointFolder: string }) => {
        asked.push(checkpointFolder)
        return Effect.succeed(note)
      }
      const args = ["checkpoint", "--now", "--data-folder", "/d"]
      assert.strictEqual((yield* keelson(args, { checkpoints: { take } })).exitCode, 0)
      yield* keelson([...args, "--checkpoint-folder", "/c"], { checkpoints: { take } })
      assert.deepStrictEqual(asked, ["/d/checkpoints", "/c"])
    })
  )

  it.effect("says where there is none, and what to do", () =>
    Effect.gen(function* () {
      const { err, exitCode, out } = yield* keelson(["checkpoint"])
      assert.deepStrictEqual([exitCode, out], [1, ""])
      assert.match(words(err), /There is no checkpoint yet\. .*--now/)
      const { err: told } = yield* keelson(["checkpoint", "--json"])
      assert.deepInclude(JSON.parse(told), { refused: "NoCheckpoint", exitCode: 1 })
    })
  )

  it.effect("shows keys and adds one, one thing at a time", () =>
    Effect.gen(function* () {
      const checkpoints = { keys: () => Effect.succeed(["a+1+x", "a+2+y"]), rotate: () => Effect.succeed(2) }
      assert.strictEqual((yield* keelson(["checkpoint", "--show-keys"], { checkpoints })).out, "a+1+x\na+2+y")
      const rotated = yield* keelson(["checkpoint", "--rotate-key", "--json"], { checkpoints })
      assert.deepStrictEqual(JSON.parse(rotated.out), { version: 2 })
      const both = yield* keelson(["checkpoint", "--rotate-key", "--show-keys"], { checkpoints })
      assert.deepInclude(both, { exitCode: 2, out: "" })
    })
  )

  it.effect("tells a journal that contradicts what was signed from one that can't be looked at", () =>
    Effect.gen(function* () {
      for (const [wrong, code] of [
        [true, "NotTrue"],
        [false, "NotSigned"]
      ] as const) {
        const take = () => Signed.refused("5 events were signed", wrong)
        const { err, exitCode } = yield* keelson(["checkpoint", "--now", "--json"], { checkpoints: { take } })
        assert.strictEqual(exitCode, 1)
        assert.deepInclude(JSON.parse(err), { refused: code, detail: "5 events were signed." })
      }
    })
  )
})

describe("prove", () => {
  const asked: Array<ReadonlyArray<string | null>> = []
  const checkpoints = {
    inclusion: (_: unknown, event: string, file: string | null) => {
      asked.push(["inclusion", event, file])
      return Effect.succeed(`proof of ${event}\n`)
    },
    consistency: (_: unknown, from: string, to: string | null) => {
      asked.push(["consistency", from, to])
      return Effect.succeed("proof of growth\n")
    },
    check: (
      _: unknown,
      file: string,
      { from, keys }: { readonly from: string | null; readonly keys: string | null }
    ) => {
      asked.push(["check", file, from, keys])
      return Effect.succeed("this and that are so")
    }
  }

  it.effect("asks for what is typed, and prints the proof and nothing else", () =>
    Effect.gen(function* () {
      asked.length = 0
      const run = (...args: ReadonlyArray<string>) => keelson(["prove", ...args], { checkpoints })
      assert.deepStrictEqual(yield* run("evt_x"), { exitCode: 0, out: "proof of evt_x", err: "" })
      yield* run("7", "--to", "c")
      assert.deepStrictEqual(yield* run("--from", "a"), { exitCode: 0, out: "proof of growth", err: "" })
      yield* run("--from", "a", "--to", "b")
      assert.strictEqual((yield* run("--check", "p", "--keys", "k")).out, "It holds: this and that are so.")
      const judged = yield* run("--check", "p", "--from", "a", "--json")
      assert.deepStrictEqual(JSON.parse(judged.out), { holds: true, proves: "this and that are so" })
      assert.deepStrictEqual(asked, [
        ["inclusion", "evt_x", null],
        ["inclusion", "7", "c"],
        ["consistency", "a", null],
        ["consistency", "a", "b"],
        ["check", "p", null, "k"],
        ["check", "p", "a", null]
      ])
    })
  )

  it.effect("refuses what means nothing, and asks nothing then", () =>
    Effect.gen(function* () {
      asked.length = 0
      for (const args of [
        [],
        ["evt_x", "--from", "a"],
        ["evt_x", "--check", "p"],
        ["evt_x", "--keys", "k"],
        ["--to", "b"]
      ]) {
        const { err, exitCode } = yield* keelson(["prove", ...args], { checkpoints })
        assert.strictEqual(exitCode, 2, args.join(" "))
        assert.notStrictEqual(err, "")
      }
      assert.deepStrictEqual(asked, [])
    })
  )

  it.effect("says that a proof does not hold, with exit code 1", () =>
    Effect.gen(function* () {
      const check = () => Signed.refused("p.proof does not lead to the signed root: it proves nothing", true)
      const { err, exitCode, out } = yield* keelson(["prove", "--check", "p.proof"], { checkpoints: { check } })
      assert.deepStrictEqual([exitCode, out], [1, ""])
      assert.include(words(err), "keelson prove: p.proof does not lead to the signed root")
    })
  )
})

describe("verify with a checkpoint", () => {
  it.effect("holds the store against it and says how much was signed", () =>
    Effect.gen(function* () {
      const doubts: Array<Doubt> = []
      const world = {
        doubted: (doubt: Doubt) => void doubts.push(doubt),
        verify: Effect.succeed({ ...clean, signed: 1_200 })
      }
      const { exitCode, out } = yield* keelson(["verify", "--checkpoint", "c", "--keys", "k"], world)
      assert.strictEqual(exitCode, 0)
      assert.include(words(out), "Signed: the first 1,200 events are the very ones that the checkpoint covers.")
      const json = yield* keelson(["verify", "--checkpoint", "c", "--json"], world)
      assert.deepInclude(JSON.parse(json.out), { clean: true, signed: 1_200 })
      yield* keelson(["verify"], world)
      assert.deepStrictEqual(doubts, [
        { checkpoint: "c", keys: "k" },
        { checkpoint: "c", keys: null },
        { checkpoint: null, keys: null }
      ])
    })
  )

  it.effect("says nothing of signatures where there was no checkpoint", () =>
    Effect.gen(function* () {
      assert.notInclude((yield* keelson(["verify"])).out, "Signed")
      assert.notInclude((yield* keelson(["verify", "--json"])).out, "signed")
    })
  )
})
