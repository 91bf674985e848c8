/**
 * The journal, served to whoever runs the service.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as GatewayRows from "#src/gateway/Rows.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import type { StreamId } from "#src/kernel/Ids.ts"
import { EventStore, Rows } from "#src/ports/EventStore.ts"
import type { Principal } from "#src/ports/Identity.ts"
import { Vault } from "#src/ports/Vault.ts"
import { Api } from "../Api.ts"
import type { Counters, EventPage } from "../api/JournalApi.ts"
import type { Event } from "../api/Resources.ts"
import * as Answers from "./Answers.ts"
import * as Show from "./Show.ts"

interface Which {
  readonly after?: number
  readonly limit?: number
  readonly stream?: StreamId
  readonly type?: string
}

export const layer = HttpApiBuilder.group(
  Api,
  "journal",
  Effect.fnUntraced(function* (handlers) {
    const store = yield* EventStore
    const rows = yield* Rows
    const show = Show.make(yield* Vault)

    /** Events to look at after a position, in order, and whether there are more. */
    const look = Effect.fnUntraced(function* (after: number, which: Which, limit: number) {
      if (which.stream === undefined) {
        const chunk = which.type === undefined ? limit : Bounds.readLimitMax
        const events = yield* store.readAll(after, chunk)
        return { events, more: events.length === chunk, upTo: after }
      }
      // First the head: what commits between the two reads is found by the next question.
      const head = yield* store.head
      const { events } = yield* store.readStream(which.stream)
      return { events: events.filter(({ position }) => position > after), more: false, upTo: Math.max(after, head) }
    })

    const events = Effect.fnUntraced(function* (which: Which) {
      const limit = which.limit ?? Bounds.pageDefault
      const items: Array<Event> = []
      let next = which.after ?? 0
      let text = 0
      for (let looked = 0; looked < Bounds.eventScanMax;) {
        const found = yield* look(next, which, limit)
        for (const stored of found.events) {
          if (matches(stored, which)) {
            if (items.length === limit) return page(items, next, false)
            text += stored.text.length
            if (text > Bounds.pageTextMax && items.length > 0) return page(items, next, false)
            items.push(yield* show.event(stored))
          }
          next = stored.position
        }
        next = Math.max(next, found.upTo)
        if (!found.more) return page(items, next, true)
        if (items.length === limit) return page(items, next, false)
        looked += found.events.length
      }
      return page(items, next, false)
    })

    /** In one question, so that the six belong to one moment. */
    const counters = Effect.gen(function* () {
      const found = new Map(yield* rows.counters("confirmations."))
      const count = (name: string) => found.get(name) ?? 0
      return {
        confirmations: {
          created: count(GatewayRows.confirmations("created")),
          approved: count(GatewayRows.confirmations("approved")),
          denied: count(GatewayRows.confirmations("denied")),
          expired: count(GatewayRows.confirmations("expired")),
          withdrawn: count(GatewayRows.confirmations("withdrawn")),
          pending: count(GatewayRows.pending)
        },
        permitsRefused: yield* rows.counter(GatewayRows.permitsRefused)
      } satisfies Counters
    })

    return handlers
      .handle("events", ({ query }) => Answers.ask((by) => Effect.andThen(permit(by), events(query))))
      .handle("counters", () => Answers.ask((by) => Effect.andThen(permit(by), counters)))
  })
)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const permit = (by: Principal) => Answers.permit(by, "events.read")

const matches = ({ envelope }: StoredEvent, { type }: Which): boolean => type === undefined || envelope.type === type

const page = (items: ReadonlyArray<Event>, next: number, atEnd: boolean): EventPage => ({ items, next, atEnd })
