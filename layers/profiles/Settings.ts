/**
 * Everything a deployment may set: one schema, one name per value, for environment variables and flags alike.
 *
 * A wrong value is refused with its name and what was expected, before anything is opened.
 */
import * as Schema from "effect/Schema"
import * as Bounds from "#src/kernel/Bounds.ts"
import type * as Relations from "#src/kernel/Relations.ts"
import "#src/kernel/Relations.ts"

const count = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** Limits that a deployment sets and that can contradict each other. */
interface Related {
  readonly connectionsMax: number
  readonly eventStreamsMax: number
  readonly eventStreamsPerPrincipalMax: number
  readonly socketsMax: number
  readonly socketsPerPrincipalMax: number
  readonly turnsInFlightMax: number
  readonly turnsPerPrincipalMax: number
  readonly turnsPerSessionMax: number
  readonly turnsWaitingMax: number
  readonly waitsMax: number
  readonly waitsPerPrincipalMax: number
}

/** As `Relations.relations`, between what is set. */
export const relations = (set: Related): ReadonlyArray<Relations.Relation> => [
  [
    set.eventStreamsPerPrincipalMax <= set.eventStreamsMax,
    `one principal can't follow more than all may: eventStreamsPerPrincipalMax (${set.eventStreamsPerPrincipalMax}) <= eventStreamsMax (${set.eventStreamsMax})`
  ],
  [
    set.eventStreamsMax + set.socketsMax + set.waitsMax < set.connectionsMax,
    `followers, WebSockets and waits leave connections for everybody else: eventStreamsMax (${set.eventStreamsMax}) + socketsMax (${set.socketsMax}) + waitsMax (${set.waitsMax}) < connectionsMax (${set.connectionsMax})`
  ],
  [
    set.waitsPerPrincipalMax <= set.waitsMax,
    `one principal can't wait more often than all may: waitsPerPrincipalMax (${set.waitsPerPrincipalMax}) <= waitsMax (${set.waitsMax})`
  ],
  [
    set.socketsPerPrincipalMax <= set.socketsMax,
    `one principal can't open more WebSockets than all may: socketsPerPrincipalMax (${set.socketsPerPrincipalMax}) <= socketsMax (${set.socketsMax})`
  ],
  [
    set.turnsPerSessionMax <= set.turnsPerPrincipalMax,
    `what one session may run its owner may: turnsPerSessionMax (${set.turnsPerSessionMax}) <= turnsPerPrincipalMax (${set.turnsPerPrincipalMax})`
  ],
  [
    set.turnsPerSessionMax <= set.turnsInFlightMax + set.turnsWaitingMax,
    `what one session may run can be taken in: turnsPerSessionMax (${set.turnsPerSessionMax}) <= turnsInFlightMax (${set.turnsInFlightMax}) + turnsWaitingMax (${set.turnsWaitingMax})`
  ]
]

/** Names as a flag is called; `KEELSON_` and capitals make the environment variable: `dataFolder` is `KEELSON_DATA_FOLDER`. */
export const Settings = Schema.Struct({
  host: Schema.String.annotate({
    description: "Address to listen on. Anything but loopback needs a proxy that adds TLS."
  }),
  port: count(0, 65_535).annotate({ description: "TCP port of the HTTP door; 0 takes a free one." }),
  dataFolder: Schema.NonEmptyString.annotate({
    description: "Where journal, keys and the owner's token live. Created with mode 0700."
  }),
  workspaceFolder: Schema.NonEmptyString.annotate({
    description: "The only folder that the file and shell tools see."
  }),
  policyFolder: Schema.NonEmptyString.annotate({ description: "Folder of .cedar files; starts with a starter set." }),
  databaseUrl: Schema.NullOr(Schema.Redacted(Schema.NonEmptyString)).annotate({
    description: "A PostgreSQL URL. Without one the journal is an embedded PGlite in the data folder."
  }),
  databaseSchema: Schema.String.check(Schema.isPattern(/^[a-z][a-z0-9_]{0,40}$/)).annotate({
    description: "Schema of the journal's tables: several journals can share a database."
  }),
  checkpointFolder: Schema.NonEmptyString.annotate({
    description: "Where signed checkpoints of the journal are kept. Created with mode 0700. Copy them elsewhere."
  }),
  checkpointIntervalMillis: count(Bounds.checkpointMillisMin, Bounds.checkpointMillisMax).annotate({
    description: "Time between two checkpoints of a journal that grows."
  }),
  confirmationTtlMillis: count(1_000, Bounds.sessionTtlMillisMax).annotate({
    description: "How long an action waits for people; covers its execution too."
  }),
  claimLeaseMillis: count(Bounds.claimLeaseMillisMin, Bounds.claimLeaseMillis).annotate({
    description: "How long a claimed action may run before SYSTEM says Unknown."
  }),
  confirmationsPendingMax: count(1, 100_000).annotate({ description: "Actions that may wait at once, in all." }),
  confirmationsPendingPerSessionMax: count(1, 100_000).annotate({
    description: "Actions that may wait at once, in one session."
  }),
  sessionTtlMillis: count(1_000, Bounds.sessionTtlMillisMax).annotate({ description: "Absolute life of a session." }),
  sessionIdleMillis: count(1_000, Bounds.sessionTtlMillisMax).annotate({
    description: "Life of a session without a sign of life."
  }),
  sessionsPerPrincipalMax: count(1, 1_000_000).annotate({ description: "Open sessions of one principal." }),
  turnsPerSessionMax: count(1, 10_000).annotate({ description: "Turns that may run at once, in one session." }),
  turnsInFlightMax: count(1, Bounds.inFlightMax).annotate({
    description: "Turns that one process works on at once; those that wait for people or tools are not counted."
  }),
  turnsWaitingMax: count(0, Bounds.waitingMax).annotate({
    description: "Turns that may wait in line for that; more are told to come back."
  }),
  turnsPerPrincipalMax: count(1, Bounds.waitingMax).annotate({
    description: "Turns of one principal that are worked on or wait in that line."
  }),
  toolsInFlightMax: count(1, Bounds.inFlightMax).annotate({
    description: "Tools that one process runs at once; what agents run elsewhere is not counted."
  }),
  toolsWaitingMax: count(0, Bounds.waitingMax).annotate({
    description: "Permitted actions that may wait in line for that; then proposals and turns are told to come back."
  }),
  toolsPerPrincipalMax: count(1, Bounds.waitingMax).annotate({
    description: "Actions that one principal proposed and that run or wait in that line."
  }),
  turnStepsMax: count(1, 1_000).annotate({ description: "Answers of the model in one turn." }),
  turnTokensMax: count(1, 100_000_000).annotate({ description: "Tokens in one turn, input and output." }),
  turnTimeoutMillis: count(1_000, 86_400_000).annotate({
    description: "Time of one turn, waiting for people included."
  }),
  requestsPerSecondMax: count(1, 1_000_000).annotate({
    description: "HTTP requests of one principal in a second, and as many at once; more are told to wait."
  }),
  bodyBytesMax: count(Bounds.httpBodyBytesMin, 16 * 1024 * 1024).annotate({
    description: "Bytes of one HTTP request's body; the longest arguments always fit."
  }),
  connectionsMax: count(1, 100_000).annotate({
    description: "HTTP connections open at once, those of followers and WebSockets included; more are refused."
  }),
  requestsMax: count(1, 100_000).annotate({
    description: "HTTP requests in hand at once, those that wait included; more are told to come back."
  }),
  waitsMax: count(1, 100_000).annotate({
    description: "HTTP requests that wait for something at once, in all; more are told to come back."
  }),
  waitsPerPrincipalMax: count(1, 100_000).annotate({
    description: "HTTP requests that wait for something at once, of one principal."
  }),
  eventStreamsMax: count(1, 100_000).annotate({
    description: "Readers that follow events by HTTP at once, in all; more are told to come back."
  }),
  eventStreamsPerPrincipalMax: count(1, 100_000).annotate({
    description: "Readers that follow events by HTTP at once, of one principal."
  }),
  socketsMax: count(1, 100_000).annotate({ description: "WebSockets open at once, in all; more are told to wait." }),
  socketsPerPrincipalMax: count(1, 100_000).annotate({ description: "WebSockets open at once, of one principal." }),
  socketFrameBytesMax: count(Bounds.httpBodyBytesMin, 16 * 1024 * 1024).annotate({
    description: "Size of one frame of a WebSocket; a larger one ends its connection."
  }),
  origins: Schema.String.check(
    Schema.isPattern(/^(https?:\/\/[^/?#\s,]+(,https?:\/\/[^/?#\s,]+)*)?$/u, {
      message: "expected origins like https://app.example.org, separated by commas"
    })
  ).annotate({ description: "Origins of pages that may open WebSockets, beside the service's own; none unless set." }),
  traceFileBytes: Schema.Union([Schema.Literal(0), count(Bounds.traceFileBytesMin, Bounds.traceFileBytesMax)]).annotate(
    { description: `Size of one local trace file, of which ${Bounds.traceFilesMax} are kept; 0 writes none.` }
  )
}).check(
  Schema.makeFilter((set) => relations(set).flatMap(([holds, law]) => (holds ? [] : [{ path: [], issue: law }])))
)
export type Settings = typeof Settings.Type

export const defaults: Settings = {
  host: "127.0.0.1",
  port: 7717,
  dataFolder: ".keelson",
  workspaceFolder: "keelson-workspace",
  policyFolder: ".keelson/policies",
  databaseUrl: null,
  databaseSchema: "keelson",
  checkpointFolder: ".keelson/checkpoints",
  checkpointIntervalMillis: Bounds.checkpointMillis,
  confirmationTtlMillis: Bounds.confirmationTtlMillis,
  claimLeaseMillis: Bounds.claimLeaseMillis,
  confirmationsPendingMax: Bounds.confirmationsPendingMax,
  confirmationsPendingPerSessionMax: Bounds.confirmationsPendingPerSessionMax,
  sessionTtlMillis: Bounds.sessionTtlMillis,
  sessionIdleMillis: Bounds.sessionIdleMillis,
  sessionsPerPrincipalMax: Bounds.sessionsPerPrincipalMax,
  turnsPerSessionMax: Bounds.turnsPerSessionMax,
  turnsInFlightMax: Bounds.turnsInFlightMax,
  turnsWaitingMax: Bounds.turnsWaitingMax,
  turnsPerPrincipalMax: Bounds.turnsPerPrincipalMax,
  toolsInFlightMax: Bounds.toolsInFlightMax,
  toolsWaitingMax: Bounds.toolsWaitingMax,
  toolsPerPrincipalMax: Bounds.toolsPerPrincipalMax,
  turnStepsMax: Bounds.turnStepsMax,
  turnTokensMax: Bounds.turnTokensMax,
  turnTimeoutMillis: Bounds.turnMillisMax,
  requestsPerSecondMax: Bounds.httpRequestsPerSecondMax,
  bodyBytesMax: Bounds.httpBodyBytesMax,
  connectionsMax: Bounds.httpConnectionsMax,
  requestsMax: Bounds.httpRequestsMax,
  waitsMax: Bounds.waitsMax,
  waitsPerPrincipalMax: Bounds.waitsPerPrincipalMax,
  eventStreamsMax: Bounds.eventStreamsMax,
  eventStreamsPerPrincipalMax: Bounds.eventStreamsPerPrincipalMax,
  socketsMax: Bounds.socketsMax,
  socketsPerPrincipalMax: Bounds.socketsPerPrincipalMax,
  socketFrameBytesMax: Bounds.socketFrameBytesMax,
  origins: "",
  traceFileBytes: Bounds.traceFileBytes
}
