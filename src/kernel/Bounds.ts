/**
 * Every limit in the system, in one place. `Relations` asserts how they stand to each other.
 *
 * A limit that a deployment may change is a default here and a configuration key in `layers/profiles`.
 */

// --- journal -------------------------------------------------------------------------------

/** Appends the journal takes into one batch (one SQL call). */
export const batchAppendsMax = 512
/** Bytes of canonical text in one batch; a batch always takes at least one append. */
export const batchBytesMax = 4 * 1024 * 1024
/** Appends that may wait for the next batch; beyond it: `Overloaded`. */
export const journalQueueMax = 4_096
/** How deep arrays and objects may nest in anything that is encoded. Encoding is recursive: this is what guards the stack. */
export const jsonDepthMax = 128
/** Canonical text of one event, in UTF-16 units. */
export const eventTextMax = 2 * 1024 * 1024
/** Sealed, a unit of somebody's words takes at most this: six bytes where JSON escapes it, times 4/3 in base64. */
export const sealedUnitsMax = 8
/** Sealed, a unit of canonical JSON text takes at most this: three bytes of UTF-8, times 4/3. */
export const sealedJsonUnitsMax = 4
/** An event without its words: ids, hashes, times, refs. */
export const eventFrameMax = 64 * 1024
/** Events one command may cause. */
export const commandEventsMax = 64
/** Events one stream may hold before it takes only what brings it to an end. Streams are short by design. */
export const streamEventsMax = 10_000
/** Events one stream may hold at all: what a reader takes, so that nothing is written that could not be read again. */
export const streamEventsTotalMax = 20_000
/** Events one read may answer. */
export const readLimitMax = 1_000
/** Pages of the journal, of at most `readLimitMax` events and `batchBytesMax` bytes each, kept for those who follow it. */
export const followPagesMax = 2
/** A query slower than this is given up by the client. */
export const queryTimeoutMillis = 3_000
/** After this a server gives up a client that is gone, and the locks it held: our sessions ask it to. */
export const serverPeerTimeoutMillis = 4_000
/** A follower on a server looks again after this, should a notification be lost. */
export const followPollMillis = 5_000
/** Free space below which an embedded journal takes no more: its log grows in pieces of 16 MiB, and it must not stop in one. */
export const journalReserveBytes = 48 * 1024 * 1024
/** Text of one cell, in UTF-16 units. */
export const cellTextMax = 64 * 1024
/** Counters one question may answer. */
export const countersMax = 10_000
/** Receipts outlive their stream by this. A stream ends with its last event; an open session is not quiet for longer than it may live. */
export const receiptRetentionMillis = 7 * 24 * 3_600_000
/** Time between two looks for receipts that nobody repeats any more. */
export const receiptSweepMillis = 3_600_000

// --- actors --------------------------------------------------------------------------------

/** Commands that may wait in one mailbox; beyond it: `Overloaded`. */
export const mailboxMax = 1_024
/** Commands an actor decides over one tentative state before it commits. */
export const mailboxTakeMax = 64
/** Idle time after which an actor leaves memory. */
export const actorIdleMillis = 60_000
/** Actors in memory at once. */
export const actorsMax = 10_000
/** Sessions whose owner is remembered, and as many actions; streams of which it is remembered whose they are. */
export const ownersRememberedMax = 10_000
/** A wrapping key's or a token's file. */
export const privateFileBytesMax = 4_096
/** Subjects whose data keys are held in hand at once; as many forgotten ones are remembered as such. */
export const subjectKeysMax = 10_000
/** Reloads after a version conflict before the command is refused. */
export const conflictRetriesMax = 8
/** Restarts of a supervised part within the window before it stays down. */
export const restartBudget = 5
export const restartWindowMillis = 60_000
export const restartBackoffBaseMillis = 100
export const restartBackoffMaxMillis = 5_000
/** SIGTERM: how long work in hand may take. */
export const drainMillis = 4_000
/** SIGTERM: how long a running tool may take to finish, before the drain of commands. */
export const toolDrainMillis = 3_000

// --- gateway -------------------------------------------------------------------------------

export const sessionTtlMillis = 1_800_000
export const sessionTtlMillisMax = 86_400_000
export const sessionIdleMillis = 600_000
export const sessionsPerPrincipalMax = 100
export const confirmationTtlMillis = 120_000
export const confirmationsPendingMax = 50
export const confirmationsPendingPerSessionMax = 10
/** A claim's lease; after it only SYSTEM may say `Unknown`. Within the confirmation's life. */
export const claimLeaseMillis = 60_000
/** The least that may be set: a tool that is stopped in time has had a second. */
export const claimLeaseMillisMin = 2_000
export const turnsPerSessionMax = 1
export const turnStepsMax = 16
export const turnTokensMax = 100_000
export const turnMillisMax = 600_000
/** Tool proposals in one answer of the model. */
export const proposalsPerStepMax = 8
/** One answer of the model, from question to last byte. */
export const responderMillis = 120_000
/** Turns that recall, wait for a model or remember at once. One that waits for people or tools is not counted. */
export const turnsInFlightMax = 64
/** Turns that may wait for their place; while so many do, no turn is started. */
export const turnsWaitingMax = 1_000
/** Tools that run at once in this process; what agents run elsewhere is not counted. */
export const toolsInFlightMax = 16
/**
 * Permitted actions that may wait for their place; while so many do, nothing is proposed and no turn is started. Most
 * tools take milliseconds: a burst from many callers fits, and each has its deadline.
 */
export const toolsWaitingMax = 4_096
/** Of these lines and places, what one principal's own wishes may take. */
export const turnsPerPrincipalMax = 256
export const toolsPerPrincipalMax = 2_048
/** Turns and actions in hand, those that wait for people included; beyond it the rows are asked again once there is room. */
export const workInHandMax = 10_000
/** What a deployment may set of these at most. */
export const inFlightMax = 2_000
export const waitingMax = 8_000

// --- principals ----------------------------------------------------------------------------

/** People and agents that may ever have been let in. */
export const principalsMax = 10_000
/** Keys of one principal that are valid at once. */
export const keysPerPrincipalMax = 16

// --- texts and bodies ----------------------------------------------------------------------

export const inputTextMax = 64 * 1024
export const argumentsTextMax = 256 * 1024
/** Levels of arrays and objects in arguments: deeper ones exhaust the stack of whoever walks them. */
export const argumentsDepthMax = 64
export const resultTextMax = 256 * 1024
export const reasonTextMax = 1_000
export const httpBodyBytesMax = 1024 * 1024
/** What a body may hold in any deployment: the longest arguments, three bytes of UTF-8 a unit, and what stands around them. */
export const httpBodyBytesMin = 3 * argumentsTextMax + eventFrameMax
/** Longest a caller may wait in one long poll. */
export const longPollMillisMax = 30_000
export const pageMax = 200
export const pageDefault = 50
/** Rows one page may look at where not every row is for the caller's eyes. */
export const pageScanMax = 1_000
/** Opened text in one page, in UTF-16 units; a page always holds at least one item. */
export const pageTextMax = 4 * 1024 * 1024
/** Events one page of the journal may look at where it is filtered. */
export const eventScanMax = 5_000

// --- the HTTP door -------------------------------------------------------------------------

export const httpHeaderBytesMax = 16 * 1024
/** Connections that are served at once. */
export const httpConnectionsMax = 1_024
/** So many more may hear that there are too many, each for so long; what comes beyond them is closed at once. */
export const httpSurplusMax = 64
export const httpSurplusMillis = 1_000
/** Requests in hand at once, long polls included; beyond it: `Overloaded`. */
export const httpRequestsMax = 2_048
/** Long polls at once, in all (`Overloaded`) and of one principal (`LimitReached`): each keeps a connection. */
export const waitsMax = 192
export const waitsPerPrincipalMax = 32
/** Readers that follow events at once, in all (`Overloaded`) and of one principal (`LimitReached`). */
export const eventStreamsMax = 256
export const eventStreamsPerPrincipalMax = 32
/** A follower without news hears so often that it missed nothing. */
export const heartbeatMillis = 15_000
/** Requests of one principal in a second, as many at once; beyond it: `LimitReached`. */
export const httpRequestsPerSecondMax = 1_000
/** From the first byte of a request to the end of its headers, and from there to the end of its body. */
export const httpHeadersMillis = 10_000
export const httpBodyMillis = 15_000
/** Requests that wait on one connection for the one before them; while it is so many, nothing more is read from it. */
export const httpPipelinedMax = 16
/** Whoever sends on before it was answered waits so long between two of them. */
export const httpPipelinedMillis = 10
/** And so long after a refusal; after one for coming too often, whoever waited for it too. */
export const httpFloodMillis = 50
/** How long a connection may lie idle between requests. */
export const httpIdleMillis = 60_000
/**
 * How long a connection with a request in hand may see no byte either way: longer than any wait, or a reader is stuck.
 * One that takes no byte of its answer is cut after it too, whatever it sends; up to twice that is granted.
 */
export const httpStallMillis = 90_000
/** SIGTERM: how long requests in hand may take, before tools and commands drain. */
export const httpDrainMillis = 2_000
// --- the WebSocket door --------------------------------------------------------------------

/** WebSockets open at once, in all and of one principal. */
export const socketsMax = 512
export const socketsPerPrincipalMax = 64
/** One frame, in bytes: a body, and what says what it is for. */
export const socketFrameBytesMax = 1024 * 1024
/** Sessions that one WebSocket follows. */
export const socketSessionsMax = 100
/** Commands and questions in hand of one WebSocket; beyond it no further frame is read. */
export const socketCommandsMax = 256
/** Events that wait for one follower, and their text in UTF-16 units; beyond it the follower reads the journal instead. */
export const socketQueueEventsMax = 256
export const socketQueueTextMax = 1024 * 1024
/** Bytes on their way to one reader; beyond it nothing more is made for it. */
export const socketOutboxBytesMax = 1024 * 1024
/** A reader that takes nothing for so long is told to come back. */
export const socketStallMillis = 30_000
/** From the first byte of a frame to its last; up to twice that is granted. */
export const socketFrameMillis = 15_000
/** Bytes between two frames that are no sign of half a one: pings, and what stays small. */
export const socketPartialBytes = 16 * 1024
/** A connection whose principal sent too much is not read for so long. */
export const socketFloodMillis = 50
/** Frames of one WebSocket that mean nothing, in a minute; the next one closes it. */
export const socketNonsenseMax = 10
/** How long a peer may take to close, once it was told. */
export const socketCloseMillis = 1_000

/** One readiness check. */
export const readinessMillis = 2_000

// --- seen from outside ---------------------------------------------------------------------

/** Spans that may wait to be written; beyond it they are dropped and counted. So many are written in a second, at most. */
export const traceSpansWaitingMax = 4_096
/** Time between two writes of the trace file. */
export const traceFlushMillis = 1_000
/** Bytes of one trace file, and how many there may be, the one being written included. */
export const traceFileBytes = 16 * 1024 * 1024
export const traceFileBytesMin = 256 * 1024
export const traceFileBytesMax = 1024 * 1024 * 1024
export const traceFilesMax = 4
/** Requests to one address of a collector at once, and the longest that one is waited for where nothing else is set. */
export const otlpRequestsMax = 4
export const otlpMillis = 10_000
/** SIGTERM: how long the last spans may take, after everything else is closed. */
export const telemetryFlushMillis = 400
/** What is asked of the store before numbers are shown: how long it may take, and how old it may be. */
export const vitalsMillis = 1_000
export const vitalsFreshMillis = 500

// --- checkpoints ---------------------------------------------------------------------------

/** Time between two looks at what the journal holds; each that finds something new signs a checkpoint. */
export const checkpointMillis = 10_000
export const checkpointMillisMin = 100
export const checkpointMillisMax = 86_400_000
/** The same while the journal contradicts its checkpoint. */
export const checkpointContradictedMillis = 60_000
/** SIGTERM: how long the last checkpoint may take, once everything else is in the journal. */
export const checkpointStopMillis = 400
/** How often the ledger of erasures looks, and an embedded service for backups that it is asked for. */
export const erasureLookMillis = 1_000
/** Checkpoints that are kept, the newest ones. */
export const checkpointsKept = 100
/** A checkpoint with all its signatures; a proof with its event, in base64. In UTF-16 units. */
export const checkpointTextMax = 64 * 1024
export const proofTextMax = 4 * eventTextMax + checkpointTextMax
/** Events of which `verify` says how they differ from a checkpoint; more are counted. */
export const checkpointDifferencesMax = 256

// --- tools ---------------------------------------------------------------------------------

export const toolMillis = 10_000
export const toolMillisMax = 60_000
export const toolOutputBytesMax = 128 * 1024
/** Kept back at the end of a lease, to stop a run and clean up after it. */
export const toolStopMillis = 1_000
export const fileBytesMax = 128 * 1024
/** A path inside the workspace, in UTF-16 units; its parts are bounded by the file system at 255 bytes. */
export const pathUnitsMax = 1_024
/** Directory entries looked at to list the first `listEntriesMax` in order. */
export const listScanMax = 20_000
export const listEntriesMax = 1_000
export const shellArgumentsMax = 64
/** Kept of standard output, and as much of standard error. */
export const shellOutputBytesMax = 64 * 1024

/** Tools that agents may ever have declared. */
export const toolsDeclaredMax = 500
/** Text of a declared tool's schema, in UTF-16 units. */
export const toolSchemaTextMax = 32 * 1024
/** Parts of it, and levels of them, once every reference is written out. */
export const toolSchemaPartsMax = 1_024
export const toolSchemaDepthMax = 32
/** Times that a part of such a schema is held against a part of the arguments: each takes some microseconds. */
export const toolCheckStepsMax = 128 * 1024
/** A remote executor's claim without a heartbeat, and a whole run of it. */
export const remoteLeaseMillisMin = 5_000
export const remoteLeaseMillis = 30_000
export const remoteLeaseMillisMax = 300_000
export const remoteRunMillis = 600_000
export const remoteRunMillisMax = 3_600_000

// --- policies ------------------------------------------------------------------------------

export const policyFilesMax = 200
export const policyFileBytesMax = 256 * 1024
export const policySetBytesMax = 4 * 1024 * 1024
export const policiesMax = 500
/** Brackets within brackets, and operators, in one policy. Cedar recurses: both half as many again exhaust its stack (seen). */
export const policyNestingMax = 32
export const policyOperatorsMax = 200
export const policyProblemsMax = 100
export const policyApproversMax = 16
/** Levels of a tool's arguments that policies can see, and parts of its schema that are looked at for them. */
export const policyArgumentDepthMax = 8
export const policyArgumentNodesMax = 1_024
/** Roles one principal may bring into a decision. */
export const policyRolesMax = 64
/** The policy folder is read once it was quiet for so long; at the latest after the second time, however much goes on. */
export const policyQuietMillis = 100
export const policyUnrestMillisMax = 2_000
/** It is looked at this often, should the system not tell of a change. */
export const policyLookMillis = 5_000
/** Changes of policies that wait to be written into the journal; the next one is taken once there is room. */
export const policyChangesWaitingMax = 64
