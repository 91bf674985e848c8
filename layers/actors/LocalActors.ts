/**
 * The actors of one process: the memory of a stream each, and a fiber while a command waits.
 *
 * Owns the table of actors, bounded mailboxes, passivation, isolation of what is poisoned, and draining.
 * Does not own what happens to a batch (`Rounds`) nor the truth: heads in the journal fence any other process.
 *
 * Invariants: at most one fiber per stream, and none while nothing waits for it; a mailbox that is full refuses; an idle
 * actor leaves memory; a stream that spent its restart budget answers nothing more and stops nobody else; a drain answers
 * all that was accepted.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type { AnyBehaviour } from "#src/kernel/Behaviour.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Gauge from "#src/kernel/Gauge.ts"
import { StreamId } from "#src/kernel/Ids.ts"
import { ActorError, Actors, type Reply } from "#src/ports/Actors.ts"
import { Digest } from "#src/ports/Digest.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { Vault } from "#src/ports/Vault.ts"
import * as Numbers from "./Numbers.ts"
import * as RestartBudget from "./RestartBudget.ts"
import * as Rounds from "./Rounds.ts"

export interface Options {
  readonly behaviours: ReadonlyArray<AnyBehaviour>
  readonly mailboxMax?: number
  readonly actorsMax?: number
  readonly idleMillis?: number
  readonly drainMillis?: number
}

interface Resident extends Rounds.Actor {
  readonly rounds: Rounds.Rounds
  usedAtMillis: number
  /** Letters accepted and not yet taken. */
  readonly waiting: Array<Rounds.Letter>
  /** Letters being worked on. */
  taken: ReadonlyArray<Rounds.Letter>
  /** Whether a fiber works on them. */
  working: boolean
}

export const make = Effect.fnUntraced(function* (options: Options) {
  const store = yield* EventStore
  const vault = yield* Vault
  const digest = yield* Digest
  const clock = yield* Clock.Clock
  const budget = yield* RestartBudget.make
  const context = yield* Effect.context<never>()
  const runFork = Effect.runForkWith(context)
  const mailboxMax = options.mailboxMax ?? Bounds.mailboxMax
  const actorsMax = options.actorsMax ?? Bounds.actorsMax
  const idleMillis = options.idleMillis ?? Bounds.actorIdleMillis
  const residents = new Map<StreamId, Resident>()
  const fibers = new Set<Fiber.Fiber<void>>()
  const isolated = new Map<StreamId, string>()
  const quiet = Latch.makeUnsafe(true)
  let inHand = 0
  let draining = false

  const failed = Effect.fnUntraced(function* (stream: StreamId, why: string) {
    const { allowed, backoffMillis } = yield* budget.spend(stream)
    yield* Metric.update(Metric.withAttributes(Numbers.restarts, { of: "stream" }), 1)
    if (allowed) yield* Effect.sleep(Duration.millis(backoffMillis))
    else {
      isolated.set(stream, why)
      yield* Effect.logError(`${stream} is isolated: ${why}`)
    }
    return allowed
  })

  const world: Rounds.World = { store, vault, digest, failed }

  const kinds = new Map(options.behaviours.map((behaviour) => [behaviour.kind, Rounds.make(world, behaviour)]))

  const batch = (resident: Resident, letters: ReadonlyArray<Rounds.Letter>) => {
    const why = isolated.get(resident.stream)
    return why === undefined
      ? resident.rounds.process(resident, letters)
      : Rounds.failAll(letters, Rounds.isolated(resident.stream, why))
  }

  /** Works until nothing waits; what arrives while a batch is worked on is the next one. */
  const work = Effect.fnUntraced(function* (resident: Resident) {
    while (resident.waiting.length > 0) {
      const letters = resident.waiting.splice(0, Bounds.mailboxTakeMax)
      resident.taken = letters
      yield* batch(resident, letters)
      resident.taken = []
      resident.usedAtMillis = clock.currentTimeMillisUnsafe()
      inHand -= letters.length
      if (inHand === 0) quiet.openUnsafe()
    }
    // In one step with the look at what waits: whoever comes next wakes it again.
    resident.working = false
  })

  const wake = (resident: Resident) => {
    if (resident.working) return
    resident.working = true
    const fiber = runFork(
      Effect.catchCause(work(resident), (cause) =>
        Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError(`the fiber of ${resident.stream} ended`, cause)
      )
    )
    fibers.add(fiber)
    fiber.addObserver(() => fibers.delete(fiber))
  }

  const seat = (stream: StreamId, rounds: Rounds.Rounds): Resident => {
    const usedAtMillis = clock.currentTimeMillisUnsafe()
    const resident: Resident = { ...Rounds.actor(stream), rounds, usedAtMillis, waiting: [], taken: [], working: false }
    residents.set(stream, resident)
    return resident
  }

  /** Lets idle actors go; looking and letting go is one step, so no letter can slip in between. */
  const passivate = (nowMillis: number, all: boolean) => {
    for (const [stream, { usedAtMillis, working }] of residents) {
      if (!working && (all || nowMillis - usedAtMillis >= idleMillis)) residents.delete(stream)
    }
  }

  const refuse = (reason: ActorError["reason"], actor: string, detail: string, retryable: boolean) =>
    Effect.fail(new ActorError({ reason, actor, detail, retryable }))

  const deliver: Actors["Service"]["send"] = (kind, id, command, stamp, said) =>
    Effect.suspend(() => {
      const rounds = kinds.get(kind)
      if (rounds === undefined) return Effect.die(new Error(`no actor kind ${kind}`))
      const stream = StreamId.make(`${kind}:${id}`)
      if (draining) return Effect.fail(stopping(stream))
      let resident = residents.get(stream)
      if (resident === undefined) {
        if (residents.size >= actorsMax) passivate(0, true)
        if (residents.size >= actorsMax) return refuse("Overloaded", stream, "too many actors are busy", true)
        resident = seat(stream, rounds)
      }
      if (resident.waiting.length >= mailboxMax) return refuse("Overloaded", stream, "its mailbox is full", true)
      const reply = Deferred.makeUnsafe<Reply, ActorError>()
      resident.waiting.push({ command, said: said ?? command, stamp, reply })
      inHand += 1
      quiet.closeUnsafe()
      wake(resident)
      return Deferred.await(reply)
    })

  const send: Actors["Service"]["send"] = (kind, id, command, stamp, said) =>
    Effect.withSpan(
      Effect.tapError(deliver(kind, id, command, stamp, said), ({ reason }) =>
        Metric.update(Metric.withAttributes(Numbers.errors, { reason }), 1)
      ),
      "Actors.send",
      {
        attributes: { "keelson.stream": `${kind}:${id}`, "keelson.command": Rounds.nameOf(command) },
        captureStackTrace: false
      }
    )

  const drain = Effect.gen(function* () {
    draining = true
    const answered = yield* quiet.await.pipe(
      Effect.timeoutOption(Duration.millis(options.drainMillis ?? Bounds.drainMillis))
    )
    if (answered._tag === "None") yield* Effect.logWarning(`${inHand} commands were still in hand when the drain ended`)
    yield* Fiber.interruptAll(fibers)
    for (const [stream, { taken, waiting }] of residents) {
      yield* Rounds.failAll(taken, Rounds.indeterminate(stream, "the service stopped"))
      yield* Rounds.failAll(waiting, stopping(stream))
    }
  })

  yield* Effect.addFinalizer(() => drain)
  yield* Effect.sleep(Duration.millis(Math.max(1, idleMillis / 2))).pipe(
    Effect.andThen(Effect.sync(() => passivate(clock.currentTimeMillisUnsafe(), false))),
    Effect.forever,
    Effect.forkScoped
  )

  yield* Gauge.show(Numbers.mailboxDepth, () => inHand)
  yield* Gauge.show(Numbers.mailboxDepthMax, () => {
    let most = 0
    for (const { taken, waiting } of residents.values()) most = Math.max(most, taken.length + waiting.length)
    return most
  })
  yield* Gauge.show(Numbers.resident, () => residents.size)
  yield* Gauge.show(Numbers.isolated, () => isolated.size)

  return Actors.of({
    send,
    status: Effect.sync(() => ({
      resident: residents.size,
      isolated: [...isolated].slice(0, 100).map(([stream, why]) => ({ stream, why })),
      isolatedCount: isolated.size,
      draining
    }))
  })
})

export const layer = (options: Options): Layer.Layer<Actors, never, EventStore | Vault | Digest> =>
  Layer.effect(Actors, make(options))

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const stopping = (actor: string): ActorError =>
  new ActorError({ reason: "Draining", actor, detail: "the service is stopping", retryable: true })
