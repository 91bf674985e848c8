/** The journal: its events, and the counters that its events keep. For whoever runs the service. */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { EventType } from "#src/kernel/Envelope.ts"
import { StreamId } from "#src/kernel/Ids.ts"
import { questions } from "./ProblemDocument.ts"
import { Event } from "./Resources.ts"
import * as Words from "./Words.ts"

export const EventPage = Schema.Struct({
  items: Schema.Array(Event),
  next: Schema.Int.annotate({ description: "Position to go on from, as `after`; also at the end." }),
  atEnd: Schema.Boolean.annotate({ description: "Nothing newer was committed when this was read." })
}).annotate({ identifier: "EventPage" })
export type EventPage = typeof EventPage.Type

export const Counters = Schema.Struct({
  confirmations: Schema.Struct({
    created: Schema.Int,
    approved: Schema.Int,
    denied: Schema.Int,
    expired: Schema.Int,
    withdrawn: Schema.Int,
    pending: Schema.Int
  }).annotate({ description: "created = approved + denied + expired + withdrawn + pending, at every moment." }),
  permitsRefused: Schema.Int.annotate({ description: "Attempts to run a tool past the gate. Executed: none." })
}).annotate({ identifier: "Counters" })
export type Counters = typeof Counters.Type

export const JournalApi = HttpApiGroup.make("journal")
  .add(
    HttpApiEndpoint.get("events", "/events", {
      query: {
        after: Schema.optionalKey(Words.Position),
        limit: Words.Limit,
        stream: Schema.optionalKey(
          StreamId.annotate({ examples: [StreamId.make("session:ses_00000000000000000000000000")] })
        ),
        type: Schema.optionalKey(EventType.annotate({ examples: ["session.created"] }))
      },
      success: EventPage,
      error: questions
    }).annotate(OpenApi.Summary, "Read events in commit order"),
    HttpApiEndpoint.get("counters", "/counters", { success: Counters, error: questions }).annotate(
      OpenApi.Summary,
      "Count confirmations and refused permits"
    )
  )
  .annotateMerge(
    OpenApi.annotations({ title: "Journal", description: "What happened. For the principal that runs the service." })
  )
