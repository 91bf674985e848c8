/**
 * Policy files, read into single policies that know where they stand and how they are gated.
 *
 *   file -> size, nesting -> Cedar's parser -> single policies -> annotations -> PolicyEntry
 *
 * Owns places (file and line) and annotations: `@id` on every policy, `@gate` and `@approvers` on permits,
 * `@description` anywhere, nothing else (a misspelt `@gate` would be an open door). Does not own validation
 * against the tools (`CedarPolicySet`).
 *
 * Invariants: every policy that Cedar finds in a file becomes an entry or a problem; our own division into
 * policies is compared with Cedar's, and a difference is a problem. Cedar's stack has room for about 110
 * brackets within brackets and 360 chained operators (seen); what it can't hold kills the whole module, so
 * both are bounded before Cedar sees the text.
 */
import * as Cedar from "@cedar-policy/cedar-wasm/nodejs"
import * as Bounds from "#src/kernel/Bounds.ts"

export interface PolicyFile {
  /** Name inside its folder; part of the set's hash. */
  readonly file: string
  readonly text: string
}

/** Stands for a file where the set as a whole is meant. No policy file has this name: theirs end in `.cedar`. */
export const wholeSet = "policies"

/** What to mend and where; `line` from 1, null where the file or set as a whole is meant. */
export interface Problem {
  readonly file: string
  readonly line: number | null
  readonly detail: string
  /** The tool that it names and nobody has declared. */
  readonly undeclared?: string
}

export type Gate = "none" | "human" | "two-people"

export interface PolicyEntry {
  readonly id: string
  readonly file: string
  readonly line: number
  readonly effect: "permit" | "forbid"
  readonly gate: Gate
  /** Role names, sorted; empty unless gated. */
  readonly approvers: ReadonlyArray<string>
  readonly description: string
  readonly text: string
}

export interface Reading {
  readonly policies: ReadonlyArray<PolicyEntry>
  readonly problems: ReadonlyArray<Problem>
}

/** Reads files in the order given. Ids are unique over all of them. */
export const read = (files: ReadonlyArray<PolicyFile>): Reading => {
  const policies = new Map<string, PolicyEntry>()
  const problems: Array<Problem> = []
  for (const file of files) {
    for (const one of readFile(file)) {
      const first = "id" in one ? policies.get(one.id) : undefined
      if (!("id" in one)) problems.push(one)
      else if (first === undefined) policies.set(one.id, one)
      else problems.push(at(one, `@id("${one.id}") stands at ${first.file}:${first.line} already; ids are unique`))
    }
  }
  if (policies.size > Bounds.policiesMax) {
    problems.push({ file: wholeSet, line: null, detail: `${policies.size} policies; at most ${Bounds.policiesMax}` })
  }
  return { policies: [...policies.values()], problems }
}

/** A problem that Cedar tells about text which begins at `place`, on the line its source location points to. */
export const fromCedar = (
  place: { readonly file: string; readonly line: number },
  text: string,
  error: Cedar.DetailedError
): ReadonlyArray<Problem> => {
  const location = error.sourceLocations?.[0]
  const labels = (error.sourceLocations ?? []).flatMap(({ label }) => (label === null ? [] : [label]))
  const detail = [[error.message, ...labels].join(": "), error.help].filter((part) => part !== null).join("; ")
  const line = location === undefined ? place.line : place.line + linesBefore(text, location.start)
  const related = (error.related ?? []).flatMap((one) => fromCedar(place, text, one))
  return [{ file: place.file, line, detail }, ...related]
}

/** The part of the text that a source location of Cedar (in UTF-8 bytes) covers. */
export const sliceBytes = (text: string, location: Cedar.SourceLocation): string =>
  Buffer.from(text).subarray(location.start, location.end).toString()

/** What a call into Cedar gives, or `undefined` where the WebAssembly module failed. Nothing is told about the why. */
export const attempt = <A>(call: () => A): A | undefined => {
  try {
    return call()
  } catch {
    return undefined
  }
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** One policy's text, the line it begins on, and the same text with strings and comments blanked. */
interface Piece {
  readonly file: string
  readonly line: number
  readonly text: string
  readonly code: string
}

const at = (place: { readonly file: string; readonly line: number }, detail: string): Problem => ({
  file: place.file,
  line: place.line,
  detail
})

const readFile = (file: PolicyFile): ReadonlyArray<PolicyEntry | Problem> => {
  const start = { file: file.file, line: 1 }
  const bytes = Buffer.byteLength(file.text)
  if (bytes > Bounds.policyFileBytesMax) {
    return [at(start, `the file holds ${bytes} bytes; at most ${Bounds.policyFileBytesMax}`)]
  }
  const pieces = divide(file)
  const tooDeep = pieces.flatMap(tooComplex)
  if (tooDeep.length > 0) return tooDeep
  const parsed = attempt(() => Cedar.policySetTextToParts(file.text))
  if (parsed === undefined) return [at(start, "Cedar could not read this file")]
  if (parsed.type === "failure") return parsed.errors.flatMap((error) => fromCedar(start, file.text, error))
  const template = pieces.find((piece) => parsed.policy_templates.includes(piece.text))
  if (template !== undefined) return [at(template, "templates (?principal, ?resource) are not used here")]
  if (!sameTexts(parsed.policies, pieces)) return [at(start, "this file can't be divided into policies")]
  return pieces.map(entryOf)
}

/** Strings and comments become blanks of the same length, so that what is left is structure at its old place. */
const blank = (text: string): string =>
  text.replace(/"(?:\\[\s\S]|[^"\\])*"|\/\/[^\n\r]*/g, (found) => " ".repeat(found.length))

/** Cedar ends every policy with a semicolon. What follows the last one is a piece too, if it is more than blanks. */
const divide = ({ file, text }: PolicyFile): ReadonlyArray<Piece> => {
  const code = blank(text)
  const pieces: Array<Piece> = []
  let from = 0
  while (from < text.length) {
    const semicolon = code.indexOf(";", from)
    const to = semicolon === -1 ? text.length : semicolon + 1
    const start = from + code.slice(from, to).search(/\S/)
    if (start >= from) {
      const line = 1 + lineEnds(text.slice(0, start))
      pieces.push({ file, line, text: text.slice(start, to), code: code.slice(start, to) })
    }
    from = to
  }
  return pieces
}

const sameTexts = (texts: ReadonlyArray<string>, pieces: ReadonlyArray<Piece>): boolean => {
  const ours = pieces.map((piece) => piece.text).sort()
  return [...texts].sort().every((text, index) => text === ours[index]) && texts.length === ours.length
}

const tooComplex = (piece: Piece): ReadonlyArray<Problem> => {
  let depth = 0
  let deepest = 0
  for (const character of piece.code) {
    if ("([{".includes(character)) deepest = Math.max(deepest, ++depth)
    if (")]}".includes(character)) depth--
  }
  const operators = piece.code.match(/&&|\|\||[-+*.!]|\b(?:if|when|unless)\b/g)?.length ?? 0
  const problems: Array<Problem> = []
  if (deepest > Bounds.policyNestingMax) {
    problems.push(at(piece, `brackets nest ${deepest} deep; at most ${Bounds.policyNestingMax}`))
  }
  if (operators > Bounds.policyOperatorsMax) {
    problems.push(
      at(piece, `${operators} operators in one policy; at most ${Bounds.policyOperatorsMax}: write several policies`)
    )
  }
  return problems
}

const known = ["id", "gate", "approvers", "description"] as const

const entryOf = (piece: Piece): PolicyEntry | Problem => {
  const parsed = attempt(() => Cedar.policyToJson(piece.text))
  if (parsed === undefined) return at(piece, "Cedar could not read this policy")
  if (parsed.type === "failure") {
    const [first] = parsed.errors.flatMap((error) => fromCedar(piece, piece.text, error))
    return first ?? at(piece, "Cedar could not read this policy")
  }
  const { effect } = parsed.json
  const annotations = new Map(Object.entries(parsed.json.annotations ?? {}))
  const problem = (name: string, detail: string) => at({ ...piece, line: lineOf(piece, name) }, detail)
  const stranger = [...annotations.keys()].find((name) => !known.some((one) => one === name))
  if (stranger !== undefined) {
    return problem(
      stranger,
      `@${stranger} is not known here; annotations are ${known.map((one) => `@${one}`).join(", ")}`
    )
  }
  const id = annotations.get("id")
  if (typeof id !== "string" || id === "") return at(piece, 'a policy needs a name: put @id("what-it-says") before it')
  if (!/^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}$/.test(id)) {
    return problem("id", "an @id is 1 to 64 letters, digits and _ . : / - and begins with a letter or digit")
  }
  if (annotations.has("gate") && effect === "forbid") {
    return problem("gate", "@gate stands on permit policies only: what is forbidden waits for nobody")
  }
  const gate = annotations.has("gate") ? annotations.get("gate") : "none"
  if (gate !== "none" && gate !== "human" && gate !== "two-people") {
    return problem("gate", '@gate is @gate("human") or @gate("two-people")')
  }
  if (gate === "none" && annotations.has("gate")) return problem("gate", "leave @gate away where nobody is asked")
  if (annotations.has("approvers") && gate === "none") {
    return problem("approvers", "@approvers names who may open a gate, so it needs a @gate beside it")
  }
  const approvers = rolesIn(annotations.get("approvers"))
  if (annotations.has("approvers") && approvers === undefined) {
    const limits = `1 to ${Bounds.policyApproversMax} role names of at most 64 characters`
    return problem("approvers", `@approvers holds ${limits}, parted by commas: @approvers("reviewer, security")`)
  }
  const description = annotations.get("description") ?? ""
  if (description.length > 200) return problem("description", "a @description has at most 200 characters")
  const { file, line, text } = piece
  return { id, file, line, effect, gate, approvers: approvers ?? [], description, text }
}

/** The line an annotation stands on. Names of annotations are Cedar identifiers, so they mean themselves in a pattern. */
const lineOf = (piece: Piece, annotation: string): number => {
  const index = piece.code.search(new RegExp(`@\\s*${annotation}\\b`))
  return piece.line + lineEnds(piece.text.slice(0, Math.max(0, index)))
}

const rolesIn = (value: string | null | undefined): ReadonlyArray<string> | undefined => {
  if (typeof value !== "string") return undefined
  const roles = [...new Set(value.split(",").map((role) => role.trim()))].sort()
  const fit = roles.every((role) => role !== "" && role.length <= 64)
  return fit && roles.length <= Bounds.policyApproversMax ? roles : undefined
}

const linesBefore = (text: string, byteOffset: number): number => {
  const before = Buffer.from(text.trimEnd()).subarray(0, byteOffset).toString()
  return lineEnds(before)
}

const lineEnds = (text: string): number => text.match(/\r\n|\n|\r/g)?.length ?? 0
