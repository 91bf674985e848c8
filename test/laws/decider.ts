/**
 * The laws that every decider keeps, as one property test that any of them is run through.
 *
 *   laws("session", { decider, events, commands: steps(command), reaches: ["session.created", ...] })
 *
 * Commands are generated with their stamps, decided one after the other, sealed and recorded as the journal would
 * (only the ciphers are stand-ins), and each law is then asked of the whole history. `violations` answers the same
 * question as data; `test/laws/decider.test.ts` asks it of deciders that break one law each.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import { type Decider, type EventRegistry, fold, upcast } from "#src/kernel/Decider.ts"
import * as Envelope from "#src/kernel/Envelope.ts"
import { CommandId, CommandKey, EventId, PrincipalId, StreamId, SubjectId } from "#src/kernel/Ids.ts"
import * as Sealed from "#src/kernel/Sealed.ts"
import type { Actor, Stamp } from "#src/kernel/Stamp.ts"
import { deepFrozen, plainProblem, unworldly } from "./worldless.ts"

/** A command and the stamp it came with. */
export interface Step<Command> {
  readonly command: Command
  readonly stamp: Stamp
}

export interface Trial<State, Command, Event extends Envelope.Draft, Rejection> {
  readonly decider: Decider<State, Command, Event, Rejection>
  readonly events: EventRegistry
  readonly commands: Arbitrary.Arbitrary<ReadonlyArray<Step<Command>>>
  /**
   * Event types that the commands must bring about at least once in `reachRuns` histories: a law that was never
   * asked about an event proves nothing about it.
   */
  readonly reaches: ReadonlyArray<Event["type"]>
  /** Points a generated command at what there is: the id of the open confirmation, the deadline in force. Pure. */
  readonly aim?: (state: State, command: Command, stamp: Stamp) => Command
  /** What somebody said in a command; none of it may stand in an event's text. Texts shorter than 8 are not looked for. */
  readonly words?: (command: Command) => ReadonlyArray<string>
  /** Histories per law. Default 100. */
  readonly runs?: number
  /** Histories in which each of `reaches` must come about. Default 400. */
  readonly reachRuns?: number
}

export interface StepsOptions {
  /** Who sends the commands. Default: a person, an agent and the system. */
  readonly actors?: ReadonlyArray<Actor>
  readonly startMillis?: number
  /** Longest time between two commands. Default 90 s. */
  readonly gapMillisMax?: number
  /** Commands in one history. Default 24. */
  readonly lengthMax?: number
}

/** Commands whose words have a canonical form: doors let no others in. */
export const storable = <Command>(command: Arbitrary.Arbitrary<Command>): Arbitrary.Arbitrary<Command> =>
  Arbitrary.filter(command, (drawn) => {
    try {
      return Canonical.encode(drawn as Canonical.Json) !== ""
    } catch {
      return false
    }
  })

export const person: Actor = { kind: "HUMAN", id: PrincipalId.make("owner") }
export const agent: Actor = { kind: "AGENT", id: PrincipalId.make("assistant") }
export const system: Actor = { kind: "SYSTEM", id: PrincipalId.make("system") }

/** Sequences of commands whose stamps have rising times, changing actors and a key each. */
export const steps = <Command>(
  command: Arbitrary.Arbitrary<Command>,
  options: StepsOptions = {}
): Arbitrary.Arbitrary<ReadonlyArray<Step<Command>>> => {
  const actors = options.actors ?? [person, agent, system]
  const gap = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: options.gapMillisMax ?? 90_000 }))
  const who = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: actors.length - 1 }))
  const one = Arbitrary.all({ command, gap: Arbitrary.schema(gap), who: Arbitrary.schema(who) })
  return Arbitrary.array(one, { maxLength: options.lengthMax ?? 24 }).pipe(
    Arbitrary.map((drawn) => {
      let atMillis = options.startMillis ?? 1_700_000_000_000
      return drawn.map((each, index) => {
        atMillis += each.gap
        return { command: each.command, stamp: stampAt(atMillis, actors[each.who]!, `k${index}`) }
      })
    })
  )
}

export type LawName = keyof typeof promises

/** Registers one test per law. */
export const laws = <State, Command, Event extends Envelope.Draft, Rejection>(
  name: string,
  trial: Trial<State, Command, Event, Rejection>
): void => {
  describe(`the laws of deciders: ${name}`, () => {
    for (const law of lawNames) {
      if (law === "sealed" && trial.words === undefined) continue
      it.effect(promises[law], () => Effect.map(check(law, trial), (problem) => assert.isUndefined(problem, problem)))
    }
  })
}

/** Which laws the decider breaks, with the shrunk history that shows it. */
export const violations = <State, Command, Event extends Envelope.Draft, Rejection>(
  trial: Trial<State, Command, Event, Rejection>
): Effect.Effect<ReadonlyMap<LawName, string>> =>
  Effect.gen(function* () {
    const found = new Map<LawName, string>()
    for (const law of lawNames) {
      const problem = yield* check(law, trial)
      if (problem !== undefined) found.set(law, problem)
    }
    return found
  })

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const promises = {
  total: "decide and evolve are total, pure and deterministic, and their states are plain data",
  erasure: "fold(erase(events)) = erase(fold(events))",
  opacity: "neither decide nor evolve looks into a sealed handle",
  stored: "every event fits its registered schema and survives its canonical text",
  halves: "a replay cut in two anywhere gives the state of one replay",
  sealed: "nothing that somebody said stands in an event's text",
  reached: "the commands bring about every event they say they do"
} as const

const lawNames = Object.keys(promises) as ReadonlyArray<LawName>

const reachRuns = 400

type Event_<Event extends Envelope.Draft> = Envelope.Recorded<Event["type"], Event["payload"]>

interface History<State, Command, Event extends Envelope.Draft> {
  readonly events: ReadonlyArray<Event_<Event>>
  readonly sealed: ReadonlyArray<Envelope.SealedEvent>
  readonly drafts: ReadonlyArray<Event>
  /** Each command as it was decided, with the events before it. */
  readonly asked: ReadonlyArray<Step<Command> & { readonly after: number }>
  readonly state: State
}

const check = <State, Command, Event extends Envelope.Draft, Rejection>(
  law: LawName,
  trial: Trial<State, Command, Event, Rejection>
): Effect.Effect<string | undefined> => {
  if (law === "reached") return reached(trial)
  const judge = judges[law]
  return Arbitrary.checkEffect(
    trial.commands,
    (commands) =>
      Effect.try({
        try: () => {
          judge(trial, play(trial, commands, law === "total"))
          return true
        },
        catch: (error) => (error instanceof Error ? error.message : String(error))
      }),
    { runs: trial.runs ?? 100, seed: law, size: 24 }
  ).pipe(Effect.map(Arbitrary.formatCheckFailure))
}

const reached = <State, Command, Event extends Envelope.Draft, Rejection>(
  trial: Trial<State, Command, Event, Rejection>
): Effect.Effect<string | undefined> =>
  Arbitrary.sampleEffect(trial.commands, { count: trial.reachRuns ?? reachRuns, size: 24, seed: "reached" }).pipe(
    Effect.orDie,
    Effect.map((histories) => {
      const seen = new Set<string>()
      for (const commands of histories) {
        try {
          for (const { type } of play(trial, commands, false).drafts) seen.add(type)
        } catch {
          // The law `total` says what is wrong with this one.
        }
      }
      const missing = trial.reaches.filter((type) => !seen.has(type))
      const unsaid = [...seen].filter((type) => !trial.reaches.some((known) => known === type))
      if (missing.length === 0 && unsaid.length === 0) return undefined
      return `never brought about: ${missing.join() || "-"}; brought about and not named: ${unsaid.join() || "-"}`
    })
  )

/** Decides, seals and records one command after the other. */
const play = <State, Command, Event extends Envelope.Draft, Rejection>(
  trial: Trial<State, Command, Event, Rejection>,
  commands: ReadonlyArray<Step<Command>>,
  strict: boolean
): History<State, Command, Event> => {
  const { decider } = trial
  const events: Array<Event_<Event>> = []
  const sealed: Array<Envelope.SealedEvent> = []
  const drafts: Array<Event> = []
  const asked: Array<Step<Command> & { after: number }> = []
  let state = decider.initial
  for (const { command: drawn, stamp } of commands) {
    const command = trial.aim?.(state, drawn, stamp) ?? drawn
    asked.push({ command, stamp, after: events.length })
    const decided = strict
      ? twice(`decide(${JSON.stringify(command)})`, () =>
          decider.decide(deepFrozen(state), deepFrozen(command), deepFrozen(stamp))
        )
      : decider.decide(state, command, stamp)
    if (Result.isFailure(decided)) continue
    for (const draft of decided.success) {
      const one = assemble(trial.events, draft, stamp, sealed)
      const event = Envelope.recorded(one.envelope) as Event_<Event>
      drafts.push(draft)
      sealed.push(one)
      events.push(event)
      const before = state
      state = strict
        ? twice(`evolve(${event.type})`, () => decider.evolve(deepFrozen(before), deepFrozen(event)))
        : decider.evolve(state, event)
    }
  }
  return { events, sealed, drafts, asked, state }
}

type Judge = <State, Command, Event extends Envelope.Draft, Rejection>(
  trial: Trial<State, Command, Event, Rejection>,
  history: History<State, Command, Event>
) => void

const judges: { readonly [law in Exclude<LawName, "reached">]: Judge } = {
  total: ({ decider }, history) => {
    assert.deepStrictEqual(fold(decider, history.events), history.state, "a second replay gives another state")
    assert.isUndefined(plainProblem(history.state))
  },

  erasure: ({ decider }, history) => {
    const erasedFirst = fold(
      decider,
      history.events.map((event) => Sealed.erase(event))
    )
    assert.deepStrictEqual(erasedFirst, Sealed.erase(history.state))
  },

  opacity: ({ decider }, history) => {
    const others = history.events.map((event) => reworded(event))
    assert.deepStrictEqual(Sealed.erase(fold(decider, others)), Sealed.erase(history.state), "evolve looked inside")
    for (const { command, stamp, after } of history.asked) {
      const decided = (events: ReadonlyArray<(typeof others)[number]>) =>
        Sealed.erase(decider.decide(fold(decider, events.slice(0, after)), command, stamp))
      assert.deepStrictEqual(decided(others), decided(history.events), "decide looked inside")
    }
  },

  stored: ({ events: registry }, history) => {
    for (const [index, { envelope, text }] of history.sealed.entries()) {
      const { type, schemaVersion, payload } = envelope
      const { payload: schema } = registry.get(type)!
      assert.isTrue(Schema.is(Envelope.Envelope)(envelope), `${type}: the envelope does not fit its schema`)
      assert.isTrue(Schema.is(schema)(history.drafts[index]!.payload), `${type}: the draft does not fit its schema`)
      const read = (Canonical.decode(text) as { readonly payload: Canonical.Json }).payload
      const decoded: unknown = Schema.decodeUnknownSync(schema)(upcast(registry, type, schemaVersion, read))
      assert.deepStrictEqual<unknown>(decoded, payload, `${type}: read back as something else`)
      assert.strictEqual(Canonical.encode(decoded as Canonical.Json), Canonical.encode(payload as Canonical.Json))
    }
  },

  halves: ({ decider }, { events, state }) => {
    for (let cut = 0; cut <= events.length; cut++) {
      // What is kept between two halves is data: a clone, not the very object.
      const first = structuredClone(fold(decider, events.slice(0, cut)))
      assert.deepStrictEqual(fold(decider, events.slice(cut), first), state, `cut after ${cut} of ${events.length}`)
    }
  },

  sealed: ({ words }, { asked, sealed }) => {
    const said = asked.flatMap(({ command }) => words?.(command) ?? []).filter((text) => text.length >= 8)
    for (const { envelope, text } of sealed) {
      for (const word of said) assert.notInclude(text, Canonical.encode(word).slice(1, -1), envelope.type)
    }
  }
}

const stream = StreamId.make("law:decider")
const subject = SubjectId.make("law:decider")

const stampAt = (atMillis: number, actor: Actor, key: string): Stamp => {
  const commandId = CommandId.make(NodeDigest.derive("cmd", actor.id, key))
  return {
    atMillis,
    actor,
    key: CommandKey.make(key),
    commandId,
    correlationId: commandId,
    causationId: null,
    traceparent: null
  }
}

/** Stands in for a cipher: the same words at the same place give the same box, others another. */
const boxOf = (at: string, text: string): Sealed.Box => ({
  sealed: { subject, at, box: NodeDigest.sha256(`${at}\n${text}`) }
})

const reworded = <A>(value: A): A =>
  Sealed.mapHandles(value, (handle) =>
    Sealed.isBox(handle) ? boxOf(handle.sealed.at, `other than ${handle.sealed.box}`) : null
  ) as A

const assemble = (
  registry: EventRegistry,
  draft: Envelope.Draft,
  stamp: Stamp,
  before: ReadonlyArray<Envelope.SealedEvent>
): Envelope.SealedEvent => {
  const definition = registry.get(draft.type)
  if (definition === undefined) throw new Error(`${draft.type} is not registered`)
  const version = before.length + 1
  return Envelope.assemble({
    draft,
    stamp,
    stream,
    version,
    schemaVersion: definition.schemaVersion,
    occurredAt: new Date(stamp.atMillis).toISOString(),
    prevHash: before[before.length - 1]?.hash ?? Envelope.genesis,
    eventId: EventId.make(NodeDigest.derive("evt", stream, String(version))),
    seal: (at, words) => boxOf(at, Canonical.encode(words)),
    sha256: NodeDigest.sha256
  })
}

/** Asks twice, with the world out of reach. */
const twice = <A>(what: string, ask: () => A): A => {
  const first = unworldly(what, ask)
  assert.deepStrictEqual(unworldly(what, ask), first, `${what} answered differently the second time`)
  return first
}
