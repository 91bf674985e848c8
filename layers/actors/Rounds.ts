/**
 * The rounds of an actor: everything that waits is decided over one tentative state and handed to the journal together.
 *
 * ```
 * on its memory, else on what is read; where the first command begins the stream, on nothing, unread
 *   -> decide each on the state the one before it would leave -> append together
 *   Committed      adopt, record the receipt, answer
 *   Refused        version: read again, decide again (bounded); guard: a refusal; receipt: the recorded answer
 *   Indeterminate  answer so, forget everything, read again at the next command
 * ```
 *
 * Invariants: nobody is answered before the commit; what a lost race made void is decided again, never adopted;
 * a rule that throws fails its own command and costs the actor its memory, no one else theirs.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Outcome, Refusal } from "#src/kernel/Append.ts"
import type { AnyBehaviour } from "#src/kernel/Behaviour.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { StreamId } from "#src/kernel/Ids.ts"
import * as Trace from "#src/kernel/Trace.ts"
import { ActorError, type Reply } from "#src/ports/Actors.ts"
import type { EventStore, EventStoreError } from "#src/ports/EventStore.ts"
import type { KeyRingError } from "#src/ports/KeyRing.ts"
import * as Memory from "./Memory.ts"

export interface Letter extends Memory.Message {
  readonly reply: Deferred.Deferred<Reply, ActorError>
}

export interface World extends Memory.Tools {
  readonly store: EventStore["Service"]
  /** A rule threw or a stream could not be read: true where the actor may go on, after its pause. */
  readonly failed: (stream: StreamId, why: string) => Effect.Effect<boolean>
}

/** One actor between its batches. */
export interface Actor {
  readonly stream: StreamId
  memory: Memory.Memory | null
  /** Nothing was asked of its stream, nor written to it. */
  untouched: boolean
}

export const actor = (stream: StreamId): Actor => ({ stream, memory: null, untouched: true })

export interface Rounds {
  /** Answers every letter. */
  readonly process: (actor: Actor, letters: ReadonlyArray<Letter>) => Effect.Effect<void>
}

/** For all actors of one behaviour: there are many, and what each of them costs while it waits is its `Actor`. */
export const make = (world: World, behaviour: AnyBehaviour): Rounds => {
  const read = Effect.fnUntraced(function* (actor: Actor) {
    if (actor.memory !== null) return actor.memory
    const slice = yield* world.store.readStream(actor.stream)
    return (actor.memory = Memory.load(behaviour, actor.stream, slice))
  })

  /** Decides all letters in a row, each on what the one before it would leave. */
  const decideAll = Effect.fnUntraced(function* (letters: ReadonlyArray<Letter>, from: Memory.Memory) {
    let tentative = from
    const seen = new Map<string, number>()
    const decisions: Array<Decision> = []
    for (const letter of letters) {
      const name = Memory.receiptName(letter.stamp.actor.id, letter.stamp.key)
      const earlier = seen.get(name)
      if (earlier !== undefined) {
        decisions.push({ _tag: "Again", letter })
        continue
      }
      const exit = yield* Effect.exit(inTrace(letter, Memory.decide(world, behaviour, tentative, letter)))
      if (Exit.isFailure(exit)) {
        decisions.push({ _tag: "Broken", letter, cause: exit.cause })
        continue
      }
      const step = exit.value
      if (step._tag === "Commit") {
        tentative = step.next
        seen.set(name, decisions.length)
      }
      decisions.push({ _tag: "Decided", letter, step })
    }
    return decisions
  })

  const adopt = Effect.fnUntraced(function* (actor: Actor, step: Commit) {
    const { append, next, created } = step
    if (created !== null) yield* world.vault.adopt(created)
    for (const subject of append.shred) yield* world.vault.scrub(subject)
    if (append.receipt !== null) {
      next.receipts.set(Memory.receiptName(append.receipt.principal, append.receipt.key), append.receipt)
    }
    // A key that this memory only meant to create is the vault's business once its append is in.
    actor.memory = { ...next, created: null, presumed: false }
  })

  /** Answers what can be answered; gives back the letters that must be decided again. */
  const settle = Effect.fnUntraced(function* (
    actor: Actor,
    decisions: ReadonlyArray<Decision>,
    outcomes: ReadonlyArray<Outcome>
  ) {
    const again: Array<Letter> = []
    let index = 0
    // Whatever was decided on a refused append is void too: to decide it again, what is known still suffices.
    let broke = false
    let lost: string | null = null
    for (const decision of decisions) {
      if (decision._tag !== "Decided" || decision.step._tag === "Done") {
        if (decision._tag === "Again") again.push(decision.letter)
        continue
      }
      const outcome = outcomes[index++] as Outcome
      if (outcome._tag === "Committed") {
        yield* adopt(actor, decision.step)
        yield* Deferred.succeed(decision.letter.reply, decision.step.reply)
      } else if (outcome._tag === "Indeterminate") {
        lost = outcome.cause
        decision.step.created?.destroy()
        yield* Deferred.fail(decision.letter.reply, indeterminate(actor.stream, outcome.cause))
      } else {
        decision.step.created?.destroy()
        const retry = yield* refused(actor, decision.letter, decision.step, outcome.refusal, broke)
        broke = true
        if (retry) again.push(decision.letter)
      }
    }
    if (lost !== null) actor.memory = null
    return again
  })

  /** True where the letter must be decided again on newer facts. */
  const refused = Effect.fnUntraced(function* (
    actor: Actor,
    letter: Letter,
    step: Commit,
    refusal: Refusal,
    broke: boolean
  ) {
    switch (refusal._tag) {
      case "VersionConflict":
      case "KeyConflict":
        if (!broke) actor.memory = null
        return true
      case "GuardFailed":
        yield* Deferred.succeed(letter.reply, Memory.rejected(behaviour.refusal(refusal.guard, step.prepared)))
        return false
      case "ReceiptExists": {
        const { receipt } = refusal
        const digest = step.append.receipt?.digest ?? ""
        const answer = yield* Effect.match(world.vault.key(receipt.subject), {
          onFailure: (error) => Result.fail(unavailable(actor.stream, error)),
          onSuccess: (key) => Memory.repeat(receipt, actor.stream, digest, key)
        })
        yield* Deferred.done(letter.reply, toExit(answer))
        actor.memory = null
        return false
      }
    }
  })

  const broken = Effect.fnUntraced(function* (
    actor: Actor,
    letter: Letter,
    cause: Cause.Cause<KeyRingError | EventStoreError>
  ) {
    const expected = Cause.findErrorOption(cause)
    if (expected._tag === "Some") {
      yield* Deferred.fail(letter.reply, unavailable(actor.stream, expected.value))
      return
    }
    actor.memory = null
    yield* Effect.logError(`a rule of ${actor.stream} threw`, cause)
    yield* Deferred.fail(letter.reply, crashed(actor.stream))
    yield* world.failed(actor.stream, "a rule threw")
  })

  const append = (actor: Actor, committing: ReadonlyArray<Committing>) =>
    Effect.withSpan(world.store.append(committing.map(({ step }) => step.append)), "EventStore.append", {
      ...Trace.together(committing.flatMap(({ letter }) => Trace.spanOf(letter.stamp.traceparent) ?? [])),
      attributes: { "keelson.stream": actor.stream, "keelson.appends": committing.length },
      captureStackTrace: false
    }).pipe(Effect.onError(() => Effect.sync(() => letGo(committing))))

  /** Answers what was decided, after the commit; gives back the letters that must be decided again. */
  const round = Effect.fnUntraced(function* (actor: Actor, letters: ReadonlyArray<Letter>) {
    const decisions = yield* decideAll(letters, yield* read(actor))
    const committing = decisions.filter(isCommitting)
    const outcomes = committing.length === 0 ? [] : yield* append(actor, committing)
    answerDone(decisions)
    const again = yield* settle(actor, decisions, outcomes)
    // Last, since it may pause: nobody else's answer waits for it.
    for (const decision of decisions) {
      if (decision._tag === "Broken") yield* broken(actor, decision.letter, decision.cause)
    }
    return again
  })

  /**
   * The first command of a stream that it brings into being, decided unread: it is presumed that nothing is there. It may
   * be appended on that, since the journal compares heads before anything else; it may not be answered on that. True once
   * it is answered. A rule that throws on the state of a stream that is not there is wrong, whatever is there.
   */
  const begin = Effect.fnUntraced(function* (actor: Actor, letter: Letter) {
    const [decision] = yield* decideAll([letter], Memory.presume(behaviour, actor.stream))
    if (decision?._tag === "Broken" && Cause.hasDies(decision.cause)) {
      yield* broken(actor, letter, decision.cause)
      return true
    }
    if (decision === undefined || !isCommitting(decision)) return false
    const appended = yield* Effect.result(append(actor, [decision]))
    if (appended._tag === "Failure") {
      yield* repeatOr(actor, letter, unavailable(actor.stream, appended.failure))
      return true
    }
    const [outcome] = appended.success
    if (outcome?._tag === "Indeterminate") {
      letGo([decision])
      yield* repeatOr(actor, letter, indeterminate(actor.stream, outcome.cause))
      return true
    }
    return (yield* settle(actor, [decision], appended.success)).length === 0
  })

  /** What the journal may have recorded of a command that could not be begun; else why it could not. */
  const repeatOr = Effect.fnUntraced(function* (actor: Actor, letter: Letter, error: ActorError) {
    const known = yield* Effect.result(read(actor))
    const decisions = known._tag === "Success" ? yield* decideAll([letter], known.success) : []
    letGo(decisions.filter(isCommitting))
    answerDone(decisions)
    yield* Deferred.fail(letter.reply, error)
  })

  const process = Effect.fnUntraced(function* (actor: Actor, letters: ReadonlyArray<Letter>) {
    let waiting = letters
    const [first] = letters
    if (actor.untouched && first !== undefined && letters.length === 1 && behaviour.begins(first.command)) {
      actor.untouched = false
      const begun = yield* Effect.exit(begin(actor, first))
      if (Exit.isFailure(begun)) return yield* giveUp(actor, letters, begun.cause)
      if (begun.value) return
    }
    actor.untouched = false
    for (let attempt = 0; waiting.length > 0;) {
      if (attempt > Bounds.conflictRetriesMax) {
        yield* failAll(waiting, busy(actor.stream))
        return
      }
      const exit = yield* Effect.exit(round(actor, waiting))
      if (Exit.isSuccess(exit)) {
        // A round that answered somebody is progress; only rounds in which nobody was count.
        attempt = exit.value.length < waiting.length ? 0 : attempt + 1
        waiting = exit.value
        continue
      }
      yield* giveUp(actor, waiting, exit.cause)
      return
    }
  })

  /** The store did not answer (nothing was written), or the stream itself can't be read: it is poisoned. */
  const giveUp = Effect.fnUntraced(function* (
    actor: Actor,
    letters: ReadonlyArray<Letter>,
    cause: Cause.Cause<EventStoreError>
  ) {
    const { stream } = actor
    // What was stopped in the middle is not broken: whether it was written, the journal knows.
    if (Cause.hasInterruptsOnly(cause)) {
      actor.memory = null
      yield* failAll(letters, indeterminate(stream, "it was stopped in the middle"))
      return
    }
    const expected = Cause.findErrorOption(cause)
    if (expected._tag === "Some" && expected.value.reason !== "Corrupt") {
      yield* failAll(letters, unavailable(stream, expected.value))
      return
    }
    actor.memory = null
    const why = expected._tag === "Some" ? expected.value.detail : "an event that this program can't read"
    yield* Effect.logError(`${stream} can't be worked on: ${why}`, cause)
    yield* failAll(letters, isolated(stream, why))
    yield* world.failed(stream, why)
  })

  /** Whatever else goes wrong is a bug of this file: the letters are answered all the same. */
  return {
    process: (actor, letters) =>
      process(actor, letters).pipe(
        Effect.catchDefect((defect) => {
          actor.memory = null
          return Effect.andThen(
            Effect.logError(`a round of ${actor.stream} broke`, defect),
            failAll(letters, crashed(actor.stream))
          )
        })
      )
  }
}

export const failAll = (letters: Iterable<Letter>, error: ActorError): Effect.Effect<void> =>
  Effect.forEach(letters, (letter) => Deferred.fail(letter.reply, error), { discard: true })

export const isolated = (actor: string, why: string): ActorError =>
  new ActorError({ reason: "Isolated", actor, detail: `isolated until someone looks: ${why}`, retryable: false })

/** How a command is called. */
export const nameOf = (command: unknown): string =>
  Predicate.hasProperty(command, "_tag") && typeof command._tag === "string" ? command._tag : "command"

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

type Commit = Extract<Memory.Step, { readonly _tag: "Commit" }>

/** The decision in its caller's trace: what it looks up is part of that. */
const inTrace = <A, E>(letter: Letter, deciding: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Trace.within(letter.stamp.traceparent)(
    Effect.withSpan(deciding, "Actor.decide", {
      attributes: { "keelson.command": nameOf(letter.command) },
      captureStackTrace: false
    })
  )

type Decision =
  | { readonly _tag: "Decided"; readonly letter: Letter; readonly step: Memory.Step }
  /** The same command stands earlier in this batch: decided again once that one is settled, and answered by its receipt. */
  | { readonly _tag: "Again"; readonly letter: Letter }
  | { readonly _tag: "Broken"; readonly letter: Letter; readonly cause: Cause.Cause<KeyRingError | EventStoreError> }

/** Keys that were made for what is not committed. Where nobody knows, the vault finds the key in the journal, if it is there. */
const letGo = (committing: ReadonlyArray<Committing>): void => {
  for (const { step } of committing) step.created?.destroy()
}

const answerDone = (decisions: ReadonlyArray<Decision>): void => {
  for (const decision of decisions) {
    if (decision._tag !== "Decided" || decision.step._tag !== "Done") continue
    Deferred.doneUnsafe(decision.letter.reply, toExit(decision.step.reply))
  }
}

interface Committing {
  readonly _tag: "Decided"
  readonly letter: Letter
  readonly step: Commit
}

const isCommitting = (decision: Decision): decision is Committing =>
  decision._tag === "Decided" && decision.step._tag === "Commit"

const toExit = (reply: Result.Result<Reply, ActorError>): Exit.Exit<Reply, ActorError> =>
  Result.isSuccess(reply) ? Exit.succeed(reply.success) : Exit.fail(reply.failure)

export const indeterminate = (actor: string, cause: string): ActorError =>
  new ActorError({
    reason: "Indeterminate",
    actor,
    detail: `the answer to the commit was lost (${cause}): repeat with the same key`,
    retryable: true
  })

const unavailable = (actor: string, error: EventStoreError | KeyRingError): ActorError =>
  new ActorError({
    reason:
      error._tag === "EventStoreError" && (error.reason === "Full" || error.reason === "Overloaded")
        ? error.reason
        : "Unavailable",
    actor,
    detail: error.message,
    retryable: error.retryable
  })

const busy = (actor: string): ActorError =>
  new ActorError({
    reason: "Overloaded",
    actor,
    detail: `other processes changed this ${Bounds.conflictRetriesMax} times meanwhile`,
    retryable: true
  })

const crashed = (actor: string): ActorError =>
  new ActorError({ reason: "Crashed", actor, detail: "a rule threw; nothing was changed", retryable: false })
