/** The journal as it grows: server-sent events (WHATWG HTML, section 9.2). */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { EventType } from "#src/kernel/Envelope.ts"
import { PrincipalId, SessionId, StreamId } from "#src/kernel/Ids.ts"
import { busy, questions } from "./ProblemDocument.ts"
import * as Words from "./Words.ts"

/** One message: `data` is JSON, an `Event` in a `message`, a `HaltState` in a `halt`. */
export const Message = Schema.Struct({
  /** The position up to which everything was sent or is not for the reader: hand it back to go on. */
  id: Schema.String,
  event: Schema.Literals(["message", "heartbeat", "halt", "end"]),
  data: Schema.String
})
export type Message = typeof Message.Type

export const StreamApi = HttpApiGroup.make("stream")
  .add(
    HttpApiEndpoint.get("events", "/events/stream", {
      headers: {
        "last-event-id": Schema.optionalKey(
          Words.Position.annotate({ description: "Go on after this `id`; counts before `after`." })
        )
      },
      query: {
        after: Schema.optionalKey(Words.Position),
        executorId: Schema.optionalKey(
          PrincipalId.annotate({ description: "Yourself: follow your work, the actions with tools that you run." })
        ),
        sessionId: Schema.optionalKey(SessionId),
        stream: Schema.optionalKey(StreamId),
        type: Schema.optionalKey(EventType)
      },
      success: HttpApiSchema.StreamSse({ events: Message }),
      error: [...questions, ...busy]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Follow events in commit order, as server-sent events",
        description:
          "Begins after `Last-Event-ID` or `after`, else with what comes from now on; a position beyond the journal's end is refused, and the refusal names the end. A `message` holds an event; a `heartbeat` says that nothing was missed up to its id; a `halt` says, at the beginning and at once when it changes, whether everything is stopped, as `GET /v1/halt` does; an `end` says why the stream ends. For an operator all events; for a session's owner and agent those of the session that `sessionId` names; for an agent that runs tools elsewhere those of its work, with `executorId`: of the actions with its tools, in any session, while the tools stand."
      })
    )
  )
  .annotateMerge(OpenApi.annotations({ title: "Stream", description: "What happens, as it happens." }))
