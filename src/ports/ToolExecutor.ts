/**
 * The one way to run a tool.
 *
 * Owns the check of the permit against the journal, the clock and the bytes, and the run itself.
 * Does not own who may: that was decided before the permit was redeemed.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Json } from "../kernel/Canonical.ts"
import type { Hash, PrincipalId } from "../kernel/Ids.ts"
import type { Permit } from "../kernel/Permit.ts"
import type { EventStoreError } from "./EventStore.ts"

/** What everyone may know about a tool. `hash` covers name, description, input schema and version. */
export interface ToolDescriptor {
  readonly name: string
  readonly description: string
  /** JSON Schema (draft 2020-12) of the arguments; an object. */
  readonly inputSchema: Json
  readonly hash: Hash
  /** Whether repeating a run with the same arguments changes nothing more. */
  readonly idempotent: boolean
  /** Who runs it elsewhere; null where this service does. */
  readonly executor: RemoteExecutor | null
}

/** An agent that runs its tool where it lives: it claims the permit, and reports what came of it. */
export interface RemoteExecutor {
  readonly principalId: PrincipalId
  /** How long a claim lasts without a sign of life. */
  readonly leaseMillis: number
  /** How long a run may take in all, however many signs of life there are. */
  readonly runMillisMax: number
}

/** The tool ran and did what it does. */
export interface ToolResult {
  readonly output: Json
}

/** The tool ran and says it failed; nothing is unknown about it. `code` is stable, `detail` is for people and models. */
export class ToolFailed extends Schema.TaggedError<ToolFailed>()("ToolFailed", {
  tool: Schema.String,
  code: Schema.String,
  detail: Schema.String,
  retryable: Schema.Boolean
}) {
  override get message() {
    return `${this.tool}: ${this.detail}`
  }
}

/** The value offered as a permit opens nothing. Nothing was executed. */
export class PermitRefused extends Schema.TaggedError<PermitRefused>()("PermitRefused", {
  reason: Schema.Literals([
    "Forged",
    "Spent",
    "Expired",
    "Foreign",
    "Stale",
    "DigestMismatch",
    "ToolChanged",
    "Unclaimed"
  ]),
  permitId: Schema.NullOr(Schema.String),
  actionId: Schema.NullOr(Schema.String),
  retryable: Schema.Literal(false)
}) {
  override get message() {
    return `the permit was refused: ${this.reason}`
  }
}

/** One attempt to run a tool past the gate. Ids are those of a permit this process made; a forgery's own words are not repeated. */
export interface Bypass {
  readonly reason: PermitRefused["reason"]
  readonly permitId: string | null
  readonly actionId: string | null
}

/** Where bypasses are written down: one event and one count each, before the refusal is answered. */
export class Bypasses extends Context.Service<
  Bypasses,
  {
    /** Can't fail: what can't be written is the implementation's to log and count. */
    readonly report: (bypass: Bypass) => Effect.Effect<void>
  }
>()("keelson/ports/Bypasses") {}

/** Arguments that the tool's schema does not admit; found before anything is proposed. */
export class ArgumentsInvalid extends Schema.TaggedError<ArgumentsInvalid>()("ArgumentsInvalid", {
  tool: Schema.String,
  detail: Schema.String,
  retryable: Schema.Literal(false)
}) {
  override get message() {
    return `${this.tool}: ${this.detail}`
  }
}

export class ToolExecutor extends Context.Service<
  ToolExecutor,
  {
    /**
     * Spends the permit, then runs the tool on exactly `permit.argumentsText`. A refused permit executes nothing
     * and leaves a bypass event. Interruption kills what was started. Bounded in time and output.
     */
    readonly execute: (permit: Permit) => Effect.Effect<ToolResult, ToolFailed | PermitRefused>
  }
>()("keelson/ports/ToolExecutor") {}

/** The tools there are: what proposals are checked against and what a model is told. Runs nothing. */
export class ToolCatalog extends Context.Service<
  ToolCatalog,
  {
    /** All of them, by name in code unit order. */
    readonly tools: Effect.Effect<ReadonlyArray<ToolDescriptor>, EventStoreError>
    /** Null where there is none, or none any more. */
    readonly find: (name: string) => Effect.Effect<ToolDescriptor | null, EventStoreError>
    /** The arguments as the tool will see them: checked, nothing unknown in them. */
    readonly check: (name: string, args: Json) => Effect.Effect<Json, ArgumentsInvalid | EventStoreError>
    /** Why a tool can't be declared so, in one clause; null where it can. */
    readonly admits: (name: string, inputSchema: Json) => Effect.Effect<string | null>
  }
>()("keelson/ports/ToolCatalog") {}
