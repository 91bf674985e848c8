import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Cursor from "#layers/edge/Cursor.ts"
import * as Pages from "#layers/edge/http/Pages.ts"
import * as Bounds from "#src/kernel/Bounds.ts"

const key = (index: number) => `act_${String(index).padStart(26, "0")}`

/** A list of `count` rows, newest first, that counts how it was read. */
const list = (count: number, options: Partial<Pages.List<number, string, never>> = {}) => {
  const reads: Array<number> = []
  const rows = Array.from({ length: count }, (_, index) => count - index)
  const made: Pages.List<number, string, never> = {
    keys: Cursor.idsWith("act"),
    read: ({ after, limit = Bounds.pageDefault }) =>
      Effect.sync(() => {
        const rest = after === undefined ? rows : rows.filter((row) => row < after.value)
        const items = rest.slice(0, limit)
        reads.push(items.length)
        const last = items.at(-1)
        return { items, next: rest.length > limit && last !== undefined ? { value: last, key: key(last) } : null }
      }),
    positionOf: (row) => ({ value: row, key: key(row) }),
    visible: () => true,
    sparse: false,
    show: (row) => Effect.succeed(String(row)),
    ...options
  }
  return { list: made, reads }
}

/** Every page until the end. */
const all = Effect.fnUntraced(function* (of: Pages.List<number, string, never>, limit: number) {
  const pages: Array<ReadonlyArray<string>> = []
  let after: string | undefined
  for (;;) {
    const { items, next } = yield* Pages.page(of, { limit, after })
    pages.push(items)
    if (next === null) return pages
    after = next
  }
})

describe("a page", () => {
  it.effect("ends where the list ends, and every row comes once", () =>
    Effect.gen(function* () {
      for (const [count, limit, lengths] of [
        [0, 3, [0]],
        [3, 3, [3]],
        [4, 3, [3, 1]],
        [7, 2, [2, 2, 2, 1]]
      ] as const) {
        const pages = yield* all(list(count).list, limit)
        assert.deepStrictEqual(
          pages.map((page) => page.length),
          [...lengths]
        )
        assert.deepStrictEqual(
          pages.flat(),
          Array.from({ length: count }, (_, index) => String(count - index))
        )
      }
    })
  )

  it.effect("shows nothing that is not for the caller's eyes, and misses nothing that is", () =>
    Effect.gen(function* () {
      const seventh = list(2_500, { visible: (row) => row % 7 === 0, sparse: true })
      const pages = yield* all(seventh.list, 10)
      assert.deepStrictEqual(
        pages.flat(),
        Array.from({ length: 357 }, (_, index) => String((357 - index) * 7))
      )
      assert.isAtMost(Math.max(...pages.map((page) => page.length)), 10)
    })
  )

  it.effect("looks at a bounded number of rows, and may come empty with a next one", () =>
    Effect.gen(function* () {
      const last = list(2_500, { visible: (row) => row === 1, sparse: true })
      const first = yield* Pages.page(last.list, { limit: 10 })
      assert.deepStrictEqual(first.items, [])
      assert.isNotNull(first.next)
      assert.strictEqual(
        last.reads.reduce((sum, read) => sum + read, 0),
        Bounds.pageScanMax
      )
      assert.deepStrictEqual((yield* all(last.list, 10)).flat(), ["1"])
    })
  )

  it.effect("holds a bounded amount of text, and always at least one item", () =>
    Effect.gen(function* () {
      const big = "x".repeat(Bounds.pageTextMax / 2 - 10)
      const pages = yield* all(list(5, { show: () => Effect.succeed(big) }).list, 5)
      assert.deepStrictEqual(
        pages.map((page) => page.length),
        [2, 2, 1]
      )
      const huge = "x".repeat(Bounds.pageTextMax + 1)
      const singles = yield* all(list(3, { show: () => Effect.succeed(huge) }).list, 5)
      assert.deepStrictEqual(
        singles.map((page) => page.length),
        [1, 1, 1]
      )
    })
  )

  it.effect("refuses a cursor of another list before it reads", () =>
    Effect.gen(function* () {
      const some = list(3)
      const after = Cursor.encode({ value: 2, key: `ses_${"0".repeat(26)}` })
      const problem = yield* Effect.flip(Pages.page(some.list, { after }))
      assert.strictEqual(problem.code, "InvalidCursor")
      assert.deepStrictEqual(some.reads, [])
    })
  )
})
