/**
 * The relations between limits, asserted when a program loads: one with contradictory limits does not start.
 *
 * Owns the laws. Does not own the limits (`Bounds`), nor those between what a deployment sets (`profiles/Settings`).
 */
import * as Bounds from "./Bounds.ts"

/** A relation between limits: whether it holds, and what it says. */
export type Relation = readonly [holds: boolean, law: string]

export const relations: ReadonlyArray<Relation> = [
  [Bounds.batchAppendsMax <= Bounds.journalQueueMax, "a batch fits into the journal's queue"],
  [Bounds.mailboxTakeMax <= Bounds.batchAppendsMax, "what one actor decides at once fits into one batch"],
  [Bounds.mailboxTakeMax <= Bounds.mailboxMax, "an actor takes no more than may wait"],
  [Bounds.actorsMax <= Bounds.subjectKeysMax, "every actor in memory can have its key in hand"],
  [Bounds.eventTextMax <= Bounds.batchBytesMax, "one event fits into a batch"],
  [
    Bounds.queryTimeoutMillis < Bounds.serverPeerTimeoutMillis,
    "a client gives up before the server gives its lock away"
  ],
  [
    Bounds.sessionIdleMillis <= Bounds.sessionTtlMillis && Bounds.sessionTtlMillis <= Bounds.sessionTtlMillisMax,
    "idle <= absolute <= longest session"
  ],
  [
    Bounds.claimLeaseMillis < Bounds.confirmationTtlMillis,
    "a lease ends within the confirmation's life, execution included"
  ],
  [
    Bounds.toolSchemaDepthMax <= Bounds.argumentsDepthMax,
    "a declared tool's schema is no deeper than arguments may be"
  ],
  [Bounds.toolSchemaPartsMax <= Bounds.toolCheckStepsMax, "every part of a schema can be held against a value"],
  [
    Bounds.toolMillis <= Bounds.toolMillisMax && Bounds.toolMillisMax <= Bounds.claimLeaseMillis,
    "a tool ends before its lease does"
  ],
  [
    Bounds.toolMillis + Bounds.toolStopMillis <= Bounds.claimLeaseMillis,
    "an ordinary run can be stopped within its lease"
  ],
  [
    2 * Bounds.toolStopMillis <= Bounds.claimLeaseMillisMin,
    "the shortest lease leaves a tool time to run, and to be stopped"
  ],
  [
    Bounds.remoteLeaseMillisMin <= Bounds.remoteLeaseMillis && Bounds.remoteLeaseMillis <= Bounds.remoteLeaseMillisMax,
    "shortest <= default <= longest lease of a remote executor"
  ],
  [
    Bounds.remoteLeaseMillis <= Bounds.remoteRunMillis && Bounds.remoteRunMillis <= Bounds.remoteRunMillisMax,
    "a lease fits into a run, and a run into the longest one"
  ],
  [
    (3 * Bounds.remoteRunMillisMax) / Bounds.remoteLeaseMillisMin < Bounds.streamEventsMax / 2,
    "the signs of life of one run leave an action's stream room"
  ],
  [
    Bounds.streamEventsMax + Bounds.commandEventsMax <= Bounds.streamEventsTotalMax,
    "a stream that is full for growing has room for a command that ends it"
  ],
  [2 * Bounds.shellOutputBytesMax <= Bounds.toolOutputBytesMax, "both outputs of a command fit into a tool's output"],
  [Bounds.listEntriesMax <= Bounds.listScanMax, "a listing looks at no fewer entries than it gives"],
  [
    Bounds.confirmationsPendingPerSessionMax <= Bounds.confirmationsPendingMax,
    "one session can't hold more than all may"
  ],
  [Bounds.proposalsPerStepMax <= Bounds.confirmationsPendingPerSessionMax, "one step's proposals can all wait at once"],
  [
    Bounds.toolOutputBytesMax <= Bounds.resultTextMax && Bounds.fileBytesMax <= Bounds.resultTextMax,
    "what a tool gives fits into a result"
  ],
  [
    Bounds.sealedUnitsMax * Bounds.inputTextMax + Bounds.eventFrameMax <= Bounds.eventTextMax &&
      Bounds.sealedJsonUnitsMax * Math.max(Bounds.argumentsTextMax, Bounds.resultTextMax) + Bounds.eventFrameMax <=
        Bounds.eventTextMax,
    "words fit into an event"
  ],
  [Bounds.responderMillis <= Bounds.turnMillisMax, "one answer ends within its turn"],
  [
    Bounds.turnsPerSessionMax <= Bounds.turnsInFlightMax + Bounds.turnsWaitingMax,
    "what one session may run can be taken in"
  ],
  [Bounds.proposalsPerStepMax <= Bounds.toolsInFlightMax + Bounds.toolsWaitingMax, "one step's proposals find room"],
  [
    Bounds.turnsPerSessionMax <= Bounds.turnsPerPrincipalMax &&
      Bounds.turnsPerPrincipalMax < Bounds.turnsWaitingMax &&
      Bounds.toolsPerPrincipalMax < Bounds.toolsWaitingMax,
    "one principal can run what a session may, and never takes a whole line"
  ],
  [
    Bounds.turnsInFlightMax <= Bounds.inFlightMax && Bounds.inFlightMax + Bounds.waitingMax <= Bounds.workInHandMax,
    "whatever a deployment lets stand in line can be in hand"
  ],
  [
    Bounds.argumentsTextMax <= Bounds.httpBodyBytesMax && Bounds.inputTextMax <= Bounds.httpBodyBytesMax,
    "words fit into a body"
  ],
  [Bounds.httpBodyBytesMin <= Bounds.httpBodyBytesMax, "the default of a body holds what every body may"],
  [
    Bounds.checkpointMillisMin <= Bounds.checkpointMillis && Bounds.checkpointMillis <= Bounds.checkpointMillisMax,
    "the default time between checkpoints is among what may be set"
  ],
  [
    Bounds.policyQuietMillis < Bounds.policyUnrestMillisMax,
    "a policy folder may come to rest before it is read all the same"
  ],
  [Bounds.policyFileBytesMax <= Bounds.policySetBytesMax, "one file of policies fits into a set"],
  [Bounds.policyArgumentDepthMax <= Bounds.argumentsDepthMax, "policies see no deeper than arguments may be"],
  [Bounds.argumentsDepthMax * 2 <= Bounds.jsonDepthMax, "arguments can be encoded wherever they are put"],
  [
    Bounds.httpDrainMillis +
      Bounds.toolDrainMillis +
      Bounds.drainMillis +
      Bounds.checkpointStopMillis +
      Bounds.telemetryFlushMillis <
      10_000,
    "a drain ends within the ten seconds that operators are promised"
  ],
  [
    Bounds.traceFileBytesMin <= Bounds.traceFileBytes && Bounds.traceFileBytes <= Bounds.traceFileBytesMax,
    "a trace file's default is among what may be set"
  ],
  [Bounds.vitalsMillis < Bounds.httpStallMillis, "numbers are shown before their reader counts as stuck"],
  [Bounds.heartbeatMillis < Bounds.httpStallMillis, "a follower is heard of before its connection counts as stuck"],
  [Bounds.eventStreamsPerPrincipalMax <= Bounds.eventStreamsMax, "one principal can't follow more than all may"],
  [
    Bounds.socketsPerPrincipalMax <= Bounds.socketsMax && Bounds.waitsPerPrincipalMax <= Bounds.waitsMax,
    "no principal has more places than all"
  ],
  [
    Bounds.socketsMax + Bounds.eventStreamsMax + Bounds.waitsMax < Bounds.httpConnectionsMax,
    "WebSockets, followers and long polls leave connections for everybody else"
  ],
  [
    Bounds.argumentsTextMax + Bounds.eventFrameMax <= Bounds.socketFrameBytesMax &&
      Bounds.inputTextMax <= Bounds.socketFrameBytesMax,
    "words fit into a frame"
  ],
  [
    Bounds.sessionsPerPrincipalMax <= Bounds.socketSessionsMax,
    "one WebSocket can follow all sessions of its principal"
  ],
  [Bounds.longPollMillisMax < Bounds.httpStallMillis, "a wait ends before its connection counts as stuck"],
  [
    Bounds.pageMax <= Bounds.pageScanMax && Bounds.pageMax <= Bounds.readLimitMax,
    "a page looks at no fewer rows than it may hold"
  ],
  [
    Bounds.resultTextMax <= Bounds.pageTextMax && Bounds.eventTextMax <= Bounds.pageTextMax,
    "one item fits into a page"
  ],
  [Bounds.sessionTtlMillisMax < Bounds.receiptRetentionMillis, "a session ends before its receipts may be forgotten"],
  [
    Bounds.restartBackoffBaseMillis <= Bounds.restartBackoffMaxMillis &&
      Bounds.restartBackoffMaxMillis < Bounds.restartWindowMillis,
    "backoff stays within the window"
  ]
]

/** Throws at the first relation that is broken. Run at load: a program with contradictory limits does not start. */
export const check = (relations: ReadonlyArray<Relation>): void => {
  for (const [holds, law] of relations) {
    if (!holds) throw new Error(`Bounds: ${law} does not hold`)
  }
}

check(relations)
