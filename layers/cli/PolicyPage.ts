/**
 * What `keelson policy` shows: the policies of a folder, and what they say of an action.
 *
 * Owns the words and their layout. Does not own how it was asked (`PolicyCommand`).
 */
import type { Effective, PolicyDecision, PolicyQuestion, PolicySet } from "#src/ports/PolicyEngine.ts"
import type { ToolDescriptor } from "#src/ports/ToolExecutor.ts"
import type { Policies } from "./Deployment.ts"
import * as Page from "./Page.ts"

/** What a service that runs told: its tools, and the hash of the set by which it decides. */
export interface Told {
  readonly url: string
  readonly tools: ReadonlyArray<ToolDescriptor>
  /** Null where the token may not read it: an agent's. */
  readonly setHash: string | null
}

/**
 * What decides at the service, as against the folder's policies: this very set; these policies, read when no agent had
 * declared a tool; or another set, be it for other policies or for the tools that it was held against.
 */
export type Decides = "this-set" | "these-policies" | "another-set"

export interface Opened {
  readonly policies: Policies
  readonly told: Told | null
  /** Null where no service says. */
  readonly decides: Decides | null
}

/** Every policy, with its place and what it leads to. */
export const listed = (look: Page.Look, opened: Opened): string => {
  const { folder, set, tools } = opened.policies
  const count = Page.count(set.policies.length, "policy", "policies")
  const title = `${count} in ${folder}, set ${set.hash.slice(0, 12)}: all valid for the tools there are.`
  return [
    Page.indented(look, title, ""),
    "",
    ...(set.policies.length === 0
      ? ["An empty set permits nothing."]
      : set.policies.map((policy) => one(look, folder, policy))),
    "",
    Page.rows(look, [["tools", Page.listed(tools.map(Page.oneLine))], ...service(opened)], "")
  ].join("\n")
}

/** What an action comes to, why, and by which policies. */
export const answer = (
  look: Page.Look,
  opened: Opened,
  decision: PolicyDecision,
  { actor, roles, tool }: Pick<PolicyQuestion, "actor" | "roles" | "tool">
): string => {
  const { set } = opened.policies
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
    ...runBy(opened.told, tool),
    ["set", decision.setHash.slice(0, 12)],
    ...service(opened)
  ]
  return `${Page.mark(look, mark, words)}\n\n${Page.rows(look, entries)}`
}

/** The same of the service, for machines. */
export const serviceOf = ({ decides, told }: Opened) =>
  told === null ? null : { url: told.url, setHash: told.setHash, decides }

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const sentences: { readonly [D in Effective]: readonly [mark: Page.Mark, words: string] } = {
  Run: ["green", "It runs at once."],
  Ask: ["yellow", "It waits for a person."],
  AskTwo: ["yellow", "It waits for two people, neither of them the one who asks."],
  Deny: ["red", "It is denied."]
}

type Entry = readonly [label: string, text: string]

/** Who runs a tool that runs elsewhere. */
const runBy = (told: Told | null, name: string): ReadonlyArray<Entry> => {
  const executor = told?.tools.find((tool) => tool.name === name)?.executor ?? null
  return executor === null ? [] : [["run by", `agent ${executor.principalId}, elsewhere`]]
}

/** Whose tools these are, and by what it decides. */
const service = ({ decides, told }: Opened): ReadonlyArray<Entry> =>
  told === null ? [] : [["service", `${told.url}; ${by(decides, told)}`]]

const by = (decides: Decides | null, { setHash }: Told): string => {
  switch (decides) {
    case null:
      return "it does not say to this token which set decides there"
    case "this-set":
      return "this very set decides there"
    case "these-policies":
      return "these policies decide there, read before a tool was declared"
    case "another-set":
      return `set ${setHash?.slice(0, 12)} decides there: other policies, or tools declared since it read them`
  }
}

const leads: { readonly [G in PolicySet["policies"][number]["gate"]]: string } = {
  none: "permits",
  human: "permits, once a person agrees",
  "two-people": "permits, once two people agree"
}

const leadsTo = ({ effect, gate }: PolicySet["policies"][number]): string =>
  effect === "forbid" ? "forbids" : leads[gate]

const one = (look: Page.Look, folder: string, policy: PolicySet["policies"][number]): string => {
  const { file, id, line } = policy
  const place = file.startsWith(`${folder}/`) ? file.slice(folder.length + 1) : file
  return [
    `  ${Page.mark(look, "bold", id)}`,
    `    ${leadsTo(policy)}  ${Page.mark(look, "dim", `${place}:${line}`)}`
  ].join("\n")
}
