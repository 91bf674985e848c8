/**
 * What is said over a WebSocket, as an AsyncAPI 3 document: made from the schemas that read and check the frames, so it
 * can't say anything else. Served at `/asyncapi.json`.
 */
import * as JsonSchema from "effect/JsonSchema"
import * as Schema from "effect/Schema"
import * as Bounds from "#src/kernel/Bounds.ts"
import { socketPath } from "./Api.ts"
import * as Frames from "./api/Frames.ts"

/** Sentences for those who read the document, by type of frame. */
const summaries: { readonly [Type in Frames.AskedType | keyof typeof Frames.pushed]: string } = {
  "session.create": "Open a session",
  "session.touch": "Give a sign of life: renews the idle clock only",
  "session.close": "Close a session: cancels its turns, withdraws what it asks",
  "session.erase": "Forget every word said in a session, for ever",
  "turn.start": "Start a turn; it runs on by itself",
  "turn.cancel": "Cancel a running turn",
  "action.propose": "Propose an action",
  "action.claim": "Claim the permit of an action whose tool you run",
  "action.heartbeat": "Give a sign of life of a run: renews its lease",
  "action.outcome": "Report what came of a run",
  "action.reconcile": "Say, as a person who looked, what became of an unknown outcome",
  "confirmation.approve": "Approve, as it stands or with other arguments",
  "confirmation.deny": "Deny; nothing runs",
  "confirmation.withdraw": "Withdraw what you proposed",
  "tool.declare": "Declare a tool that you run yourself",
  "tool.withdraw": "Withdraw a tool: nothing more is proposed with it",
  "session.get": "Look at a session",
  "turn.get": "Look at a turn",
  "action.get": "Look at an action",
  "confirmation.get": "Look at a confirmation",
  "halt.get": "Ask whether everything is stopped, by whom, since when and why",
  subscribe: "Follow a session's events, from now on or after the last one seen",
  unsubscribe: "Follow a session no more",
  "work.subscribe": "Follow your work: the events of the actions with tools that you run, in any session",
  "work.unsubscribe": "Follow your work no more",
  ping: "Ask whether the service is there",
  event: "An event of a followed session, in commit order",
  work: "An event of your work, in commit order",
  heartbeat: "Up to where nothing is missing, for all that is followed",
  halt: "Whether everything is stopped: told when a connection opens, and at once when it changes",
  end: "A session is followed no more, and why",
  "work.end": "Your work is followed no more, and why"
}

/** The document, for the address that a service listens on. */
export const document = (): { readonly [member: string]: unknown } => {
  const asked = Object.keys(Frames.asked) as ReadonlyArray<Frames.AskedType>
  const pushed = Object.keys(Frames.pushed) as ReadonlyArray<keyof typeof Frames.pushed>
  const schemas: Record<string, JsonSchema.JsonSchema> = {}
  const messages: Record<string, unknown> = {}

  /** Puts a frame among the components; answers its name. */
  const message = (schema: Schema.Constraint, summary: string): string => {
    const { definitions, schema: root } = draft07(schema)
    Object.assign(schemas, definitions)
    const name = String(root.$ref).slice(components.length)
    messages[name] = { name, title: name, summary, payload: { $ref: `#/components/schemas/${name}` } }
    return name
  }
  const problem = message(Frames.ProblemFrame, "Why a frame is refused, as a problem document (RFC 9457)")

  const operations = Object.fromEntries([
    ...asked.map((type) => {
      const frame = message(Frames.asked[type], summaries[type])
      const answer = message(Frames.answers[type], `Answers \`${type}\``)
      const reply = { channel, messages: [answer, problem].map(inChannel) }
      return [type, { action: "receive", channel, summary: summaries[type], messages: [inChannel(frame)], reply }]
    }),
    ...pushed.map((type) => {
      const frame = message(Frames.pushed[type], summaries[type])
      return [type, { action: "send", channel, summary: summaries[type], messages: [inChannel(frame)] }]
    })
  ])

  return {
    asyncapi: "3.0.0",
    info: {
      title: "Keelson over WebSocket",
      version: "1",
      description: [
        "One connection for commands, answers and the events of many sessions: JSON objects, one in each text frame.",
        "Every frame with an `id` is answered once, by an `answer` or a `problem` with that `id`; answers and events come as they are ready, events of one session in order.",
        "To go on after a break, subscribe with the last `sequence` that you saw.",
        `The service closes with ${Object.entries(Frames.closings)
          .map(([code, why]) => `${code} (${why})`)
          .join(", ")}; 1009 where a frame is larger than ${Bounds.socketFrameBytesMax} bytes.`
      ].join(" "),
      license: { name: "Apache-2.0" }
    },
    defaultContentType: "application/json",
    servers: {
      local: {
        host: "127.0.0.1:7717",
        protocol: "ws",
        description: "Where a laptop's service listens.",
        security: [{ $ref: "#/components/securitySchemes/token" }]
      }
    },
    channels: {
      socket: {
        address: socketPath,
        description: `Offer the subprotocol \`${Frames.subprotocol}\`.`,
        messages: Object.fromEntries(
          Object.keys(messages).map((name) => [name, { $ref: `#/components/messages/${name}` }])
        ),
        bindings: { ws: { method: "GET", bindingVersion: "0.1.0" } }
      }
    },
    operations,
    components: {
      messages,
      schemas,
      securitySchemes: {
        token: { type: "http", scheme: "bearer", description: "A Keelson token: `kls_` and 49 characters." }
      }
    }
  }
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const channel = { $ref: "#/channels/socket" }

const inChannel = (name: string) => ({ $ref: `#/channels/socket/messages/${name}` })

const components = "#/components/schemas/"

/** AsyncAPI's own dialect is a superset of JSON Schema draft 07. Closed, as the service reads it. */
const draft07 = (schema: Schema.Constraint): JsonSchema.Document<"draft-07"> => {
  const document = Schema.toJsonSchemaDocument(schema, { onExcessProperty: "error" })
  const text = JSON.stringify(JsonSchema.toDocumentDraft07(document))
  return JSON.parse(
    text.replaceAll('"$ref":"#/definitions/', `"$ref":"${components}`)
  ) as JsonSchema.Document<"draft-07">
}
