/** Whose turn it is to die, and when a run may end. */
import { assert, describe, it } from "@effect/vitest"
import type { Point } from "#chaos/kit/points.ts"
import * as Table from "#chaos/kit/table.ts"
import * as Turns from "#chaos/kit/turns.ts"
import * as Run from "#chaos/run.ts"
import * as SeededScheduler from "#test/kit/seededScheduler.ts"

const points: ReadonlyArray<Point> = ["a", "b", "c"].map((name) => ({ name, recipe: "approve" }))

/** Runs until it is over; `hits` says whether the moment comes that was armed. */
const run = (asked: Turns.Asked, hits: (name: string) => boolean, among = points, seed = 1) => {
  const turns = Turns.make(among)
  const random = SeededScheduler.chance(seed)
  let kills = 0
  while (!Turns.isOver(turns, asked)) {
    const turn = Turns.next(turns, asked, random)
    Turns.took(turn, hits(turn.point.name) ? turn.point.name : "a random moment")
    kills += 1
  }
  return { kills, turns, missed: Turns.missed(turns, asked) }
}

const report: Run.Report = {
  ...{ machine: "a machine", node: "v26", at: "2026-11-28" },
  ...{ seed: 1, store: "pglite", kills: 40, acknowledged: 7, marks: 3, seconds: 9 },
  rows: [{ point: "a", hits: 40, found: [] }],
  missed: ["b", "c"],
  hitsMin: 3,
  whole: []
}

describe("the turns of a crash run", () => {
  it("end with as many kills as asked, where each moment was hit as often as asked", () => {
    const { kills, missed, turns } = run({ kills: 12, hitsMin: 3 }, () => true)
    assert.strictEqual(kills, 12)
    assert.deepStrictEqual(missed, [])
    assert.deepStrictEqual(
      turns.map(({ hits }) => hits),
      [4, 4, 4]
    )
  })

  it("go on past the kills that were asked, until each moment was hit as often as asked", () => {
    const { kills, missed } = run({ kills: 7, hitsMin: 3 }, () => true)
    assert.strictEqual(kills, 9)
    assert.deepStrictEqual(missed, [])
  })

  it("end at twice the kills, and name the moment that did not come", () => {
    const { kills, missed, turns } = run({ kills: 20, hitsMin: 3 }, (name) => name !== "b")
    assert.strictEqual(kills, 40)
    assert.deepStrictEqual(missed, ["b"])
    assert.isTrue(turns.every(({ hits, point }) => point.name === "b" || hits > 3))
  })

  it("spend what goes beyond the kills that were asked on the moments that are short, and on no other", () => {
    const many = Array.from({ length: 80 }, (_, index): Point => ({ name: `m${index}`, recipe: "approve" }))
    let tries = 0
    const { kills, missed, turns } = run({ kills: 240, hitsMin: 3 }, (name) => name !== "m7" || ++tries > 9, many)
    assert.deepStrictEqual(missed, [])
    assert.strictEqual(turns[7]!.hits, 3)
    assert.isBelow(kills, 252)
    assert.isTrue(turns.every(({ hits }) => hits <= 4))
  })

  it("let the others go on after five tries that missed", () => {
    const turns = Turns.make(points)
    const [never, ...others] = turns
    for (let tries = 0; tries < 5; tries++) Turns.took(never!, "a random moment")
    for (const other of others) Turns.took(other, other.point.name)
    const chosen = new Set(
      Array.from({ length: 9 }, (_, at) => Turns.next(turns, { kills: 99, hitsMin: 0 }, () => at / 9))
    )
    assert.strictEqual(chosen.size, 3)
    Turns.took(never!, "a random moment")
    assert.notStrictEqual(
      Turns.next(turns, { kills: 99, hitsMin: 0 }, () => 0),
      never
    )
  })

  it("are asked three times each of a run of two hundred kills or more, and of no shorter one", () => {
    assert.deepStrictEqual(Turns.asked(200), { kills: 200, hitsMin: 3 })
    assert.deepStrictEqual(Turns.asked(199), { kills: 199, hitsMin: 0 })
  })

  it("ask nothing of any moment where no number is asked", () => {
    const { kills, missed } = run({ kills: 5, hitsMin: 0 }, () => false)
    assert.strictEqual(kills, 5)
    assert.deepStrictEqual(missed, [])
  })
})

describe("the table of a crash run", () => {
  it("names the moments that did not come as often as they had to", () => {
    assert.include(Table.print(report).split("\n"), "not hit 3 times: b, c")
    assert.include(Table.print({ ...report, missed: ["b"] }).split("\n"), "not hit 3 times: b")
    assert.notInclude(Table.print({ ...report, missed: [] }), "not hit")
  })
})

describe("a crash run", () => {
  it("is good where nothing was found and no moment is short", () => {
    const found = [{ kind: "lost", detail: "a session" }] as const
    assert.isTrue(Run.isGood({ ...report, missed: [] }))
    assert.isFalse(Run.isGood(report))
    assert.isFalse(Run.isGood({ ...report, missed: [], whole: found }))
    assert.isFalse(Run.isGood({ ...report, missed: [], rows: [{ point: "a", hits: 1, found: [...found] }] }))
  })
})
