/**
 * What every journal promises. Run against each of `registry` by `test/integration/event-store.integration.test.ts`.
 *
 * A suite builds one store and keeps it: each promise works in streams, kinds and counters of its own name.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { afterAll } from "vitest"
import type { EventStore, RowIndex, Rows } from "#src/ports/EventStore.ts"
import * as Appending from "./event-store/appending.ts"
import * as Following from "./event-store/following.ts"
import * as Judging from "./event-store/judging.ts"
import * as Questions from "./event-store/questions.ts"
import * as Reading from "./event-store/reading.ts"
import type { Promise_ } from "./event-store/promise.ts"

/** What the promises about rows ask for. */
export const rowIndexes: ReadonlyArray<RowIndex> = [
  { kind: "thing", field: "n", type: "number" },
  { kind: "thing", field: "s", type: "text" },
  { kind: "thing", field: "flag", type: "text" }
]

export const promises: ReadonlyArray<Promise_> = [
  ...Appending.promises,
  ...Judging.promises,
  ...Reading.promises,
  ...Following.promises,
  ...Questions.promises
]

/** Kept promises by store, for the table at the end. */
const kept = new Map<string, Map<string, boolean>>()

/** Without a layer every promise is skipped, and counted as such. */
export const suite = <E>(name: string, layer: Layer.Layer<EventStore | Rows, E> | null): void => {
  const runtime = layer === null ? null : ManagedRuntime.make(layer)
  const results = new Map<string, boolean>()
  if (runtime !== null) kept.set(name, results)
  describe.runIf(runtime !== null)(`event store: ${name}`, () => {
    afterAll(() => runtime?.dispose())
    for (const promise of promises) {
      results.set(promise.title, false)
      it(`${promise.title}`, async () => {
        await runtime?.runPromise(Effect.scoped(promise.body))
        results.set(promise.title, true)
      })
    }
  })
}

/** Every promise x every store that was run; `skipped` names those that could not be. */
export const table = (skipped: ReadonlyArray<string>): string => {
  const stores = [...kept.keys()]
  const columns = [...stores, ...skipped]
  const width = Math.max(...promises.map(({ title }) => title.length))
  const line = (title: string, cells: ReadonlyArray<string>) => `${title.padEnd(width)}  ${cells.join("  ")}`
  const cell = (store: string, title: string): string => {
    const result = kept.get(store)?.get(title)
    return (result === undefined ? "skipped" : result ? "kept" : "BROKEN").padEnd(Math.max(store.length, 7))
  }
  return [
    line(
      "promise",
      columns.map((store) => store.padEnd(7))
    ),
    ...promises.map(({ title }) =>
      line(
        title,
        columns.map((store) => cell(store, title))
      )
    )
  ].join("\n")
}

assert.strictEqual(new Set(promises.map(({ title }) => title)).size, promises.length, "every promise has its own title")
