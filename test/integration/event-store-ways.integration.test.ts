/**
 * The append's two ways, set by set and one by one, and the model in memory, are one: the same hand-overs meet the
 * same outcomes and leave the same journal, rows, counters, receipts and keys.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as Migrations from "#layers/event-store/Migrations.ts"
import * as SqlEventStore from "#layers/event-store/SqlEventStore.ts"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import * as Wake from "#layers/event-store/Wake.ts"
import * as PglitePgClient from "#layers/sql-client/PglitePgClient.ts"
import * as PostgresPgClient from "#layers/sql-client/PostgresPgClient.ts"
import type { Append } from "#src/kernel/Append.ts"
import { CommandKey, PrincipalId } from "#src/kernel/Ids.ts"
import { EventStore, Rows } from "#src/ports/EventStore.ts"
import { subject } from "#test/kit/appends.ts"
import * as Postgres from "#test/kit/postgres.ts"
import * as RandomAppends from "#test/kit/randomAppends.ts"

class Ways extends Context.Service<Ways, ReadonlyArray<readonly [string, Context.Context<EventStore | Rows>]>>()(
  "test/Ways"
) {}

/** Both ways on one client, in a schema each, beside the model. */
const ways = Layer.effect(
  Ways,
  Effect.gen(function* () {
    const writer = yield* SqlClient
    const way = (schema: string, allowFast: boolean) =>
      Effect.andThen(
        Migrations.run(schema, []),
        SqlEventStore.make({
          schema,
          rowIndexes: [],
          send: (text, values) => Effect.map(writer.unsafe(text, values).values, (rows) => rows[0]?.[0]),
          wake: Wake.make(),
          channel: "",
          timeoutMillis: null,
          admit: Effect.void,
          afterLoss: () => Effect.succeed(null),
          allowFast
        })
      )
    return [
      ["model", yield* Layer.build(VolatileEventStore.layer)],
      ["set by set", yield* way(Postgres.freshSchema(), true)],
      ["one by one", yield* way(Postgres.freshSchema(), false)]
    ] as const
  })
)

const outcomesOf = (appends: ReadonlyArray<Append>, base: number) =>
  Effect.flatMap(EventStore, (store) => store.append(appends)).pipe(
    Effect.map((outcomes) =>
      outcomes.map((outcome) =>
        outcome._tag === "Committed"
          ? outcome.events.map((event) => ({ ...event, position: event.position - base }))
          : outcome
      )
    ),
    Effect.exit,
    Effect.map((exit) => (Exit.isSuccess(exit) ? exit.value : String(Cause.squash(exit.cause))))
  )

/** Everything that the port shows of the names. */
const dump = Effect.fnUntraced(function* (names: RandomAppends.Names, base: number) {
  const store = yield* EventStore
  const rows = yield* Rows
  const keys = [...Array(200).keys()].flatMap((count) => names.streams.map((stream) => `${stream}/${count}`))
  return {
    events: (yield* store.readAll(base, 1_000)).map(({ position, text, hash }) => [position - base, text, hash]),
    receipts: yield* Effect.forEach(
      [...names.streams.map((stream) => `${stream}/again`), ...keys.slice(0, 30)],
      (key) => store.receipt(PrincipalId.make("owner"), CommandKey.make(key))
    ),
    slices: yield* Effect.forEach(names.streams, (stream) =>
      Effect.map(store.readStream(subject(stream) as never), ({ receipts }) => receipts)
    ),
    rows: (yield* rows.list({ kind: names.kind, limit: 100 })).map((row) => ({
      ...row,
      position: row.position - base
    })),
    counters: yield* rows.counters(`${names.kind}.`),
    keys: yield* Effect.forEach(names.subjects, (name) => store.wrappedKey(subject(name)))
  }
})

let run = 0

/** Counts what was met, so that a generator that never collides shows. */
const met = new Map<string, number>()

const agree = (seed: number) =>
  Effect.gen(function* () {
    const all = yield* Ways
    const names = RandomAppends.names(`w${String.fromCharCode(97 + (++run % 26))}${"x".repeat(Math.floor(run / 26))}`)
    const generator = new RandomAppends.Generator(names, seed)
    const bases = yield* Effect.forEach(all, ([, context]) =>
      Effect.provideContext(
        Effect.flatMap(EventStore, (store) => store.head),
        context
      )
    )
    for (let round = 0; round < 12; round++) {
      const appends = generator.next()
      const answers = yield* Effect.forEach(all, ([, context], index) =>
        Effect.provideContext(outcomesOf(appends, bases[index]!), context)
      )
      for (const [index, answer] of answers.entries()) {
        assert.deepStrictEqual(answer, answers[0], `round ${round}: ${all[index]![0]} and the model differ`)
      }
      yield* Effect.forEach(appends, (append) => learn(generator, append, all[0]![1]))
      count(answers[0]!)
    }
    const dumps = yield* Effect.forEach(all, ([, context], index) =>
      Effect.provideContext(dump(names, bases[index]!), context)
    )
    for (const [index, one] of dumps.entries()) {
      for (const part of Object.keys(one) as Array<keyof typeof one>) {
        const message = `${part}: ${all[index]![0]} and the model differ`
        assert.deepStrictEqual(one[part], dumps[0]![part], message)
      }
    }
  })

const learn = (generator: RandomAppends.Generator, append: Append, model: Context.Context<EventStore | Rows>) =>
  Effect.map(
    Effect.provideContext(
      Effect.flatMap(EventStore, (store) => store.readStream(append.stream)),
      model
    ),
    ({ events }) => generator.learn([append], [{ _tag: "Committed", events }])
  )

const count = (answer: ReadonlyArray<unknown> | string) => {
  const words = typeof answer === "string" ? ["Defect"] : answer.map(wordOf)
  for (const word of words) met.set(word, (met.get(word) ?? 0) + 1)
}

const wordOf = (outcome: unknown): string =>
  Array.isArray(outcome) ? "Committed" : (outcome as { refusal: { _tag: string } }).refusal._tag

const kinds = ["Committed", "VersionConflict", "ReceiptExists", "GuardFailed", "KeyConflict", "Defect"]

const suite = <E>(name: string, client: Layer.Layer<SqlClient, E>) =>
  describe(`both ways of the append on ${name}`, () => {
    const layer = ways.pipe(Layer.provide(client), Layer.provide(NodeDigest.layer))
    it.layer(layer, { timeout: 60_000 })((it) => {
      it.effect.prop(
        "meet the same outcomes and leave the same tables as the model",
        [Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 31 }))],
        ([seed]) => agree(seed),
        { arbitrary: { runs: 25 }, timeout: 60_000 }
      )
      it("met every kind of outcome on the way", () => {
        for (const kind of kinds) assert.isAbove(met.get(kind) ?? 0, 0, `${kind} in ${JSON.stringify([...met])}`)
      })
    })
  })

suite("pglite", PglitePgClient.layer())

const postgres = await Postgres.server()
if (postgres !== null) suite("postgres", PostgresPgClient.layer({ url: postgres.url }))
