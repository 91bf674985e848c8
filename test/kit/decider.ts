/**
 * Given events, when a command, then events or a rejection: a sentence per rule.
 *
 * Every event that a rule gives is also read back through its schema, so a rule can't say what can't be stored.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { assert } from "@effect/vitest"
import { type Decider, type EventRegistry, fold } from "#src/kernel/Decider.ts"
import type { Draft, Recorded } from "#src/kernel/Envelope.ts"
import { CommandId, CommandKey, EventId, PrincipalId } from "#src/kernel/Ids.ts"
import type { Actor, ActorKind, Stamp } from "#src/kernel/Stamp.ts"
import { derive } from "#layers/digest/NodeDigest.ts"

export const actor = (kind: ActorKind, id: string): Actor => ({ kind, id: PrincipalId.make(id) })

export const owner = actor("HUMAN", "owner")
export const agent = actor("AGENT", "assistant")
export const system = actor("SYSTEM", "system")

/** A stamp at a time, by somebody; the key only has to differ where a test says so. */
export const stamp = (atMillis: number, by: Actor = owner, key = `k${atMillis}`): Stamp => {
  const commandId = CommandId.make(derive("cmd", by.id, key))
  return {
    atMillis,
    actor: by,
    key: CommandKey.make(key),
    commandId,
    correlationId: commandId,
    causationId: null,
    traceparent: null
  }
}

export const record = (drafts: ReadonlyArray<Draft>, by: Actor = owner): ReadonlyArray<Recorded<any, any>> =>
  drafts.map((draft, index) => ({
    type: draft.type,
    payload: draft.payload,
    eventId: EventId.make(derive("evt", "given", String(index))),
    version: index + 1,
    occurredAt: "2026-01-01T00:00:00.000Z",
    actor: by
  }))

export const specification = <State, Command, Event extends Draft, Rejection>(
  decider: Decider<State, Command, Event, Rejection>,
  registry: EventRegistry
) => ({
  given: (...happened: ReadonlyArray<Event>) => {
    const state = fold(decider, record(happened))
    return {
      state,
      when: (command: Command, at: Stamp) => {
        const decided = decider.decide(state, command, at)
        const events = Result.isSuccess(decided) ? decided.success : []
        for (const event of events) {
          const definition = registry.get(event.type)
          assert.isDefined(definition, `${event.type} is not registered`)
          assert.isTrue(Schema.is(definition!.payload)(event.payload), `${event.type} does not fit its schema`)
        }
        return {
          events,
          types: events.map((event) => event.type),
          after: fold(decider, record([...happened, ...events])),
          then: (...expected: ReadonlyArray<Event>) => {
            assert.isTrue(Result.isSuccess(decided), `refused: ${JSON.stringify(decided)}`)
            assert.deepStrictEqual(events, expected)
          },
          thenRefused: (expected: Partial<Rejection>) => {
            assert.isTrue(Result.isFailure(decided), `accepted: ${JSON.stringify(events)}`)
            if (Result.isFailure(decided)) assert.deepInclude<object>(decided.failure as object, expected)
          }
        }
      }
    }
  }
})
