/** The smallest actor that has everything: sealed words, rows, guards, refusals, and rules that can be told to throw. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Append from "#src/kernel/Append.ts"
import type { Behaviour } from "#src/kernel/Behaviour.ts"
import { registry } from "#src/kernel/Decider.ts"
import type { Draft } from "#src/kernel/Envelope.ts"
import { SubjectId } from "#src/kernel/Ids.ts"
import * as Sealed from "#src/kernel/Sealed.ts"

export interface State {
  readonly count: number
  readonly last: Sealed.Handle | null
}
export type Command =
  | { readonly _tag: "Add"; readonly to: string; readonly by: number; readonly words: string }
  | { readonly _tag: "Explode"; readonly to: string }
  | { readonly _tag: "Refuse"; readonly to: string }
type Added = Draft<"counter.added", { readonly by: number; readonly words: Sealed.Handle }>

const Payload = Schema.Struct({ by: Schema.Int, words: Sealed.Handle })

export const behaviour: Behaviour<State, Command, Command, Added, { readonly why: string }> = {
  kind: "counter",
  events: registry([{ type: "counter.added", schemaVersion: 1, payload: Payload, upcasters: {} }]),
  decider: {
    initial: { count: 0, last: null },
    decide: (_state, command) => {
      if (command._tag === "Explode") throw new Error("boom")
      if (command._tag === "Refuse" || command.by < 0) return Result.fail({ why: "refused" })
      return Result.succeed([
        { type: "counter.added", payload: { by: command.by, words: Sealed.plain(command.words) } }
      ])
    },
    evolve: (state, event) => ({ count: state.count + event.payload.by, last: event.payload.words })
  },
  subject: (_state, command) => SubjectId.make(`counter:${command.to}`),
  begins: (command) => command._tag === "Add",
  createsSubject: (command) => command._tag === "Add",
  passing: () => false,
  ends: () => false,
  survivesErasure: () => false,
  prepare: (_state, command) => Effect.succeed(Result.succeed(command)),
  rows: (_before, _event, after) => [Append.put("counter", "one", { count: after.count }), Append.add("sum", 1)],
  guards: (_before, command) => (command._tag === "Add" ? [Append.atMost("sum", 1_000)] : []),
  shreds: () => [],
  answer: (after) => ({ count: after.count }),
  refusal: () => ({ why: "too many" })
}
