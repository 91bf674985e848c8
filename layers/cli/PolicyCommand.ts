/**
 * `keelson policy`: what the policies of a folder are, and what they would say.
 *
 * Owns how it is asked and told. Does not own the answer (`Deployment.policies`), which is the very engine's that a
 * service would use. Nothing runs, nothing is written; no service is needed.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { PrincipalId } from "#src/kernel/Ids.ts"
import type { Json } from "#src/kernel/Canonical.ts"
import type { Effective, PolicyDecision, PolicyQuestion, PolicySet } from "#src/ports/PolicyEngine.ts"
import { CommandRefused, FoundWrong } from "./CommandRefused.ts"
import type { Deployment, Policies } from "./Deployment.ts"
import * as Page from "./Page.ts"
import * as Sentences from "./Sentences.ts"
import type { BasicSettings, Resolved } from "./SettingsSource.ts"

/** What a person types for what a decision leads to. */
export const expectations = ["run", "ask", "ask-two", "deny"] as const
export type Expectation = (typeof expectations)[number]

export interface Question {
  readonly as: string
  readonly person: boolean
  readonly roles: ReadonlyArray<string>
  readonly owner: string
  readonly session: string
  readonly tool: string
  /** JSON, as typed. */
  readonly input: string
  readonly expect: Expectation | null
  readonly json: boolean
}

export const check = Effect.fnUntraced(function* <S extends BasicSettings, E, V>(
  deployment: Deployment<S, E, V>,
  resolved: Resolved<S>,
  options: { readonly json: boolean }
) {
  const { folder, set, tools } = yield* opened(deployment, resolved)
  const look = yield* Page.look
  if (options.json) return yield* Console.log(JSON.stringify({ folder, ...set, tools }))
  const count = Page.count(set.policies.length, "policy", "policies")
  yield* Console.log(
    [
      Page.indented(
        look,
        `${count} in ${folder}, set ${set.hash.slice(0, 12)}: all valid for the tools there are.`,
        ""
      ),
      "",
      ...(set.policies.length === 0
        ? ["An empty set permits nothing."]
        : set.policies.map((policy) => listed(look, folder, policy))),
      "",
      Page.rows(look, [["tools", Page.listed(tools)]], "")
    ].join("\n")
  )
}, Effect.scoped)

export const test = Effect.fnUntraced(function* <S extends BasicSettings, E, V>(
  deployment: Deployment<S, E, V>,
  resolved: Resolved<S>,
  question: Question
) {
  const input = yield* parsed(question.input)
  const actor = { kind: question.person ? "HUMAN" : "AGENT", id: yield* named("--as", question.as) } as const
  const ownerId = yield* named("--owner", question.owner)
  const policies = yield* opened(deployment, resolved)
  const { session: sessionId, tool } = question
  const roles = question.roles.length > 0 ? question.roles : usual(actor, ownerId)
  const decision = yield* policies
    .ask({ actor, roles, tool, arguments: input, sessionId, ownerId })
    .pipe(
      Effect.mapError(({ message }) =>
        wrong("ArgumentsInvalid", `${message}.`, "See keelson policy check for the tools there are.")
      )
    )
  const seen = typed[decision.effect]
  if (question.json)
    yield* Console.log(JSON.stringify({ ...decision, outcome: seen, asked: { ...actor, roles, tool } }))
  else yield* Console.log(told(yield* Page.look, policies, decision, { actor, roles }))
  if (question.expect === null || question.expect === seen) return
  if (!question.json) yield* Console.error(`expected ${question.expect}, but it is ${seen}`)
  return yield* new FoundWrong()
}, Effect.scoped)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const opened = <S extends BasicSettings, E, V>(deployment: Deployment<S, E, V>, resolved: Resolved<S>) =>
  deployment.policies(resolved.settings).pipe(Effect.mapError((error) => Sentences.refusal(error, resolved.settings)))

const wrong = (code: string, detail: string, remedy: string | null) =>
  new CommandRefused({ code, detail, remedy, exitCode: 2 })

const parsed = (text: string): Effect.Effect<Json, CommandRefused> =>
  Effect.try({
    try: () => JSON.parse(text) as Json,
    catch: () => wrong("InputWrong", "--input is not JSON.", `Write it in single quotes: --input '{"path":"a.txt"}'`)
  })

const named = (flag: string, text: string) =>
  PrincipalId.makeOption(text)._tag === "Some"
    ? Effect.succeed(PrincipalId.make(text))
    : Effect.fail(
        wrong(
          "NameWrong",
          `${flag} takes a name of 1 to 64 letters, digits and _ . -, beginning with a letter or digit.`,
          null
        )
      )

/** The roles that a service gives: in a turn to an agent, and to the owner whose token it minted. */
const usual = (actor: PolicyQuestion["actor"], ownerId: string): ReadonlyArray<string> =>
  actor.kind === "AGENT" ? ["agent"] : actor.id === ownerId ? ["owner"] : []

const typed: { readonly [D in Effective]: Expectation } = { Run: "run", Ask: "ask", AskTwo: "ask-two", Deny: "deny" }

const sentences: { readonly [D in Effective]: readonly [mark: Page.Mark, words: string] } = {
  Run: ["green", "It runs at once."],
  Ask: ["yellow", "It waits for a person."],
  AskTwo: ["yellow", "It waits for two people, neither of them the one who asks."],
  Deny: ["red", "It is denied."]
}

const told = (
  look: Page.Look,
  { set }: Policies,
  decision: PolicyDecision,
  { actor, roles }: Pick<PolicyQuestion, "actor" | "roles">
): string => {
  const [mark, words] = sentences[decision.effect]
  const found = new Map(set.policies.map((policy) => [policy.id, policy]))
  const named = (id: string): string => {
    const policy = found.get(id)
    return policy === undefined ? `${id} (?)` : `${id} (${policy.file}:${policy.line}) ${leadsTo(policy)}`
  }
  const asks = decision.effect === "Ask" || decision.effect === "AskTwo"
  const entries: ReadonlyArray<readonly [string, string]> = [
    ["why", Page.visible(decision.reason)],
    [
      "asked by",
      `${actor.kind === "HUMAN" ? "person" : "agent"} ${actor.id}, ` +
        (roles.length === 0 ? "without a role" : `role ${Page.listed(roles.map(Page.visible))}`)
    ],
    ["policies", decision.policies.map(named).join("; ") || "none holds"],
    ...decision.errors.map((error) => ["failed", Page.visible(error)] as const),
    ...(asks
      ? [
          [
            "may agree",
            Page.listed(["the session's owner", ...decision.approvers.map((role) => `role ${role}`)])
          ] as const
        ]
      : []),
    ["set", decision.setHash.slice(0, 12)]
  ]
  return `${Page.mark(look, mark, words)}\n\n${Page.rows(look, entries)}`
}

const leads: { readonly [G in PolicySet["policies"][number]["gate"]]: string } = {
  none: "permits",
  human: "permits, once a person agrees",
  "two-people": "permits, once two people agree"
}

const leadsTo = ({ effect, gate }: PolicySet["policies"][number]): string =>
  effect === "forbid" ? "forbids" : leads[gate]

const listed = (look: Page.Look, folder: string, policy: PolicySet["policies"][number]): string => {
  const { file, id, line } = policy
  const place = file.startsWith(`${folder}/`) ? file.slice(folder.length + 1) : file
  return [
    `  ${Page.mark(look, "bold", id)}`,
    `    ${leadsTo(policy)}  ${Page.mark(look, "dim", `${place}:${line}`)}`
  ].join("\n")
}
