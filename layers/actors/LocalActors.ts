/**
 * Actors as fibers of one process.
 *
 * Owns the table of actors, bounded mailboxes, passivation, isolation of what is poisoned, and draining.
 * Does not own what happens to a batch (`Mailbox`) nor the truth: heads in the journal fence any other process.
 *
 * Invariants: one fiber per stream; a mailbox that is full refuses; an idle actor leaves memory; a stream that
 * spent its restart budget answers nothing more and stops nobody else; a drain answers all that was accepted.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Queue from "effect/Queue"
import { PreventSchedulerYield } from "effect/Scheduler"
import type { AnyBehaviour } from "#src/kernel/Behaviour.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Gauge from "#src/kernel/Gauge.ts"
import { StreamId } from "#src/kernel/Ids.ts"
import { ActorError, Actors, type Reply } from "#src/ports/Actors.ts"
import { Digest } from "#src/ports/Digest.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { Vault } from "#src/ports/Vault.ts"
import * as Mailbox from "./Mailbox.ts"
import * as Numbers from "./Numbers.ts"
import * as RestartBudget from "./RestartBudget.ts"

export interface Options {
  readonly behaviours: ReadonlyArray<AnyBehaviour>
  readonly mailboxMax?: number
  readonly actorsMax?: number
  readonly idleMillis?: number
  readonly drainMillis?: number
}

interface Resident {
  readonly queue: Queue.Queue<Mailbox.Letter>
  usedAtMillis: number
  /** Letters accepted and not yet answered. */
  inHand: number
  /** Letters taken from the queue and being worked on. */
  taken: ReadonlyArray<Mailbox.Letter>
}

export const make = Effect.fnUntraced(function* (options: Options) {
  const store = yield* EventStore
  const vault = yield* Vault
  const digest = yield* Digest
  const clock = yield* Clock.Clock
  const budget = yield* RestartBudget.make
  const context = yield* Effect.context<never>()
  const runFork = Effect.runForkWith(context)
  // What a queue wakes goes by the scheduler under which it was made: that of the actors, which a simulation holds.
  const atOnce = Context.add(context, PreventSchedulerYield, true)

  const behaviours = new Map(options.behaviours.map((behaviour) => [behaviour.kind, behaviour]))
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

  const world: Mailbox.World = { store, vault, digest, failed }

  const work = (stream: StreamId, resident: Resident, mailbox: Mailbox.Mailbox) =>
    Effect.gen(function* () {
      const letters = yield* Queue.takeBetween(resident.queue, 1, Bounds.mailboxTakeMax)
      resident.taken = letters
      const why = isolated.get(stream)
      yield* why === undefined ? mailbox.process(letters) : Mailbox.failAll(letters, Mailbox.isolated(stream, why))
      resident.usedAtMillis = clock.currentTimeMillisUnsafe()
      resident.taken = []
      resident.inHand -= letters.length
      inHand -= letters.length
      if (inHand === 0) quiet.openUnsafe()
    }).pipe(
      Effect.forever,
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause) || residents.get(stream) !== resident
          ? Effect.void
          : Effect.logError(`the fiber of ${stream} ended`, cause)
      )
    )

  const spawn = (stream: StreamId, behaviour: AnyBehaviour): Resident => {
    const queue = Effect.runSync(Effect.provideContext(Queue.bounded<Mailbox.Letter>(mailboxMax), atOnce))
    const resident: Resident = { queue, usedAtMillis: clock.currentTimeMillisUnsafe(), inHand: 0, taken: [] }
    residents.set(stream, resident)
    const fiber = runFork(work(stream, resident, Mailbox.make(world, behaviour, stream)))
    fibers.add(fiber)
    fiber.addObserver(() => fibers.delete(fiber))
    return resident
  }

  /** Lets idle actors go; looking and letting go is one step, so no letter can slip in between. */
  const passivate = (nowMillis: number, all: boolean) => {
    for (const [stream, resident] of residents) {
      if (resident.inHand > 0 || (!all && nowMillis - resident.usedAtMillis < idleMillis)) continue
      residents.delete(stream)
      Effect.runSync(Queue.shutdown(resident.queue))
    }
  }

  const refuse = (reason: ActorError["reason"], actor: string, detail: string, retryable: boolean) =>
    Effect.fail(new ActorError({ reason, actor, detail, retryable }))

  const deliver: Actors["Service"]["send"] = (kind, id, command, stamp, said) =>
    Effect.suspend(() => {
      const behaviour = behaviours.get(kind)
      if (behaviour === undefined) return Effect.die(new Error(`no actor kind ${kind}`))
      const stream = StreamId.make(`${kind}:${id}`)
      if (draining) return refuse("Draining", stream, "the service is stopping", true)
      let resident = residents.get(stream)
      if (resident === undefined) {
        if (residents.size >= actorsMax) passivate(0, true)
        if (residents.size >= actorsMax) return refuse("Overloaded", stream, "too many actors are busy", true)
        resident = spawn(stream, behaviour)
      }
      const reply = Deferred.makeUnsafe<Reply, ActorError>()
      if (!Queue.offerUnsafe(resident.queue, { command, said: said ?? command, stamp, reply })) {
        return refuse("Overloaded", stream, "its mailbox is full", true)
      }
      resident.inHand += 1
      inHand += 1
      quiet.closeUnsafe()
      return Deferred.await(reply)
    })

  const send: Actors["Service"]["send"] = (kind, id, command, stamp, said) =>
    Effect.withSpan(
      Effect.tapError(deliver(kind, id, command, stamp, said), ({ reason }) =>
        Metric.update(Metric.withAttributes(Numbers.errors, { reason }), 1)
      ),
      "Actors.send",
      {
        attributes: { "keelson.stream": `${kind}:${id}`, "keelson.command": Mailbox.nameOf(command) },
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
    for (const [stream, { queue, taken }] of residents) {
      yield* Mailbox.failAll(taken, Mailbox.indeterminate(stream, "the service stopped"))
      const left = yield* Effect.orElseSucceed(Queue.clear(queue), () => [])
      const error = new ActorError({
        reason: "Draining",
        actor: stream,
        detail: "the service is stopping",
        retryable: true
      })
      yield* Mailbox.failAll(left, error)
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
    for (const resident of residents.values()) most = Math.max(most, resident.inHand)
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
