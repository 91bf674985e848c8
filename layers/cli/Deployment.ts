/**
 * What the command line is given: a service to open and a store to look through, whatever they are made of.
 *
 * Owns the shape. `layers/main.ts` fills it from a profile; the commands know no profile, no product and no port
 * by its implementation.
 */
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { PolicyDecision, PolicyQuestion, PolicySet } from "#src/ports/PolicyEngine.ts"
import type { ArgumentsInvalid, ToolDescriptor } from "#src/ports/ToolExecutor.ts"
import type { BasicSettings, SettingsDefinition } from "./SettingsSource.ts"

/** A service that is open: what `start` tells about it. */
export interface Running {
  /** `http://127.0.0.1:7717`, with the port it really has. */
  readonly url: string
  readonly store: {
    readonly product: "PGlite" | "PostgreSQL"
    /** Where the data lies, without any secret: a folder, or host, port and database. */
    readonly place: string
    /** How it was shown that a commit is on the disk before it is answered. */
    readonly durability: string
  }
  readonly policies: { readonly folder: string; readonly policies: number; readonly hash: string }
  readonly workspace: string
  /** Looks at the policy folder now; it does so by itself too, a moment after each change. */
  readonly reload: Effect.Effect<void>
  readonly responder: { readonly provider: string; readonly model: string; readonly deterministic: boolean }
  readonly ownerToken: { readonly path: string; readonly token: Redacted.Redacted<string>; readonly minted: boolean }
}

/** One thing that is not as it was written. Fields are null where there is no such thing. */
export interface Problem {
  readonly table: string
  readonly position: number | null
  readonly stream: string | null
  readonly version: number | null
  readonly eventId: string | null
  /** What it is, where it is no event: a row, a counter, a receipt. */
  readonly name: string | null
  /** What differs, in one sentence; never what was sealed. */
  readonly what: string
}

export interface Verification {
  /** The first ones, events before what follows from them, in the order of the journal. */
  readonly problems: ReadonlyArray<Problem>
  /** All of them, also those that are not listed. */
  readonly problemCount: number
  /** What was looked at, by name: events, streams, rows, counters, receipts. */
  readonly counts: ReadonlyArray<readonly [name: string, count: number]>
  /** Events that a checkpoint covers which they were held against; null where there was none. */
  readonly signed: number | null
}

/** What a store is held against, beside itself. */
export interface Doubt {
  /** A file with a checkpoint. */
  readonly checkpoint: string | null
  /** A file with the public keys that judge it; those of the data folder unless told. */
  readonly keys: string | null
}

/** What is signed of a journal, and what can be proven with it. Texts as `kernel/Checkpoint` writes them. */
export interface Checkpoints<S> {
  /** The newest checkpoint that is kept, or null. */
  readonly newest: (settings: S) => Effect.Effect<string | null, unknown>
  /** Signs what the store holds now; answers the newest, or null where the journal is empty. */
  readonly take: (settings: S) => Effect.Effect<string | null, unknown, Scope.Scope>
  /** The public keys, one a line. */
  readonly keys: (settings: S) => Effect.Effect<ReadonlyArray<string>, unknown>
  /** Adds a signing key; answers its version. */
  readonly rotate: (settings: S) => Effect.Effect<number, unknown, Scope.Scope>
  /** An event, by id or position, against the checkpoint of a file, or the newest. */
  readonly inclusion: (settings: S, event: string, file: string | null) => Effect.Effect<string, unknown, Scope.Scope>
  /** Two checkpoints, of files; the newer one is the newest unless told. */
  readonly consistency: (settings: S, from: string, to: string | null) => Effect.Effect<string, unknown, Scope.Scope>
  /** What a proof in a file proves, in a sentence. */
  readonly check: (
    settings: S,
    file: string,
    options: { readonly from: string | null; readonly keys: string | null }
  ) => Effect.Effect<string, unknown>
}

/** What a backup holds: the same digest for two stores that hold the same. */
export interface Backup {
  readonly file: string
  readonly position: number
  readonly lines: number
  readonly digest: string
}

export interface Restored extends Backup {
  /** Sessions that the ledger of erasures knows and the backup did not. */
  readonly erasedAgain: number
  /** Events that a checkpoint vouched for; null where there was none to ask. */
  readonly signed: number | null
  /** Where checkpoints went that speak of events behind the backup; null where there were none. */
  readonly movedAside: string | null
  readonly withoutKeys: boolean
}

export interface Backups<S> {
  /** Into a file, or into a folder under a name of its own; also while the service works. */
  readonly take: (settings: S, target: string) => Effect.Effect<Backup, unknown, Scope.Scope>
  /** Into a place that holds nothing. */
  readonly restore: (
    settings: S,
    file: string,
    options: { readonly withoutKeys: boolean }
  ) => Effect.Effect<Restored, unknown, Scope.Scope>
}

export interface Progress {
  readonly phase: string
  readonly done: number
  readonly total: number | null
}

/** The policies of a folder, valid for the tools there are. */
export interface Policies {
  readonly folder: string
  readonly set: PolicySet
  readonly tools: ReadonlyArray<string>
  /** What they say of an action, whose arguments its tool has to admit. */
  readonly ask: (question: PolicyQuestion) => Effect.Effect<PolicyDecision, ArgumentsInvalid>
}

export interface Deployment<S extends BasicSettings, OpenError, VerifyError> {
  readonly version: string
  readonly settings: SettingsDefinition<S>
  /** What it is composed of with these settings, in a few words. */
  readonly profile: (settings: S) => string
  /** Opens everything; the scope's end drains and releases it. */
  readonly open: (settings: S) => Effect.Effect<Running, OpenError, Scope.Scope>
  /** Looks through a store without changing it. */
  readonly verify: (
    settings: S,
    onProgress: (progress: Progress) => Effect.Effect<void>,
    doubt: Doubt
  ) => Effect.Effect<Verification, VerifyError, Scope.Scope>
  readonly checkpoints: Checkpoints<S>
  readonly backups: Backups<S>
  /**
   * Opens the policies alone: no store, no keys, no door. They are held against `tools`, those of a service that runs;
   * where that is null, against those that this program has itself.
   */
  readonly policies: (
    settings: S,
    tools: ReadonlyArray<ToolDescriptor> | null
  ) => Effect.Effect<Policies, OpenError, Scope.Scope>
  /** Why this program can't play the demo, in a sentence; null where it can. */
  readonly demoUnplayable: string | null
  /** How a child process runs this very program. */
  readonly self: { readonly executable: string; readonly arguments: ReadonlyArray<string> }
}
