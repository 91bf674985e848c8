/** The follower signs a journal that grows, and nothing that contradicts what it signed. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as fs from "node:fs"
import { join } from "node:path"
import * as Ed25519 from "#layers/signer/Ed25519.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Checkpoint from "#src/kernel/Checkpoint.ts"
import { CheckpointFolderError } from "#src/ports/CheckpointFolder.ts"
import * as Kit from "./kit.ts"

const allTrue = (world: Kit.World) => {
  const keys = Kit.publishedKeys(world)
  for (const checkpoint of Kit.kept(world)) {
    assert.isTrue(Checkpoint.isSigned(checkpoint, keys, Ed25519.verify))
    assert.strictEqual(checkpoint.root, Kit.rootOf(world.journal.rows, checkpoint.size), `${checkpoint.size}`)
  }
}

describe("the checkpoint follower", () => {
  it.effect("signs what is there at every interval, where it is more than before", () =>
    Effect.gen(function* () {
      const world = yield* Kit.newWorld
      const follower = yield* Kit.start(world)
      const running = yield* Effect.forkChild(follower.process(10_000))
      for (const size of [3, 2_503, 2_504]) {
        Kit.grow(world.journal, size - world.journal.rows.length)
        while ((yield* follower.status).size < size) {
          yield* TestClock.adjust("10 seconds")
          // Files take the world's time.
          yield* Effect.promise(() => new Promise((resume) => setImmediate(resume)))
        }
      }
      yield* Fiber.interrupt(running)
      yield* follower.take
      assert.deepStrictEqual(Kit.sizes(world), [3, 2_503, 2_504])
      allTrue(world)
      assert.isTrue(Kit.leavesAreTrue(world))
    })
  )

  it.effect("goes on at the next start where it was, and takes each event once", () =>
    Effect.gen(function* () {
      const world = yield* Kit.newWorld
      Kit.grow(world.journal, 1_500)
      yield* Kit.look(world)
      world.journal.reads = []
      Kit.grow(world.journal, 7)
      yield* Kit.look(world)
      // From the last leaf that was signed, which is looked at again.
      assert.strictEqual(Math.min(...world.journal.reads), 1_499)
      assert.deepStrictEqual(Kit.sizes(world), [1_500, 1_507])
      allTrue(world)
      assert.isTrue(Kit.leavesAreTrue(world))
    })
  )

  it.effect.each([
    ["is lost", (path: string) => fs.rmSync(path)],
    ["is damaged", (path: string) => fs.writeFileSync(path, "{")],
    [
      "is forged",
      (path: string) => fs.writeFileSync(path, JSON.stringify({ size: 5, peaks: ["ab".repeat(32), "cd".repeat(32)] }))
    ],
    [
      "is of another size",
      (path: string) => fs.writeFileSync(path, JSON.stringify({ size: 4, peaks: ["ab".repeat(32)] }))
    ]
  ] as const)("reads the journal from its first event where the kept tree %s", ([, harm]) =>
    Effect.gen(function* () {
      const world = yield* Kit.newWorld
      Kit.grow(world.journal, 5)
      yield* Kit.look(world)
      harm(join(Kit.checkpointFolder(world), "tree.json"))
      Kit.grow(world.journal, 6)
      world.journal.reads = []
      assert.deepStrictEqual(yield* Kit.look(world), { size: 11, contradiction: null, failure: null })
      assert.include(world.journal.reads, 0)
      allTrue(world)
    })
  )

  it.effect("makes the leaves anew where they were lost", () =>
    Effect.gen(function* () {
      const world = yield* Kit.newWorld
      Kit.grow(world.journal, 5)
      const follower = yield* Kit.start(world)
      yield* follower.take
      fs.rmSync(join(Kit.checkpointFolder(world), "leaves"))
      Kit.grow(world.journal, 2)
      yield* follower.take
      assert.deepStrictEqual(Kit.sizes(world), [5, 7])
      assert.isTrue(Kit.leavesAreTrue(world))
    })
  )

  const tamperings: ReadonlyArray<readonly [what: string, harm: (world: Kit.World) => void, said: RegExp]> = [
    ["the last event was cut", ({ journal }) => journal.rows.splice(-1), /9 events were signed/],
    ["everything is gone", ({ journal }) => journal.rows.splice(0), /9 events were signed/],
    [
      "the tail was cut and grown again",
      ({ journal }) => {
        journal.rows.splice(-2)
        Kit.grow(journal, 4, "other")
      },
      /first 9 events are not the 9/
    ],
    [
      "an old event was changed and the kept tree is lost",
      (world) => {
        world.journal.rows[3] = { position: 4, hash: Kit.sha256("another") }
        fs.rmSync(join(Kit.checkpointFolder(world), "tree.json"))
      },
      /first 9 events are not the 9/
    ],
    [
      "two events changed places and the kept tree is lost",
      (world) => {
        const [one, two] = [world.journal.rows[1]!, world.journal.rows[6]!]
        world.journal.rows[1] = { position: 2, hash: two.hash }
        world.journal.rows[6] = { position: 7, hash: one.hash }
        fs.rmSync(join(Kit.checkpointFolder(world), "tree.json"))
      },
      /first 9 events are not the 9/
    ],
    [
      "an event behind the signed ones is missing",
      ({ journal }) => {
        Kit.grow(journal, 3)
        journal.rows.splice(10, 1)
      },
      /position 11 of the journal is missing/
    ],
    [
      "the newest checkpoint is damaged",
      (world) => fs.writeFileSync(join(Kit.checkpointFolder(world), "0000000000000009.checkpoint"), "x"),
      /is damaged/
    ],
    [
      "the newest checkpoint is somebody else's",
      (world) => {
        const path = join(Kit.checkpointFolder(world), "0000000000000009.checkpoint")
        const seed = Buffer.alloc(32, 1)
        const { origin, root } = Checkpoint.parse(fs.readFileSync(path, "utf8"))!
        const text = Checkpoint.textOf({ origin, root, size: 9 })
        const { id } = Checkpoint.publicKey(Kit.sha256OfHex, origin, Ed25519.publicBytes(seed))
        fs.writeFileSync(path, Checkpoint.noteOf(text, [{ name: origin, id, bytes: Ed25519.sign(seed, text) }]))
      },
      /not signed by this journal's key/
    ]
  ]

  for (const [what, harm, said] of tamperings) {
    it.effect(`signs nothing where ${what}, while it runs and at its next start`, () =>
      Effect.gen(function* () {
        const world = yield* Kit.newWorld
        Kit.grow(world.journal, 9)
        const running = yield* Kit.start(world)
        yield* running.take
        const before = fs.readdirSync(Kit.checkpointFolder(world))
        const leaves = fs.readFileSync(join(Kit.checkpointFolder(world), "leaves"))
        harm(world)
        Kit.grow(world.journal, what.startsWith("an old") || what.startsWith("two") ? 1 : 0)
        const after = yield* Kit.look(world)
        assert.match(after.contradiction ?? "", said)
        assert.isNull(after.failure)
        const gone = fs.readdirSync(Kit.checkpointFolder(world))
        for (const name of gone) assert.include(before, name)
        // What was signed stays known, so that what differs can be named.
        assert.deepStrictEqual(
          fs.readFileSync(join(Kit.checkpointFolder(world), "leaves")).subarray(0, leaves.length),
          leaves
        )
        if (what.includes("kept tree")) return
        assert.match((yield* running.take).contradiction ?? "", said)
        assert.match((yield* running.status).contradiction ?? "", said)
      })
    )
  }

  it.effect("goes on once the journal is again the one that was signed", () =>
    Effect.gen(function* () {
      const world = yield* Kit.newWorld
      Kit.grow(world.journal, 9)
      const follower = yield* Kit.start(world)
      yield* follower.take
      const [last] = world.journal.rows.splice(-1)
      assert.isNotNull((yield* follower.take).contradiction)
      world.journal.rows.push(last!)
      Kit.grow(world.journal, 1)
      assert.deepStrictEqual(yield* follower.take, { size: 10, contradiction: null, failure: null })
      allTrue(world)
    })
  )

  it.effect("loses no event and takes none twice, whichever of its writes it does not live through", () =>
    Effect.gen(function* () {
      for (const lost of ["keepLeaves", "keep", "keepTree", "publish"] as const) {
        for (const before of [true, false]) {
          const plain = yield* Kit.newWorld
          Kit.grow(plain.journal, 1_200)
          yield* Kit.look(plain)
          Kit.grow(plain.journal, 1_300)
          yield* Kit.rotate(plain)
          const dying: Kit.World = {
            ...plain,
            faults: (folder) => ({
              ...folder,
              [lost]: (...args: ReadonlyArray<never>) =>
                Effect.andThen(
                  before
                    ? Effect.void
                    : (folder[lost] as (...args: ReadonlyArray<never>) => Effect.Effect<void, CheckpointFolderError>)(
                        ...args
                      ),
                  Effect.die("killed")
                )
            })
          }
          assert.isTrue(Exit.hasDies(yield* Effect.exit(Kit.look(dying))), lost)
          Kit.grow(plain.journal, 3)
          assert.deepStrictEqual(yield* Kit.look(plain), { size: 2_503, contradiction: null, failure: null })
          allTrue(plain)
          assert.isTrue(Kit.leavesAreTrue(plain), `${lost} ${before}`)
        }
      }
    })
  )

  it.effect("signs with another key after a rotation, and publishes both", () =>
    Effect.gen(function* () {
      const world = yield* Kit.newWorld
      const follower = yield* Kit.start(world)
      Kit.grow(world.journal, 2)
      yield* follower.take
      yield* Kit.rotate(world)
      Kit.grow(world.journal, 2)
      yield* follower.take
      const [older, newer] = Kit.kept(world)
      assert.strictEqual(older!.origin, newer!.origin)
      assert.notStrictEqual(older!.signatures[0]!.id, newer!.signatures[0]!.id)
      const [first, second] = Kit.publishedKeys(world)
      assert.isFalse(Checkpoint.isSigned(newer!, [first!], Ed25519.verify))
      assert.isFalse(Checkpoint.isSigned(older!, [second!], Ed25519.verify))
      allTrue(world)
    })
  )

  it.effect("says what keeps it from writing, and writes once it can", () =>
    Effect.gen(function* () {
      const plain = yield* Kit.newWorld
      Kit.grow(plain.journal, 4)
      let full = true
      const world: Kit.World = {
        ...plain,
        faults: (folder) => ({
          ...folder,
          keep: (size, note) =>
            full
              ? Effect.fail(new CheckpointFolderError({ reason: "Unavailable", detail: "ENOSPC", retryable: true }))
              : folder.keep(size, note)
        })
      }
      const follower = yield* Kit.start(world)
      assert.deepStrictEqual(yield* follower.take, { size: 0, contradiction: null, failure: "ENOSPC" })
      full = false
      assert.deepStrictEqual(yield* follower.take, { size: 4, contradiction: null, failure: null })
      plain.journal.down = true
      assert.include((yield* follower.take).failure, "down")
      // A store that is away is waited for by whoever supervises.
      assert.strictEqual((yield* Effect.flip(follower.process(1_000))).reason, "Unavailable")
    })
  )

  it.effect("keeps the newest checkpoints, no more than it may", () =>
    Effect.gen(function* () {
      const world = yield* Kit.newWorld
      const follower = yield* Kit.start(world)
      Kit.grow(world.journal, Bounds.checkpointsKept + 2)
      yield* follower.take
      // As if each of them had been signed.
      const [newest] = fs.readdirSync(Kit.checkpointFolder(world)).filter((name) => name.endsWith(".checkpoint"))
      for (let size = 1; size < Bounds.checkpointsKept + 2; size++) {
        const older = join(Kit.checkpointFolder(world), `${String(size).padStart(16, "0")}.checkpoint`)
        fs.copyFileSync(join(Kit.checkpointFolder(world), newest!), older)
      }
      Kit.grow(world.journal, 1)
      yield* follower.take
      const names = fs.readdirSync(Kit.checkpointFolder(world)).filter((name) => name.endsWith(".checkpoint"))
      assert.strictEqual(names.length, Bounds.checkpointsKept)
      assert.strictEqual(Number.parseInt(names.sort().at(-1)!, 10), Bounds.checkpointsKept + 3)
      assert.strictEqual(Number.parseInt(names[0]!, 10), 4)
    })
  )

  it.effect("shares its folder with another process that follows the same journal", () =>
    Effect.gen(function* () {
      const world = yield* Kit.newWorld
      const [one, two] = [yield* Kit.start(world), yield* Kit.start(world)]
      for (let round = 0; round < 6; round++) {
        Kit.grow(world.journal, 500)
        yield* (round % 3 === 0 ? one : two).take
      }
      yield* one.take
      assert.deepStrictEqual(Kit.sizes(world), [500, 1_000, 1_500, 2_000, 2_500, 3_000])
      allTrue(world)
      assert.isTrue(Kit.leavesAreTrue(world))
    })
  )

  it.effect("signs nothing of an empty journal", () =>
    Effect.gen(function* () {
      const world = yield* Kit.newWorld
      assert.deepStrictEqual(yield* Kit.look(world), { size: 0, contradiction: null, failure: null })
      assert.deepStrictEqual(Kit.sizes(world), [])
    })
  )
})
