/**
 * The gateway's rows, rebuilt from the journal alone: what `keelson verify` compares the tables with.
 *
 * Pure apart from the states it folds. Holds one state per stream it has seen, so its memory grows with the
 * number of streams, not with their length.
 */
import * as Effect from "effect/Effect"
import type { RowChange } from "../kernel/Append.ts"
import type { AnyBehaviour } from "../kernel/Behaviour.ts"
import { read } from "../kernel/Decider.ts"
import type { StoredEvent } from "../kernel/Envelope.ts"
import * as Action from "./Action.ts"
import * as Bypass from "./Bypass.ts"
import { events } from "./Events.ts"
import * as DeclaredTool from "./DeclaredTool.ts"
import * as Halt from "./Halt.ts"
import * as PolicyInForce from "./PolicyInForce.ts"
import * as Principal from "./Principal.ts"
import * as Rows from "./Rows.ts"
import * as Session from "./Session.ts"
import * as Turn from "./Turn.ts"

type Folding = Pick<AnyBehaviour, "kind" | "rows"> & {
  readonly decider: Pick<AnyBehaviour["decider"], "initial" | "evolve">
}

const foldings: ReadonlyMap<string, Folding> = new Map(
  [
    Session.behaviour,
    Turn.behaviour,
    Bypass.behaviour,
    Halt.behaviour,
    Principal.behaviour,
    DeclaredTool.behaviour,
    PolicyInForce.behaviour,
    {
      kind: "action",
      decider: Action.decider,
      rows: (before: Action.State, _event: unknown, after: Action.State) =>
        after === null ? [] : Rows.action(before, after)
    }
  ].map((folding: Folding) => [folding.kind, folding])
)

/** A function to be called with every event in order of position; answers the rows that the event changes. */
export const make = Effect.sync(() => {
  const states = new Map<string, unknown>()
  return (stored: StoredEvent): ReadonlyArray<RowChange> => {
    const { stream } = stored.envelope
    const folding = foldings.get(stream.slice(0, stream.indexOf(":")))
    if (folding === undefined) return []
    const before = states.has(stream) ? states.get(stream) : folding.decider.initial
    const event = read(events, stored.envelope)
    const after: unknown = folding.decider.evolve(before, event)
    states.set(stream, after)
    return folding.rows(before, event, after)
  }
})
