/** Two processes with lives of their own on one store that fails, under seeded interleavings of every step. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LocalActors from "#layers/actors/LocalActors.ts"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import * as FaultyEventStore from "#layers/faults/FaultyEventStore.ts"
import * as VolatileKeyRing from "#layers/key-ring/VolatileKeyRing.ts"
import * as StoreVault from "#layers/vault/StoreVault.ts"
import { StreamId } from "#src/kernel/Ids.ts"
import { Actors } from "#src/ports/Actors.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { stamp } from "#test/kit/decider.ts"
import * as SeededScheduler from "#test/kit/seededScheduler.ts"
import { behaviour, type Command } from "./counter.ts"

const faults = [
  { _tag: "LoseAnswer" },
  { _tag: "LoseCall" },
  { _tag: "Refuse", reason: "Unavailable" }
] as const satisfies ReadonlyArray<FaultyEventStore.Fault>

interface Answer {
  readonly key: string
  readonly count: number | null
  readonly repeated: boolean
  readonly reason: string | null
}

/** The control: a journal that keeps no receipt. */
const forgetful = Layer.effect(
  EventStore,
  Effect.map(EventStore, (store) =>
    EventStore.of({ ...store, append: (all) => store.append(all.map((one) => ({ ...one, receipt: null }))) })
  )
).pipe(Layer.provideMerge(VolatileEventStore.layer))

/** Commands under few keys, so that many are repeats; each process lives twice. Answers what is wrong. */
const storm = (seed: number, faulty: boolean, journal: typeof VolatileEventStore.layer = VolatileEventStore.layer) => {
  const random = SeededScheduler.chance(seed)
  const below = (maximum: number) => Math.floor(random() * maximum)
  const answers: Array<Answer> = []

  const send = (key: string, command: Command) =>
    Effect.flatMap(Actors, (actors) =>
      Effect.result(actors.send("counter", "a", command, stamp(1, undefined, key)))
    ).pipe(
      Effect.map((sent) => {
        if (sent._tag === "Failure") answers.push({ key, count: null, repeated: false, reason: sent.failure.reason })
        else if (sent.success._tag === "Accepted") {
          const { count } = sent.success.body as { readonly count: number }
          answers.push({ key, count, repeated: sent.success.repeated, reason: null })
        }
      })
    )

  const life = Effect.gen(function* () {
    const { plan } = yield* FaultyEventStore.Faults
    for (let round = 0; round < 3; round++) {
      if (faulty && random() < 0.3) plan(faults[below(faults.length)]!)
      const sends = Array.from({ length: 1 + below(5) }, () => {
        const key = `k${below(6)}`
        return random() < 0.15
          ? send(key, { _tag: "Refuse", to: "a" })
          : send(key, { _tag: "Add", to: "a", by: 1, words: "w" })
      })
      yield* Effect.all(sends, { concurrency: "unbounded", discard: true })
    }
  })
  const process = Effect.forEach([1, 2], () =>
    Effect.provide(
      life,
      Layer.fresh(LocalActors.layer({ behaviours: [behaviour] })).pipe(Layer.provide(Layer.fresh(StoreVault.layer)))
    )
  )
  const ports = Layer.mergeAll(
    FaultyEventStore.layer.pipe(Layer.provideMerge(journal)),
    VolatileKeyRing.layer,
    NodeDigest.layer
  )
  const { events } = SeededScheduler.run(
    Effect.gen(function* () {
      yield* Effect.all([process, process], { concurrency: "unbounded" })
      ;(yield* FaultyEventStore.Faults).clear()
      return yield* (yield* EventStore).readStream(StreamId.make("counter:a"))
    }).pipe(Effect.provide(ports)),
    seed
  )

  const wrong: Array<string> = []
  const times = (key: string) =>
    events.filter(({ envelope }) => envelope.commandId === stamp(1, undefined, key).commandId).length
  for (const key of new Set(answers.map((answer) => answer.key))) {
    const accepted = answers.filter((answer) => answer.key === key && answer.count !== null)
    if (times(key) > 1) wrong.push(`${key} was done ${times(key)} times`)
    if (accepted.length > 0 && times(key) === 0) wrong.push(`${key} was acknowledged, and is not there`)
    if (new Set(accepted.map(({ count }) => count)).size > 1) wrong.push(`${key} had several answers`)
    if (accepted.filter(({ repeated }) => !repeated).length > 1) wrong.push(`${key} was new several times`)
  }
  // Nothing is there that could be refused: "erased, or never was".
  const known = ["KeyReused", "Erased"]
  const told = new Set(faulty ? [...known, "Indeterminate", "Unavailable"] : known)
  for (const { key, reason } of answers) {
    if (reason !== null && !told.has(reason)) wrong.push(`${key} was told ${reason}`)
  }
  return wrong
}

describe("two processes that begin and go on with one stream", () => {
  it("answer everything, each command once and alike, whatever interleaves", () => {
    for (let seed = 0; seed < 200; seed++) assert.deepStrictEqual(storm(seed, false), [], `seed ${seed}`)
  })

  it("do so on a store that loses calls and answers, too", () => {
    for (let seed = 0; seed < 400; seed++) assert.deepStrictEqual(storm(seed, true), [], `seed ${seed}`)
  })

  it("are seen to do a command twice where the journal keeps no receipt (the control)", () => {
    const found = Array.from({ length: 20 }, (_, seed) => storm(seed, false, forgetful)).flat()
    assert.isTrue(found.some((one) => one.endsWith("times")))
  })
})
