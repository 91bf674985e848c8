/**
 * From Cedar's answer to ours: gates, errors, and the sentence that says why.
 *
 * | Cedar                                   | decision                                                     |
 * | a policy failed while deciding          | Deny, whatever the others say: Cedar alone would skip it      |
 * | deny                                    | Deny: a forbid held, or no permit did                         |
 * | allow, a permit without gate            | Run                                                          |
 * | allow, all gated, one by "human"        | Ask, by the owner or that gate's approvers                   |
 * | allow, all gated by "two-people"        | AskTwo                                                       |
 *
 * Permits are alternatives: each alone suffices, so the mildest one that holds decides, as an ungated one beats a
 * gated one. To insist on two people, let no milder permit hold for the same action.
 */
import type { Response } from "@cedar-policy/cedar-wasm/nodejs"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { Hash } from "#src/kernel/Ids.ts"
import type { Effective, PolicyDecision } from "#src/ports/PolicyEngine.ts"
import { fromCedar, type Gate, type PolicyEntry } from "./CedarPolicyText.ts"

export const fromResponse = (
  response: Response,
  entries: ReadonlyMap<string, PolicyEntry>,
  setHash: Hash
): PolicyDecision => {
  const { reason: determining, errors } = response.diagnostics
  if (errors.length > 0) return failed(errors, entries, setHash)
  const policies = [...determining].sort()
  const held = policies.flatMap((id) => entries.get(id) ?? [])
  if (response.decision !== "allow" || held.length === 0) {
    const reason = held.length === 0 ? "No policy permits it." : say(held, "forbids it", "forbid it")
    return { ...denied(setHash, reason), policies }
  }
  const gate = mildest(held)
  const deciding = held.filter((entry) => entry.gate === gate)
  return {
    effect: effects[gate],
    approvers: [...new Set(deciding.flatMap((entry) => entry.approvers))].sort(),
    policies,
    errors: [],
    reason: say(deciding, ...phrases[gate]),
    setHash
  }
}

/** A Deny that no policy determined. */
export const denied = (setHash: Hash, reason: string): PolicyDecision => ({
  effect: "Deny",
  approvers: [],
  policies: [],
  errors: [],
  reason: reason.slice(0, Bounds.reasonTextMax),
  setHash
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const effects: { readonly [G in Gate]: Effective } = { none: "Run", human: "Ask", "two-people": "AskTwo" }

const phrases: { readonly [G in Gate]: readonly [one: string, several: string] } = {
  none: ["lets it run", "let it run"],
  human: ["permits it once a person agrees", "permit it once a person agrees"],
  "two-people": ["permits it once two people agree", "permit it once two people agree"]
}

const mildest = (held: ReadonlyArray<PolicyEntry>): Gate => {
  const gates = new Set(held.map((entry) => entry.gate))
  return gates.has("none") ? "none" : gates.has("human") ? "human" : "two-people"
}

const failed = (
  errors: Response["diagnostics"]["errors"],
  entries: ReadonlyMap<string, PolicyEntry>,
  setHash: Hash
): PolicyDecision => {
  const sorted = [...errors].sort((a, b) => (a.policyId < b.policyId ? -1 : 1))
  const policies = [...new Set(sorted.map(({ policyId }) => policyId))]
  const told = sorted.slice(0, toldMax).map(({ policyId, error }) => {
    const entry = entries.get(policyId)
    const [place] = entry === undefined ? [] : fromCedar(entry, entry.text, error)
    return `${policyId}${place === undefined ? "" : ` (${place.file}:${place.line})`}: ${error.message}`
  })
  const reason = `Denied because ${names(policies)} failed while deciding: ${told[0] ?? ""}.`
  const bounded = told.map((one) => one.slice(0, Bounds.reasonTextMax))
  return { ...denied(setHash, reason), policies, errors: bounded }
}

const say = (entries: ReadonlyArray<PolicyEntry>, one: string, several: string): string => {
  const ids = entries.map((entry) => entry.id)
  const described = entries.find((entry) => entry.description !== "")?.description
  const sentence = `${names(ids).replace(/^p/, "P")} ${ids.length === 1 ? one : several}`
  return `${sentence}${described === undefined ? "." : `: ${described}`}`.slice(0, Bounds.reasonTextMax)
}

/** At most this many are named in a sentence or told as errors; `policies` always holds them all. */
const toldMax = 5

const names = (ids: ReadonlyArray<string>): string => {
  const shown = ids.slice(0, toldMax).map((id) => `"${id}"`)
  const more = ids.length > toldMax ? [`${ids.length - toldMax} more`] : []
  return `${ids.length === 1 ? "policy" : "policies"} ${[...shown, ...more].join(", ")}`
}
