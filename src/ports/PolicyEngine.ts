/**
 * Who may use which tool how, decided by policies that people write.
 *
 * Owns policy text, its validation and evaluation. Does not own what a decision leads to
 * (room `gateway`) nor who may do what in Keelson itself (law in code: `gateway/Authority`).
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { Json } from "../kernel/Canonical.ts"
import { Hash } from "../kernel/Ids.ts"
import type { Actor } from "../kernel/Stamp.ts"
import type { ToolDescriptor } from "./ToolExecutor.ts"

/** `Run`: at once. `Ask`: a person decides. `AskTwo`: two people, neither the proposer. `Deny`: never. */
export const Effective = Schema.Literals(["Run", "Ask", "AskTwo", "Deny"])
export type Effective = typeof Effective.Type

export const PolicyDecision = Schema.Struct({
  effect: Effective,
  /** Roles that may decide beside the session's owner: the `@approvers` of the gated policies that determined it. */
  approvers: Schema.Array(Schema.String),
  /** `@id`s of the policies that determined it, sorted. Empty where nothing permitted (default deny). */
  policies: Schema.Array(Schema.String),
  /** Policies that failed while deciding, with why. Any failure means Deny. */
  errors: Schema.Array(Schema.String),
  /** One sentence a person can read. */
  reason: Schema.String,
  /** Hash of the policy set in force. */
  setHash: Hash
})
export type PolicyDecision = typeof PolicyDecision.Type

export interface PolicyQuestion {
  readonly actor: Actor
  readonly roles: ReadonlyArray<string>
  readonly tool: string
  /** Its definition, where it was declared after the policies were read. */
  readonly declared?: ToolDescriptor | undefined
  /** The decoded arguments. */
  readonly arguments: Json
  readonly sessionId: string
  /** The session's owner. */
  readonly ownerId: string
}

/** A policy set that can't be used. `file`, `line` (from 1) and `detail` say what to mend. */
export class PolicyError extends Schema.TaggedError<PolicyError>()("PolicyError", {
  problems: Schema.Array(
    Schema.Struct({
      file: Schema.String,
      line: Schema.NullOr(Schema.Int),
      detail: Schema.String,
      /** Where all that is wrong is that nobody has declared the tool it names. */
      undeclared: Schema.optionalKey(Schema.String)
    })
  ),
  retryable: Schema.Literal(false)
}) {
  override get message() {
    return this.problems.map((p) => `${p.file}${p.line === null ? "" : `:${p.line}`}: ${p.detail}`).join("\n")
  }
}

export interface PolicySet {
  readonly hash: Hash
  readonly policies: ReadonlyArray<{
    readonly id: string
    readonly file: string
    readonly line: number
    readonly effect: "permit" | "forbid"
    readonly gate: "none" | "human" | "two-people"
  }>
}

export class PolicyEngine extends Context.Service<
  PolicyEngine,
  {
    /** Total: a question the engine can't evaluate is a Deny with the reason. */
    readonly decide: (question: PolicyQuestion) => Effect.Effect<PolicyDecision>
    /** The set in force. */
    readonly set: Effect.Effect<PolicySet>
    /** The set in force, then every one that takes its place, in order. Never ends. */
    readonly sets: Stream.Stream<PolicySet>
    /** Why the newest policies were not taken; null where what is written is in force. */
    readonly refused: Effect.Effect<PolicyError | null>
    /** Looks for other policies now. Once it completes they are in force, or refused. */
    readonly reload: Effect.Effect<void>
  }
>()("keelson/ports/PolicyEngine") {}
