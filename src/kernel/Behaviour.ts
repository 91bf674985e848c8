/**
 * What an actor engine needs to know of a room's actor: its rules, and how its facts become rows and answers.
 *
 * A behaviour is written against ports and satisfies nothing. Engines (`layers/actors`) own mailboxes,
 * loading, sealing, appending, receipts, passivation and supervision; a behaviour owns none of that.
 */
import type * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import type { Guard, RowChange } from "./Append.ts"
import type { Json } from "./Canonical.ts"
import type { Decider, EventRegistry } from "./Decider.ts"
import type { Draft, Recorded } from "./Envelope.ts"
import type { Hash, SubjectId } from "./Ids.ts"
import type { Stamp } from "./Stamp.ts"

/** HMAC under the subject's data key: how a room commits to words without keeping them. */
export type Commit = (text: string) => Hash

/** `Unready` is what a look-up may meet: a store that does not answer. The caller is told so, and may repeat. */
export interface Behaviour<State, Command, Prepared, Event extends Draft, Rejection, Unready = never> {
  /** The stream's kind: the actor `id` lives in the stream `<kind>:<id>`. */
  readonly kind: string
  readonly events: EventRegistry
  readonly decider: Decider<State, Prepared, Event, Rejection>
  /** Whose data key seals this actor's words. Same answer for every command of one actor. */
  readonly subject: (state: State, command: Command) => SubjectId | null
  /**
   * Whether this command is first decided as though its stream were not there, without a look at the journal; where the
   * stream is, the journal refuses, and it is decided again on what is there. False is always right and costs a read; true
   * pays for a command that brings its stream into being, and costs a second decision where that has happened.
   */
  readonly begins: (command: Command) => boolean
  /** Whether this command may bring the subject (and its data key) into being. */
  readonly createsSubject: (command: Command) => boolean
  /** Whether the command still makes sense after its subject was erased (an expiry does, a word does not). */
  readonly survivesErasure: (command: Command) => boolean
  /** Whether the command brings its stream to an end: taken up to `Bounds.streamEventsTotalMax`. */
  readonly ends: (command: Command) => boolean
  /** Whether a refusal only says "not yet": it leaves no receipt, so that the same command may succeed later. */
  readonly passing: (rejection: Rejection) => boolean
  /** Looks up what the rules need as data (a policy's decision, a digest). Must not change the world. */
  readonly prepare: (
    state: State,
    command: Command,
    stamp: Stamp,
    commit: Commit | null
  ) => Effect.Effect<Result.Result<Prepared, Rejection>, Unready>
  /** The rows one event changes; pure, so any process rebuilds the same tables. */
  readonly rows: (
    before: State,
    event: Recorded<Event["type"], Event["payload"]>,
    after: State
  ) => ReadonlyArray<RowChange>
  /** What must hold across streams for these events to stand. */
  readonly guards: (before: State, command: Prepared, events: ReadonlyArray<Event>) => ReadonlyArray<Guard>
  /** Subjects that these events forget. */
  readonly shreds: (events: ReadonlyArray<Event>) => ReadonlyArray<SubjectId>
  /** What the caller is told, and told again when the command is repeated. */
  readonly answer: (after: State, command: Prepared) => Json
  /** What a failed guard means to the caller. */
  readonly refusal: (guard: Guard, command: Prepared) => Rejection
}

/** A behaviour with its types put away: how engines hold many kinds side by side. */
export type AnyBehaviour = Behaviour<any, any, any, any, any, any>
