/**
 * How many decisions a second the policy engine takes, beside the floor of the same run.
 *
 * Floor: Cedar's own call alone, over the same policies, prepared, with the question written down for it beforehand.
 * A decision: `PolicyEngine.decide` as the gateway calls it: the tool found, its arguments put to Cedar exactly, Cedar's
 * call, gates and failures judged, the sentence that says why, in a span. One after the other, in one thread.
 *
 * Checked before anything is timed, and counted while it is: three questions of which one runs, one asks a person and one
 * is denied, by the policies that stand for them; and the floor agrees with each.
 * Not measured: reading and validating policies, roles, conditions over many arguments, recording the decision.
 */
import * as Cedar from "@cedar-policy/cedar-wasm/nodejs"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import { fromArguments } from "#layers/policy-engine/CedarContext.ts"
import * as CedarPolicyEngine from "#layers/policy-engine/CedarPolicyEngine.ts"
import { compile } from "#layers/policy-engine/CedarPolicySet.ts"
import { principalTypes } from "#layers/policy-engine/CedarSchema.ts"
import * as StandardTools from "#layers/tool-executor/StandardTools.ts"
import * as ToolRegistry from "#layers/tool-executor/ToolRegistry.ts"
import { PrincipalId } from "#src/kernel/Ids.ts"
import type { Effective, PolicyQuestion } from "#src/ports/PolicyEngine.ts"
import { ToolCatalog } from "#src/ports/ToolExecutor.ts"
import { about, type Machine, machine } from "./kit/machine.ts"
import { rounds, toFloor } from "./kit/rounds.ts"
import { type Spread, spread, table } from "./kit/statistics.ts"

/** A question, and what comes of it by which policy. */
export interface Expected {
  readonly question: PolicyQuestion
  readonly effect: Effective
  readonly by: string
}

export interface Options {
  /** How long each cell is measured, per round. */
  readonly millis: number
  readonly rounds: number
  /** How many policies the set holds. */
  readonly policies: ReadonlyArray<number>
  /** In place of what the policies say: such a run ends with the first answer that is another. */
  readonly questions?: ReadonlyArray<Expected>
}

export const full: Options = { millis: 1_000, rounds: 11, policies: [3, 103] }
export const smoke: Options = { millis: 50, rounds: 1, policies: [3, 103] }

const asked = (tool: string, args: PolicyQuestion["arguments"]): PolicyQuestion => ({
  actor: { kind: "AGENT", id: PrincipalId.make("assistant") },
  roles: [],
  tool,
  arguments: args,
  sessionId: "ses_bench",
  ownerId: "ann"
})

export const questions: ReadonlyArray<Expected> = [
  { question: asked("file.read", { path: "a.txt" }), effect: "Run", by: "look" },
  { question: asked("file.write", { path: "a.txt", content: "words" }), effect: "Ask", by: "write" },
  { question: asked("shell.run", { command: "ls", arguments: [] }), effect: "Deny", by: "never" }
]

export interface Row {
  readonly what: "floor" | "decision"
  readonly policies: number
  readonly perSecond: Spread
  readonly micros: number
  /** To the floor of the same round; 1 for the floor itself. */
  readonly ratio: Spread
}

export interface Report extends Machine {
  readonly options: Options
  readonly rows: ReadonlyArray<Row>
}

export const run = Effect.fnUntraced(function* (options: Options) {
  const rows: Array<Row> = []
  for (const policies of options.policies) {
    const subject = yield* subjectOf(policies, options.questions ?? questions)
    const { decide, floor } = subject
    const cells = [timed(options.millis, () => Effect.sync(floor)), timed(options.millis, decide)]
    const samples = yield* Effect.promise(() => rounds(options.rounds, cells))
    const base = samples[0]!
    for (const [index, taken] of samples.entries()) {
      const perSecond = spread(taken)
      const what = index === 0 ? "floor" : "decision"
      rows.push({ what, policies, perSecond, micros: 1_000_000 / perSecond.median, ratio: toFloor(taken, base) })
    }
  }
  const report: Report = { ...machine(), options, rows }
  return report
}, Effect.scoped)

export const print = (report: Report): string =>
  [
    `${about(report)}; ${report.options.rounds} rounds of ${report.options.millis} ms`,
    "",
    table(
      ["", "policies", "per second", "low", "high", "µs", "of floor", "low", "high"],
      report.rows.map(({ micros, perSecond, policies, ratio, what }) => [
        what,
        String(policies),
        ...[perSecond.median, perSecond.low, perSecond.high].map((value) => value.toFixed(0)),
        micros.toFixed(1),
        ...[ratio.median, ratio.low, ratio.high].map((value) => value.toFixed(2))
      ])
    )
  ].join("\n")

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** What stands for the answers that are expected; what more there is names somebody who never asks. */
const base = `
@id("look") permit (principal, action == Action::"file.read", resource);
@id("write") @gate("human") permit (principal, action == Action::"file.write", resource);
@id("never") forbid (principal, action == Action::"shell.run", resource);
`

const others = (count: number): string =>
  Array.from(
    { length: count },
    (_, index) =>
      `@id("other-${index}") permit (principal == Agent::"nobody-${index}", action == Action::"file.read", resource) ` +
      `when { context.arguments.path like "reports/${index}/*" };`
  ).join("\n")

const tools = Layer.provideMerge(ToolRegistry.layerCatalog, ToolRegistry.layer(StandardTools.described())).pipe(
  Layer.provideMerge(NodeDigest.layer)
)

/** An engine and its floor over as many policies, which agree with what is expected. */
const subjectOf = Effect.fnUntraced(function* (policies: number, questions: ReadonlyArray<Expected>) {
  const files = [{ file: "bench.cedar", text: `${base}${others(policies - 3)}` }]
  const context = yield* Layer.build(tools)
  const engine = yield* Effect.provideContext(CedarPolicyEngine.make(files), context)
  const descriptors = yield* Effect.provideContext(
    Effect.flatMap(ToolCatalog, (catalog) => catalog.tools),
    context
  )
  const { policies: set, vocabulary } = yield* Effect.fromResult(compile(files, descriptors, NodeDigest.sha256))
  const slot = `bench-floor-${policies}`
  const prepared = Cedar.preparsePolicySet(slot, set)
  if (prepared.type !== "success" || Object.keys(set.staticPolicies ?? {}).length !== policies) {
    throw new Error(`the floor has no ${policies} policies`)
  }
  const calls = questions.map(({ question }): Cedar.StatefulAuthorizationCall => {
    const { actor, ownerId, sessionId, tool } = question
    const session = { type: "Session", id: sessionId }
    const owner = { __entity: { type: "Person", id: ownerId } }
    return {
      principal: { type: principalTypes[actor.kind], id: actor.id },
      action: { type: "Action", id: tool },
      resource: session,
      context: Result.getOrThrow(fromArguments(vocabulary.tools.get(tool)!.arguments, question.arguments)),
      preparsedPolicySetId: slot,
      entities: [{ uid: session, attrs: { owner }, parents: [] }]
    }
  })
  let next = 0
  const decide = () => {
    const { by, effect, question } = questions[(next += 1) % questions.length]!
    return Effect.map(engine.decide(question), (decision) => {
      if (decision.effect !== effect || decision.policies.join() !== by) {
        throw new Error(`${question.tool}: ${JSON.stringify(decision)} in place of ${effect} by ${by}`)
      }
    })
  }
  const floor = () => {
    const at = (next += 1) % questions.length
    const { by, effect, question } = questions[at]!
    const answer = Cedar.statefulIsAuthorized(calls[at]!)
    const said = answer.type === "success" ? answer.response : null
    if ((said?.decision === "allow") !== (effect !== "Deny") || said?.diagnostics.reason.join() !== by) {
      throw new Error(`the floor says of ${question.tool}: ${JSON.stringify(answer)}`)
    }
  }
  for (let time = 0; time < questions.length; time++) {
    floor()
    yield* decide()
  }
  return { decide, floor }
})

/** One after the other for so long; answers how many a second. */
const timed = (millis: number, once: () => Effect.Effect<void>) => () =>
  Effect.runPromise(
    Effect.gen(function* () {
      const startedAt = performance.now()
      let count = 0
      for (; performance.now() - startedAt < millis; count++) yield* once()
      return (count * 1_000) / (performance.now() - startedAt)
    })
  )
