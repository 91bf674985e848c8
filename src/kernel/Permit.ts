/**
 * The one key to a tool.
 *
 *   decision committed -> permit id -> claim committed -> `redeem` -> Permit -> ToolExecutor.execute
 *
 * Owns the only constructor, and the memory of which values are genuine and which are spent.
 * Does not own the decision (room `gateway`) or the execution (`layers/tool-executor`).
 *
 * Invariants: a Permit exists only for a claim that the journal has committed; it carries the very
 * text that was digested and shown; each Permit is spent at most once; a copy is not a Permit.
 * `redeem` may be imported by `src/gateway/ActionRunner.ts` alone; the linter holds that.
 */
import type { ActionId, ClaimId, Hash, IncarnationId, PermitId, SessionId, SubjectId } from "./Ids.ts"
import type { Actor } from "./Stamp.ts"

export interface PermitFields {
  readonly permitId: PermitId
  readonly claimId: ClaimId
  readonly actionId: ActionId
  readonly sessionId: SessionId
  /** Whose data key the digest is made with. */
  readonly subject: SubjectId
  /** The one who proposed the action. */
  readonly actor: Actor
  /** The person who allowed it, or null where the policy did. */
  readonly approvedBy: ReadonlyArray<Actor>
  readonly tool: string
  /** Hash of the tool's definition at the time of the decision. */
  readonly toolHash: Hash
  /** RFC 8785 text of the arguments: shown, digested and executed as these bytes. */
  readonly argumentsText: string
  /** HMAC-SHA-256 under the subject's key of `digestInput`. */
  readonly digest: Hash
  readonly expiresAtMillis: number
  /** The process life that claimed it. A later life executes nothing with it. */
  readonly incarnation: IncarnationId
  readonly leaseUntilMillis: number
}

const genuine = new WeakSet<Permit>()
const spent = new WeakSet<Permit>()

/** Known to this module alone. `private` binds the compiler only; at run time the constructor asks for this. */
const hand = Symbol("keelson/redeem")
let mint: (fields: PermitFields) => Permit

export class Permit {
  /** Makes the type nominal: no object literal is a Permit. */
  readonly #fields: PermitFields
  private constructor(by: symbol, fields: PermitFields) {
    if (by !== hand) throw new TypeError("a Permit comes from redeem alone")
    const actor = Object.freeze({ ...fields.actor })
    const approvedBy = Object.freeze(fields.approvedBy.map((approver) => Object.freeze({ ...approver })))
    this.#fields = Object.freeze({ ...fields, actor, approvedBy })
    genuine.add(this)
    Object.freeze(this)
  }
  get fields(): PermitFields {
    return this.#fields
  }
  static {
    mint = (fields) => new Permit(hand, fields)
  }
}

/** Turns a committed claim into the value an executor takes. */
export const redeem = (claim: PermitFields): Permit => mint(claim)

/** True for values that `redeem` made in this process; false for forgeries, clones and what came over a wire. */
export const isGenuine = (value: unknown): value is Permit =>
  typeof value === "object" && value !== null && genuine.has(value as Permit)

/** Spends the permit: true the first time, false ever after. */
export const spend = (permit: Permit): boolean => {
  if (spent.has(permit)) return false
  spent.add(permit)
  return true
}

/** What an action's digest covers, as the canonical value to encode: principal, tool with its definition's hash, arguments. */
export const digestInput = (actor: Actor, tool: string, toolHash: Hash, argumentsText: string): string =>
  `${actor.kind}\n${actor.id}\n${tool}\n${toolHash}\n${argumentsText}`
