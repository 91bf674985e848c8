/**
 * A process of its own with a journal of its own, for tests that need several. Says a line of JSON per thing done.
 *
 *   journalProcess.ts write  <url> <schema> <prefix> <appends> <concurrency>
 *   journalProcess.ts rival  <url> <schema> <name> <rounds> <concurrency>
 *   journalProcess.ts folder <folder> <prefix>
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as fs from "node:fs"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as PgliteEventStore from "#layers/event-store/PgliteEventStore.ts"
import * as PostgresEventStore from "#layers/event-store/PostgresEventStore.ts"
import { add, put } from "#src/kernel/Append.ts"
import type { Digest } from "#src/ports/Digest.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { chain, on, start } from "./appends.ts"

/** Synchronous, so that what was said is out before a SIGKILL comes. */
const say = (line: object): void => void fs.writeSync(1, `${JSON.stringify(line)}\n`)

/** Says that everything stands, and waits for the word to begin. */
const ready = Effect.callback<void>((resume) => {
  process.stdin.once("data", () => {
    process.stdin.destroy()
    resume(Effect.void)
  })
  say({ ready: true })
})

const [mode, ...args] = process.argv.slice(2)

const postgres = () => PostgresEventStore.layer({ url: Redacted.make(args[0]!), schema: args[1]! })

/** Appends on streams of its own, two events each. */
const write = Effect.gen(function* () {
  const store = yield* EventStore
  const [, , prefix, appends, concurrency] = args
  yield* ready
  const one = (index: number) => store.append([on(start(`${prefix}:${index}`), { events: 2 }).append])
  const outcomes = yield* Effect.forEach(Array(Number(appends)).keys(), one, { concurrency: Number(concurrency) })
  say({ committed: outcomes.filter(([outcome]) => outcome?._tag === "Committed").length })
})

/** Each round: one append at version 0 of a stream that the rival wants too, with a neighbour on either side. */
const rival = Effect.gen(function* () {
  const store = yield* EventStore
  const [, , name, rounds, concurrency] = args
  yield* ready
  const one = (index: number) => {
    const wanted = on(start(`wanted:${index}`), { key: `${name}/${index}`, by: name! })
    const mine = chain(start(`${name}:${index}`), [{}, {}]).appends
    return Effect.map(store.append([mine[0]!, wanted.append, mine[1]!]), ([before, rivalry, after]) => ({
      won: rivalry?._tag === "Committed",
      lost: rivalry?._tag === "Refused" && rivalry.refusal._tag === "VersionConflict",
      neighbours: before?._tag === "Committed" && after?._tag === "Committed"
    }))
  }
  // One goes through each thousand forwards, the other backwards: both lead somewhere, and they meet in the middle.
  const order = Array.from({ length: Number(rounds) }, (_, index) => {
    const first = index - (index % 1_000)
    return name === "two" ? first + Math.min(first + 999, Number(rounds) - 1) - index : index
  })
  const all = yield* Effect.forEach(order, one, { concurrency: Number(concurrency) })
  say({
    won: all.flatMap(({ won }, index) => (won ? [order[index]] : [])),
    lost: all.filter(({ lost }) => lost).length,
    neighbours: all.filter(({ neighbours }) => neighbours).length
  })
})

/** Appends for ever in a folder, twenty at a time, and says each that was acknowledged. */
const folder = Effect.gen(function* () {
  const store = yield* EventStore
  const prefix = args[1]!
  yield* ready
  let count = 0
  const one = Effect.suspend(() => {
    const stream = `${prefix}:${count++}`
    const rows = [put("thing", stream, { stream, padding: "x".repeat(500) }), add("things", 1)]
    return Effect.map(store.append([on(start(stream), { events: 2, rows }).append]), ([outcome]) =>
      say({ acknowledged: outcome?._tag === "Committed" ? stream : null })
    )
  })
  yield* Effect.all(
    Array.from({ length: 20 }, () => Effect.forever(one)),
    { concurrency: "unbounded" }
  )
})

const program: Effect.Effect<void, PgliteEventStore.OpenError | PostgresEventStore.OpenError, Digest> =
  mode === "write"
    ? Effect.provide(write, postgres())
    : mode === "rival"
      ? Effect.provide(rival, postgres())
      : Effect.provide(folder, PgliteEventStore.layer({ folder: args[0]! }))

await Effect.runPromise(Effect.provide(program, NodeDigest.layer)).catch((cause: unknown) => {
  say({ failed: cause instanceof Error ? cause.message : String(cause) })
  process.exitCode = 1
})
