/** Lines of work: whole under every interleaving, and never beyond their limits. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Lines from "#src/gateway/Lines.ts"
import { PrincipalId } from "#src/kernel/Ids.ts"
import * as SeededScheduler from "#test/kit/seededScheduler.ts"

const [ana, bob] = [PrincipalId.make("ana"), PrincipalId.make("bob")]
const limits: Lines.Limits = { of: "some", inFlightMax: 2, waitingMax: 1, perPrincipalMax: 9 }
const line = Lines.line(limits)
const full: Lines.Admission = { _tag: "LimitReached", limit: "someWaiting", maximum: 1 }

describe("a line", () => {
  it.effect("has room for what is worked on and what waits, and counts who is named twice once", () =>
    Effect.gen(function* () {
      const { admit, enter, leave } = yield* line
      for (const id of ["a", "b", "c"]) assert.strictEqual(yield* admit(id, ana), "Kept", id)
      assert.strictEqual(yield* admit("a", ana), "Known")
      assert.deepStrictEqual(yield* admit("d", ana), full)
      yield* enter("a")
      assert.deepStrictEqual(yield* admit("d", ana), full, "what a door admitted is what came in")
      yield* leave("a")
      assert.strictEqual(yield* admit("d", ana), "Kept")
      assert.deepStrictEqual(yield* admit("a", ana), full)
    })
  )

  it.effect("takes back room that was not used, but not from what came in meanwhile", () =>
    Effect.gen(function* () {
      const { admit, enter, release } = yield* line
      for (const id of ["a", "b", "c"]) yield* admit(id, ana)
      yield* release("a")
      assert.strictEqual(yield* admit("d", ana), "Kept")
      yield* enter("b")
      yield* release("b")
      assert.strictEqual(yield* admit("b", ana), "Known")
      assert.deepStrictEqual(yield* admit("e", ana), full)
    })
  )

  it.effect("turns nothing away that was begun, and has no room until it is below its limit again", () =>
    Effect.gen(function* () {
      const { admit, enter, leave } = yield* line
      for (const id of ["a", "b", "c", "d"]) yield* enter(id)
      yield* leave("a")
      assert.deepStrictEqual(yield* admit("e", ana), full)
      yield* leave("b")
      assert.strictEqual(yield* admit("e", ana), "Kept")
    })
  )

  it.effect("has a share for each principal, which counts what a door admitted for it until that leaves", () =>
    Effect.gen(function* () {
      const { admit, enter, leave, release, size } = yield* Lines.line({ ...limits, waitingMax: 9, perPrincipalMax: 1 })
      const spent: Lines.Admission = { _tag: "LimitReached", limit: "somePerPrincipal", maximum: 1 }
      assert.strictEqual(yield* admit("a", ana), "Kept")
      assert.deepStrictEqual(yield* admit("b", ana), spent)
      assert.strictEqual(yield* admit("b", bob), "Kept")
      yield* enter("a")
      assert.deepStrictEqual(yield* admit("c", ana), spent)
      yield* leave("a")
      yield* leave("a")
      assert.strictEqual(yield* admit("c", ana), "Kept")
      yield* release("c")
      assert.strictEqual(yield* admit("d", ana), "Kept")
      for (const id of ["b", "d"]) yield* leave(id)
      assert.strictEqual(yield* size, 0)
    })
  )

  it.effect("gives places in the order of asking, tells how many wait, and forgets who went away", () =>
    Effect.gen(function* () {
      const { waiting, within } = yield* line
      const done: Array<string> = []
      const hold = Deferred.makeUnsafe<void>()
      const work = (id: string) =>
        Effect.forkChild(
          within(
            Effect.andThen(
              Effect.sync(() => void done.push(id)),
              Deferred.await(hold)
            )
          ),
          { startImmediately: true }
        )
      const [, , third] = yield* Effect.forEach(["a", "b", "c", "d", "e"], work)
      assert.deepStrictEqual([done, waiting()], [["a", "b"], 3])
      yield* Fiber.interrupt(third!)
      assert.strictEqual(waiting(), 2)
      yield* Deferred.succeed(hold, undefined)
      while (waiting() > 0) yield* Effect.yieldNow
      assert.deepStrictEqual(done, ["a", "b", "d", "e"])
    })
  )
})

/** Two lines, one before the other, and six pieces of work of two principals that come and go all at once. */
const storm = (atomically: Lines.Atomically | undefined) =>
  Effect.gen(function* () {
    const tools = yield* Lines.line(
      { of: "tools", inFlightMax: 1, waitingMax: 1, perPrincipalMax: 1 },
      undefined,
      atomically
    )
    const turns = yield* Lines.line(
      { of: "turns", inFlightMax: 2, waitingMax: 1, perPrincipalMax: 2 },
      tools.full,
      atomically
    )
    const mine = new Map<string, number>()
    const wrong: Array<string> = []
    const count = (by: PrincipalId, of: "tools" | "turns", change: number) => {
      const now = (mine.get(`${by} ${of}`) ?? 0) + change
      mine.set(`${by} ${of}`, now)
      if (now > (of === "tools" ? 1 : 2)) wrong.push(`${by} has ${now} ${of}`)
    }

    const work = Effect.fnUntraced(function* (index: number) {
      const by = index % 2 === 0 ? ana : bob
      const [line, of] = index % 3 === 0 ? [tools, "tools" as const] : [turns, "turns" as const]
      const id = `${of}-${index}`
      if ((yield* line.admit(id, by)) !== "Kept") return
      count(by, of, 1)
      const size = yield* line.size
      if (size > (of === "tools" ? 2 : 3)) wrong.push(`${size} ${of}`)
      if (index < 3) {
        // It was refused after all; a second word on it changes nothing.
        count(by, of, -1)
        yield* line.release(id)
        return yield* line.release(id)
      }
      yield* line.enter(id)
      yield* Effect.yieldNow
      count(by, of, -1)
      yield* Effect.all([line.leave(id), line.leave(id), line.release(id)], { concurrency: "unbounded" })
    })

    yield* Effect.forEach(Array.from({ length: 9 }).keys(), work, { concurrency: "unbounded" })
    const left = (yield* tools.size) + (yield* turns.size)
    if (left > 0) wrong.push(`${left} left behind`)
    // Each has its share again, and no more.
    for (const by of [ana, bob]) {
      for (const [line, share] of [[tools, 1] as const, [turns, 2] as const]) {
        for (let again = 0; again <= share; again++) {
          const admitted = yield* line.admit(`again-${again}`, by)
          if ((admitted === "Kept") !== again < share) wrong.push(`${by} was given another share than its own`)
        }
        for (let again = 0; again <= share; again++) yield* line.leave(`again-${again}`)
      }
    }
    return wrong
  })

describe("the lines", () => {
  it("are whole under 10,000 interleavings", () => {
    for (let seed = 0; seed < 10_000; seed++) {
      assert.deepStrictEqual(SeededScheduler.run(storm(undefined), seed), [], `seed ${seed}`)
    }
  }, 180_000)

  for (const broken of ["admit", "leave"]) {
    it(`are not, where ${broken} is a get and a set instead of a transaction (the control)`, () => {
      const apart: Lines.Atomically = (body, operation) =>
        operation === broken ? (body as Effect.Effect<never>) : Effect.tx(body)
      const found = Array.from({ length: 500 }, (_, seed) => SeededScheduler.run(storm(apart), seed))
      assert.isAbove(found.filter((wrong) => wrong.length > 0).length, 0)
    })
  }
})
