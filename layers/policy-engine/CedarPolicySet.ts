/**
 * A set of policies, judged against the tools there are: usable as a whole, or refused with every problem.
 *
 * Owns strict validation and the set's hash. Validation is strict in two more ways than Cedar's: a policy that
 * can never apply is refused (whoever wrote it believes it does), and so is text whose direction is switched by
 * invisible characters (it reads as something else than it says).
 */
import * as Cedar from "@cedar-policy/cedar-wasm/nodejs"
import * as Result from "effect/Result"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import type { Hash } from "#src/kernel/Ids.ts"
import { PolicyError, type PolicySet } from "#src/ports/PolicyEngine.ts"
import type { ToolDescriptor } from "#src/ports/ToolExecutor.ts"
import {
  attempt,
  fromCedar,
  type PolicyEntry,
  type PolicyFile,
  type Problem,
  read,
  sliceBytes,
  wholeSet
} from "./CedarPolicyText.ts"
import { fromTools, type Vocabulary } from "./CedarSchema.ts"

export interface CompiledSet {
  readonly set: PolicySet
  readonly vocabulary: Vocabulary
  readonly entries: ReadonlyMap<string, PolicyEntry>
  /** As Cedar takes it: every policy under its `@id`. */
  readonly policies: Cedar.PolicySet
}

/** Reads, names and validates. The order of `files` does not matter. */
export const compile = (
  files: ReadonlyArray<PolicyFile>,
  tools: ReadonlyArray<ToolDescriptor>,
  sha256: (text: string) => Hash
): Result.Result<CompiledSet, PolicyError> => {
  const sorted = [...files].sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0))
  const bytes = sorted.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0)
  if (bytes > Bounds.policySetBytesMax) {
    return refused([whole(`the files hold ${bytes} bytes; at most ${Bounds.policySetBytesMax}`)])
  }
  const vocabulary = fromTools(tools)
  const reading = read(sorted)
  const entries = new Map(reading.policies.map((entry) => [entry.id, entry]))
  const policies = { staticPolicies: Object.fromEntries(reading.policies.map(({ id, text }) => [id, text])) }
  const problems = [...reading.problems, ...validate(vocabulary, policies, entries)]
  if (problems.length > 0) return refused(problems)
  const hash = sha256(
    Canonical.encode({
      files: sorted.map(({ file, text }) => [file, text]),
      schema: vocabulary.schema as unknown as Canonical.Json
    })
  )
  const listed = reading.policies.map(({ id, file, line, effect, gate }) => ({ id, file, line, effect, gate }))
  return Result.succeed({ set: { hash, policies: listed }, vocabulary, entries, policies })
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const whole = (detail: string): Problem => ({ file: wholeSet, line: null, detail })

const refused = (problems: ReadonlyArray<Problem>): Result.Result<never, PolicyError> => {
  const distinct = new Map(problems.map((problem) => [`${problem.file}:${problem.line}:${problem.detail}`, problem]))
  const sorted = [...distinct.values()].sort((a, b) =>
    a.file === b.file ? (a.line ?? 0) - (b.line ?? 0) : a.file < b.file ? -1 : 1
  )
  const shown = sorted.slice(0, Bounds.policyProblemsMax)
  const more = sorted.length - shown.length
  return Result.fail(
    new PolicyError({ problems: more > 0 ? [...shown, whole(`and ${more} more problems`)] : shown, retryable: false })
  )
}

const validate = (
  vocabulary: Vocabulary,
  policies: Cedar.PolicySet,
  entries: ReadonlyMap<string, PolicyEntry>
): ReadonlyArray<Problem> => {
  const settings: Cedar.ValidationSettings = { mode: "strict" }
  const answer = attempt(() => Cedar.validate({ schema: vocabulary.schema, policies, validationSettings: settings }))
  if (answer === undefined) return [whole("Cedar could not validate the policies")]
  if (answer.type === "failure") return answer.errors.map((error) => whole(error.message))
  const names = [...vocabulary.tools.keys()]
  const erroneous = new Set(answer.validationErrors.map(({ policyId }) => policyId))
  const errors = answer.validationErrors.flatMap((found) => explain(entries.get(found.policyId), found, names))
  const warnings = answer.validationWarnings
    .filter((found) => !erroneous.has(found.policyId) && coversPolicy(entries.get(found.policyId), found))
    .flatMap((found) => explain(entries.get(found.policyId), found, names))
  return [...errors, ...warnings, ...[...entries.values()].flatMap(switchesDirection)]
}

const explain = (
  entry: PolicyEntry | undefined,
  found: Cedar.ValidationError,
  tools: ReadonlyArray<string>
): ReadonlyArray<Problem> => {
  if (entry === undefined) return [whole(found.error.message)]
  const problems = fromCedar(entry, entry.text, found.error)
  const tool = unknownTool(entry, found.error, tools)
  if (tool === undefined) return problems
  const near = nearest(tool, tools).map((name) => `"${name}"`)
  const detail = `there is no tool ${JSON.stringify(tool)}; the nearest are ${near.join(", ")}`
  return problems.map((problem) => ({ ...problem, detail, undeclared: tool }))
}

/** The tool's name where the error's place in the source is an action that no tool stands for. */
const unknownTool = (entry: PolicyEntry, error: Cedar.DetailedError, tools: ReadonlyArray<string>) => {
  const [location] = error.sourceLocations ?? []
  if (location === undefined || tools.length === 0) return undefined
  const quoted = /^Action\s*::\s*("(?:\\.|[^"\\])*")$/s.exec(sliceBytes(entry.text, location))?.[1]
  if (quoted === undefined) return undefined
  const name = attempt(() => String(JSON.parse(quoted))) ?? quoted.slice(1, -1)
  return tools.includes(name) ? undefined : name.slice(0, 100)
}

/** Cedar's warnings about a whole policy say that it never applies; those about a part of it are about spelling. */
const coversPolicy = (entry: PolicyEntry | undefined, found: Cedar.ValidationError): boolean => {
  const [location] = found.error.sourceLocations ?? []
  if (entry === undefined || location === undefined) return true
  return location.start === 0 && location.end >= Buffer.byteLength(entry.text)
}

/** Characters that switch the direction of writing (Unicode UAX 9) make source that reads differently than it runs. */
const switchesDirection = (entry: PolicyEntry): ReadonlyArray<Problem> => {
  const index = entry.text.search(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/)
  if (index === -1) return []
  const start = Buffer.byteLength(entry.text.slice(0, index))
  const message = "an invisible character here switches the direction of writing; write it as an escape: \\u{202e}"
  const location = { start, end: start, label: null }
  return fromCedar(entry, entry.text, {
    message,
    help: null,
    code: null,
    url: null,
    severity: null,
    sourceLocations: [location]
  })
}

/** The three names with the fewest edits away (Levenshtein). */
const nearest = (name: string, names: ReadonlyArray<string>): ReadonlyArray<string> =>
  names
    .map((candidate) => ({ candidate, edits: edits(name, candidate) }))
    .sort((a, b) => a.edits - b.edits)
    .slice(0, 3)
    .map(({ candidate }) => candidate)

const edits = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
