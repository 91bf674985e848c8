/** Promises about questions over rows. */
import * as Effect from "effect/Effect"
import { add, drop, put } from "#src/kernel/Append.ts"
import type { Json } from "#src/kernel/Canonical.ts"
import { Rows, type RowsQuery } from "#src/ports/EventStore.ts"
import { on, start } from "#test/kit/appends.ts"
import { append, defect, isNull, promise, same } from "./promise.ts"

/** All questions share the kind `thing`, whose indexes are declared; a promise leaves none of its rows behind. */
const withThings = <A, E, R>(
  name: string,
  bodies: { readonly [key: string]: { readonly [field: string]: Json } },
  ask: Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const rows = Object.entries(bodies).map(([key, body]) => put("thing", key, body))
    const made = on(start(`things:${name}`), { rows })
    yield* append(made.append)
    yield* ask
    yield* append(on(made.next, { rows: Object.keys(bodies).map((key) => drop("thing", key)) }).append)
  })

const keys = (query: Omit<RowsQuery, "kind" | "limit"> & { limit?: number }) =>
  Effect.flatMap(Rows, (rows) =>
    Effect.map(rows.list({ kind: "thing", limit: 100, ...query }), (found) => found.map(({ key }) => key))
  )

const equality = promise(
  "finds rows by the fields' values, telling texts from numbers and booleans",
  withThings(
    "equality",
    {
      a: { s: "5", n: 1, flag: true },
      b: { s: 5, n: 2, flag: "true" },
      c: { s: "5", n: 3, flag: false },
      d: { n: 4 },
      e: { s: 'it\'s "5"' }
    },
    Effect.gen(function* () {
      same(yield* keys({ where: { s: "5" } }), ["a", "c"])
      same(yield* keys({ where: { s: 5 } }), ["b"])
      same(yield* keys({ where: { flag: true } }), ["a"])
      same(yield* keys({ where: { flag: "true" } }), ["b"])
      same(yield* keys({ where: { s: "5", flag: false } }), ["c"])
      same(yield* keys({ where: { n: 4 } }), ["d"])
      same(yield* keys({ where: { s: 'it\'s "5"' } }), ["e"])
      same(yield* keys({ where: { s: "nobody" } }), [])
      same(yield* keys({}), ["a", "b", "c", "d", "e"])
    })
  )
)

const bounds = promise(
  "bounds and orders by numbers; a row without the number never matches",
  withThings(
    "bounds",
    { a: { n: 3 }, b: { n: -1.5 }, c: {}, d: { n: "2" }, e: { n: 3 }, f: { n: 1e9 }, g: { n: null } },
    Effect.gen(function* () {
      same(yield* keys({ atMost: { field: "n", value: 3 } }), ["a", "b", "e"])
      same(yield* keys({ orderBy: "n" }), ["b", "a", "e", "f"])
      same(yield* keys({ orderBy: "n", descending: true }), ["f", "e", "a", "b"])
      same(yield* keys({ orderBy: "n", atMost: { field: "n", value: 3 }, limit: 2 }), ["b", "a"])
      same(yield* keys({ atMost: { field: "n", value: Number.MAX_SAFE_INTEGER }, orderBy: "n", limit: 1 }), ["b"])
      same(yield* keys({ descending: true, limit: 3 }), ["g", "f", "e"])
      same(yield* keys({ limit: 0 }), [])
    })
  )
)

const paging = promise(
  "pages through rows in every order without gap or repeat",
  withThings(
    "paging",
    Object.fromEntries(Array.from({ length: 23 }, (_, index) => [`k${index % 7}-${index}`, { n: index % 4, s: "p" }])),
    Effect.gen(function* () {
      const rows = yield* Rows
      for (const descending of [false, true]) {
        for (const orderBy of [undefined, "n"]) {
          const query = { kind: "thing", where: { s: "p" }, descending, ...(orderBy === undefined ? {} : { orderBy }) }
          const whole = yield* rows.list({ ...query, limit: 100 })
          const paged: (typeof whole)[number][] = []
          for (;;) {
            const last = paged.at(-1)
            const after = last === undefined ? {} : { after: { key: last.key, value: Number(last.body["n"]) } }
            const page = yield* rows.list({ ...query, ...after, limit: 5 })
            paged.push(...page)
            if (page.length < 5) break
          }
          same(paged, whole)
          same(paged.length, 23)
        }
      }
    })
  )
)

const byteOrder = promise(
  "orders keys by their bytes, in no language",
  withThings(
    "bytes",
    { b: {}, B: {}, a: {}, "a b": {}, ä: {}, "\u{1f600}": {}, "\uff5e": {}, Z: {}, "": {} },
    Effect.gen(function* () {
      same(yield* keys({}), ["", "B", "Z", "a", "a b", "b", "ä", "\uff5e", "\u{1f600}"])
    })
  )
)

const counters = promise(
  "answers counters by the beginning of their name",
  Effect.gen(function* () {
    const rows = yield* Rows
    const names = ["count:a", "count:b", "count:B", "count", "counts", "coun:t", "count%:a", "count_:a"]
    yield* append(on(start("counters:one"), { rows: names.map((name, index) => add(name, index + 1)) }).append)
    same(yield* rows.counters("count:"), [
      ["count:B", 3],
      ["count:a", 1],
      ["count:b", 2]
    ])
    same(yield* rows.counters("count_"), [["count_:a", 8]])
    same(yield* rows.counters("no such"), [])
  })
)

const undeclared = promise(
  "refuses a question that no declared index serves",
  Effect.gen(function* () {
    const rows = yield* Rows
    const ask = (query: Omit<RowsQuery, "limit">) => defect(rows.list({ ...query, limit: 1 }))
    same(yield* ask({ kind: "thing", where: { other: 1 } }), "JournalDefect")
    same(yield* ask({ kind: "unknown", where: { s: "x" } }), "JournalDefect")
    same(yield* ask({ kind: "thing", orderBy: "s" }), "JournalDefect")
    same(yield* ask({ kind: "thing", atMost: { field: "s", value: 1 } }), "JournalDefect")
    same(yield* ask({ kind: "thing'; --", orderBy: "n" }), "JournalDefect")
    same(yield* ask({ kind: "unknown'; --" }), "no defect")
    isNull(yield* rows.get("unknown'; --", "x"))
  })
)

export const promises = [equality, bounds, paging, byteOrder, counters, undeclared]
