/**
 * The policy engine on Cedar (https://docs.cedarpolicy.com), from a folder of `*.cedar` files.
 *
 *   question -> known tool? -> sayable exactly? -> Cedar over the prepared set -> gates -> decision
 *                  Deny            Deny              Deny on any error
 *
 * Owns the way from a question to a decision, and the place where Cedar keeps the prepared set. Does not own the
 * files (`PolicyFolder`), when they are read again (`CedarPolicyReload`), their validation (`CedarPolicySet`) or the meaning of gates (`CedarDecision`).
 *
 * Invariants: what isn't permitted is denied; what can't be judged is denied; names of people, roles, sessions and
 * tools reach Cedar as data, never as policy text. Policies and schema are parsed once per set.
 */
import * as Cedar from "@cedar-policy/cedar-wasm/nodejs"
import * as Path from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Remembered from "#src/kernel/Remembered.ts"
import type { EventStoreError } from "#src/ports/EventStore.ts"
import { Digest } from "#src/ports/Digest.ts"
import {
  type PolicyDecision,
  PolicyEngine,
  PolicyError,
  type PolicyQuestion,
  type PolicySet
} from "#src/ports/PolicyEngine.ts"
import { ToolCatalog, type ToolDescriptor } from "#src/ports/ToolExecutor.ts"
import { fromArguments, isWhole } from "./CedarContext.ts"
import { denied, fromResponse } from "./CedarDecision.ts"
import { type CompiledSet, compile } from "./CedarPolicySet.ts"
import { attempt, type PolicyFile, wholeSet } from "./CedarPolicyText.ts"
import { fromTools, principalTypes, type ToolView } from "./CedarSchema.ts"
import { readFolder } from "./PolicyFolder.ts"

/** One set, ready to judge: synchronous, so that no other set can take its place within a decision. */
export interface Judge {
  readonly set: PolicySet
  readonly judge: (question: PolicyQuestion) => PolicyDecision
}

/** Validates the given files for the tools in the catalog. The prepared set is dropped with the scope. */
export const open = Effect.fnUntraced(function* (files: ReadonlyArray<PolicyFile>) {
  const { sha256 } = yield* Digest
  const tools = yield* Effect.flatMap(ToolCatalog, (catalog) => catalog.tools)
  const compiled = yield* Effect.fromResult(compile(files, tools, sha256))
  const prepared = yield* Effect.acquireRelease(prepare(compiled), release)
  const judge: Judge = { set: compiled.set, judge: (question) => decide(compiled, prepared, question) }
  return judge
})

/** Judging as it is seen from outside. */
export const deciding =
  (judge: Judge["judge"]): PolicyEngine["Service"]["decide"] =>
  (question) =>
    Effect.withSpan(
      Effect.sync(() => judge(question)),
      "PolicyEngine.decide",
      { captureStackTrace: false }
    )

/** An engine over the given files, for as long as it lives. */
export const make = Effect.fnUntraced(function* (files: ReadonlyArray<PolicyFile>) {
  const { judge, set } = yield* open(files)
  return PolicyEngine.of({
    decide: deciding((question) => judge(question)),
    set: Effect.succeed(set),
    sets: Stream.concat(Stream.make(set), Stream.never),
    refused: Effect.succeed(null),
    reload: Effect.void
  })
})

/** Reads the folder once. What stands in it then is in force; an empty folder permits nothing. */
export const layer = (options: {
  readonly folder: string
}): Layer.Layer<PolicyEngine, PolicyError | EventStoreError, ToolCatalog | Digest> =>
  Layer.effect(
    PolicyEngine,
    Effect.flatMap(readFolder(options.folder), (files) =>
      Effect.catchTag(make(files), "PolicyError", (error) => Effect.fail(inFolder(options.folder, error)))
    )
  ).pipe(Layer.provide(NodeFileSystem.layer))

/** People look for the file where it lies; the set's hash knows only its name. */
export const inFolder = (folder: string, { problems }: PolicyError): PolicyError =>
  new PolicyError({
    problems: problems.map((problem) => ({
      ...problem,
      file: problem.file === wholeSet ? folder : Path.join(folder, problem.file)
    })),
    retryable: false
  })

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** A set as Cedar holds it. Closed when its scope ends: its name may stand for another set then. */
interface Prepared {
  readonly slot: string
  closed: boolean
}

const decide = (compiled: CompiledSet, prepared: Prepared, question: PolicyQuestion): PolicyDecision => {
  const { hash } = compiled.set
  if (prepared.closed) return denied(hash, "This policy engine is closed, so nothing is permitted.")
  const view = compiled.vocabulary.tools.get(question.tool) ?? declaredView(question.declared)
  if (view === undefined) return denied(hash, "There is no such tool, so no policy can permit it.")
  const { actor, roles, sessionId, ownerId } = question
  if (roles.length > Bounds.policyRolesMax) {
    return denied(
      hash,
      `The one who asks brings ${roles.length} roles; at most ${Bounds.policyRolesMax} can be judged.`
    )
  }
  if (![actor.id, sessionId, ownerId, ...roles].every(isWhole)) {
    return denied(hash, "A name in the question is not whole Unicode text, so it can't be judged.")
  }
  const context = fromArguments(view.arguments, question.arguments)
  if (Result.isFailure(context)) return denied(hash, `It can't be put to the policies: ${context.failure}.`)
  const principal = { type: principalTypes[actor.kind], id: actor.id }
  const session = { type: "Session", id: sessionId }
  const owner = { __entity: { type: "Person", id: ownerId } }
  const answer = attempt(() =>
    Cedar.statefulIsAuthorized({
      principal,
      action: { type: "Action", id: question.tool },
      resource: session,
      context: context.success,
      preparsedPolicySetId: prepared.slot,
      entities: [
        { uid: session, attrs: { owner }, parents: [] },
        // Without roles there is nothing to say of a principal but its name; leaving it out saves a tenth of the time.
        ...(roles.length === 0
          ? []
          : [{ uid: principal, attrs: {}, parents: roles.map((id) => ({ type: "Role", id })) }])
      ]
    })
  )
  if (answer === undefined) return denied(hash, "Cedar failed, so nothing is permitted.")
  if (answer.type === "failure") return denied(hash, "Cedar could not read the question, so it is denied.")
  return fromResponse(answer.response, compiled.entries, hash)
}

/**
 * Of a tool that was declared after the policies were read: they can't name it, but those that name no tool judge it.
 * Views are kept by the definition's hash, as many as tools may be declared.
 */
const declaredViews = Remembered.make<string, ToolView>(Bounds.toolsDeclaredMax)
const declaredView = (tool: ToolDescriptor | undefined): ToolView | undefined => {
  if (tool === undefined) return undefined
  const known = declaredViews.get(tool.hash)
  if (known !== undefined) return known
  const view = fromTools([tool]).tools.get(tool.name)
  if (view !== undefined) declaredViews.note(tool.hash, view)
  return view
}

/**
 * Cedar keeps prepared sets by name for the life of the process and can't drop one, so names are used again:
 * a released one holds an empty set until then. As many are held as engines ever lived at once.
 */
const freeSlots: Array<string> = []
let slots = 0

const prepare = (compiled: CompiledSet): Effect.Effect<Prepared, PolicyError> =>
  Effect.suspend(() => {
    const slot = freeSlots.pop() ?? `keelson-${++slots}`
    const answer = attempt(() => Cedar.preparsePolicySet(slot, compiled.policies))
    if (answer?.type === "success") return Effect.succeed({ slot, closed: false })
    freeSlots.push(slot)
    const detail = answer?.errors[0]?.message ?? "Cedar could not prepare the policies"
    return Effect.fail(new PolicyError({ problems: [{ file: wholeSet, line: null, detail }], retryable: false }))
  })

const release = (prepared: Prepared): Effect.Effect<void> =>
  Effect.sync(() => {
    prepared.closed = true
    attempt(() => Cedar.preparsePolicySet(prepared.slot, { staticPolicies: {} }))
    freeSlots.push(prepared.slot)
  })
