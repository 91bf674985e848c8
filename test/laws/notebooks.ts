/**
 * A small decider that keeps every law, and variants of it that break one each: what the laws must catch.
 */
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { isWellFormed } from "#src/kernel/Canonical.ts"
import { type Decider, type EventRegistry, registry } from "#src/kernel/Decider.ts"
import type { Draft, Recorded } from "#src/kernel/Envelope.ts"
import * as Sealed from "#src/kernel/Sealed.ts"
import type { Stamp } from "#src/kernel/Stamp.ts"
import { type LawName, type Step, steps, type Trial } from "./decider.ts"

const Command = Schema.Union([
  Schema.TaggedStruct("Write", { text: Schema.String.check(Schema.makeFilter(isWellFormed)) }),
  Schema.TaggedStruct("Pin", { index: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 })) }),
  Schema.TaggedStruct("Close", {})
])
export type Command = typeof Command.Type

interface Note {
  readonly atMillis: number
  readonly text: Sealed.Handle
}
export interface State {
  readonly notes: ReadonlyArray<Note>
  readonly pinned: Sealed.Handle | null
  readonly closed: boolean
}
export type Event =
  | Draft<"note.written", Note>
  | Draft<"note.pinned", { readonly index: number; readonly text: Sealed.Handle }>
  | Draft<"notebook.closed", { readonly notes: number }>
type Happened = Recorded<Event["type"], Event["payload"]>
type Rejection = "Closed" | "NoSuchNote"
export type Notebook = Decider<State, Command, Event, Rejection>

const definition = (type: string, payload: Schema.Codec<any, any>) => ({
  type,
  schemaVersion: 1,
  payload,
  upcasters: {}
})
const events: EventRegistry = registry([
  definition("note.written", Schema.Struct({ atMillis: Schema.Int, text: Sealed.Handle })),
  definition("note.pinned", Schema.Struct({ index: Schema.Int, text: Sealed.Handle })),
  definition("notebook.closed", Schema.Struct({ notes: Schema.Int }))
])

export const good: Notebook = {
  initial: { notes: [], pinned: null, closed: false },
  decide: (state, command, stamp) => {
    if (state.closed) return Result.fail("Closed")
    switch (command._tag) {
      case "Write":
        return Result.succeed([written(stamp, command.text)])
      case "Pin": {
        const note = state.notes[command.index]
        if (note === undefined) return Result.fail("NoSuchNote")
        return Result.succeed([{ type: "note.pinned", payload: { index: command.index, text: note.text } }])
      }
      case "Close":
        return Result.succeed([{ type: "notebook.closed", payload: { notes: state.notes.length } }])
    }
  },
  evolve: (state, happened) => {
    const event = happened as Event
    switch (event.type) {
      case "note.written":
        return { ...state, notes: [...state.notes, event.payload] }
      case "note.pinned":
        return { ...state, pinned: event.payload.text }
      case "notebook.closed":
        return { ...state, closed: true }
    }
  }
}

const written = (stamp: Stamp, text: string): Event => ({
  type: "note.written",
  payload: { atMillis: stamp.atMillis, text: Sealed.plain(text) }
})

const commands: Arbitrary.Arbitrary<ReadonlyArray<Step<Command>>> = steps(Arbitrary.schema(Command))

export const trial = (decider: Notebook): Trial<State, Command, Event, Rejection> => ({
  decider,
  events,
  commands,
  reaches: ["note.written", "note.pinned", "notebook.closed"],
  words: (command) => (command._tag === "Write" ? [command.text] : []),
  runs: 60
})

type Variant = readonly [name: string, breaks: LawName, make: () => Notebook]

/** `good` with another way to write a note. */
const writing = (write: (state: State, stamp: Stamp, text: string) => ReadonlyArray<unknown>): Notebook => ({
  ...good,
  decide: (state, command, stamp) =>
    command._tag === "Write" && !state.closed
      ? Result.succeed(write(state, stamp, command.text) as ReadonlyArray<Event>)
      : good.decide(state, command, stamp)
})

/** `good` with another way to take in a note. */
const taking = (take: (state: State, note: Note, event: Happened) => unknown): Notebook => ({
  ...good,
  evolve: (state, event) =>
    event.type === "note.written" ? (take(state, event.payload as Note, event) as State) : good.evolve(state, event)
})

const noted = (stamp: Stamp, more: object) => [
  { type: "note.written", payload: { atMillis: stamp.atMillis, text: Sealed.plain("x"), ...more } }
]

export const bad: ReadonlyArray<Variant> = [
  [
    "throws on the third note",
    "total",
    () =>
      writing((state, stamp, text) => {
        if (state.notes.length === 2) throw new Error("full")
        return [written(stamp, text)]
      })
  ],
  [
    "throws on an event it finds odd",
    "total",
    () =>
      taking((state, note, event) => {
        if (event.version > 2) throw new Error("odd")
        return { ...state, notes: [...state.notes, note] }
      })
  ],
  [
    "writes into the state it was given",
    "total",
    () =>
      writing((state, stamp, text) => {
        Object.assign(state, { pinned: null })
        return [written(stamp, text)]
      })
  ],
  [
    "adds to the state's own list",
    "total",
    () =>
      taking((state, note) => {
        const notes = state.notes as Array<Note>
        notes.push(note)
        return { ...state, notes }
      })
  ],
  ["draws lots", "total", () => writing((_state, stamp) => noted(stamp, { atMillis: Math.floor(Math.random() * 9) }))],
  ["reads the clock", "total", () => writing((_state, stamp) => noted(stamp, { atMillis: new Date().getTime() }))],
  [
    "counts outside its state",
    "total",
    () => {
      let count = 0
      return writing((_state, stamp) => noted(stamp, { atMillis: count++ }))
    }
  ],
  ["keeps a Map", "total", () => taking((state, note) => ({ ...state, notes: [note], index: new Map([[1, note]]) }))],
  [
    "remembers states it has seen",
    "halves",
    () => {
      const seen = new WeakSet<State>()
      return {
        ...good,
        evolve: (state, event) => {
          const next = { ...good.evolve(state, event), ...(seen.has(state) ? { closed: true } : {}) }
          seen.add(next)
          return next
        }
      }
    }
  ],
  [
    "drops a note whose words are gone",
    "erasure",
    () => taking((state, note) => (Sealed.isRedacted(note.text) ? state : { ...state, notes: [...state.notes, note] }))
  ],
  [
    "keeps the length of what was said",
    "erasure",
    () =>
      taking((state, note) => ({
        ...state,
        notes: [...state.notes, { ...note, atMillis: JSON.stringify(note.text).length }]
      }))
  ],
  [
    "judges notes by their ciphers in evolve",
    "opacity",
    () =>
      taking((state, note) => ({
        ...state,
        notes: [...state.notes, { ...note, atMillis: JSON.stringify(note.text).codePointAt(90) }]
      }))
  ],
  [
    "judges notes by their ciphers in decide",
    "opacity",
    () =>
      writing((state, stamp, text) =>
        state.notes.some((note) => JSON.stringify(note.text).includes("a7")) ? [] : [written(stamp, text)]
      )
  ],
  ["says more than its schema knows", "stored", () => writing((_state, stamp) => noted(stamp, { mood: "fine" }))],
  ["says another type than its schema", "stored", () => writing((_state, stamp) => noted(stamp, { atMillis: "now" }))],
  ["says what JSON can't hold", "stored", () => writing((_state, stamp) => noted(stamp, { atMillis: Number.NaN }))],
  ["says an event nobody registered", "stored", () => writing(() => [{ type: "note.whispered", payload: {} }])],
  [
    "says a refusal's words in the clear",
    "sealed",
    () =>
      writing((_state, stamp, text) => [
        { ...written(stamp, text), refs: [{ kind: "note", id: `n${text}`.slice(0, 200) }] }
      ])
  ],
  [
    "never closes",
    "reached",
    () => ({
      ...good,
      decide: (state, command, stamp) =>
        command._tag === "Close" ? Result.succeed([]) : good.decide(state, command, stamp)
    })
  ]
]
