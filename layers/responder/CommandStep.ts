/**
 * Running a program of the command language: what it says and proposes next, given what came of its proposals so far.
 *
 * Owns the order, the filling of references and what is said about a command that was not done. Pure and total:
 * the same program and outcomes give the same step, byte for byte; each step proposes something new or is the last.
 *
 * Invariants: outcomes are matched by order, never by name; only `Executed` counts as done, and a program's run only
 * with exit code 0; what a step says and proposes fits into one answer (`ModelAnswer.answerBytesMax`).
 */
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import { type Blank, type Call, type Program, type Statement, shorten, type Template } from "./CommandProgram.ts"
import { answerBytesMax, canonicalBytes, wellFormed } from "./ModelAnswer.ts"

export interface Outcome {
  /** As in `TranscriptPart`: `Executed` or why not. */
  readonly outcome: string
  readonly output: Canonical.Json
}

export interface Step {
  readonly text: string
  readonly calls: ReadonlyArray<{ readonly id: string; readonly tool: string; readonly arguments: Canonical.Json }>
}

/** `outcomes` stand in the order in which the calls were proposed. `help` is what the command of that name says. */
export const next = (program: Program, outcomes: ReadonlyArray<Outcome>, help: string): Step => {
  /** Outputs of the commands that were done, by number. */
  const outputs = new Map<number, string>()
  let said: Array<string> = []
  let continues = false
  let proposed = 0
  for (const [index, statement] of program.statements.entries()) {
    const rest = commandsIn(program.statements.slice(index + 1))
    switch (statement._tag) {
      case "Help": {
        said.push(help)
        break
      }
      case "ContinueOnFailure": {
        continues = true
        break
      }
      case "Say": {
        const text = fill(statement.template, outputs, spokenUnitsMax)
        said.push(typeof text === "string" ? text : `Not said, "${shorten(statement.source)}": ${text.because}.`)
        break
      }
      case "Propose": {
        const { ready, troubles } = prepare(statement.calls, outputs, program.commands)
        if (troubles.length > 0 && !continues) return last([...said, ...troubles, notTried(rest + ready.length)])
        const answers = outcomes.slice(proposed, proposed + ready.length)
        if (answers.length < ready.length) {
          const calls = ready.map(({ call, arguments: args }, place) => ({
            id: `call-${proposed + place + 1}`,
            tool: call.tool,
            arguments: args
          }))
          return { text: speak(said), calls: calls.slice(answers.length) }
        }
        proposed += ready.length
        if (ready.length > 0) said = []
        said.push(...troubles)
        let failures = troubles.length
        for (const [place, { call }] of ready.entries()) {
          const answer = answers[place]!
          const why = whyNot(answer)
          if (why === undefined) outputs.set(call.number, outputText(answer.output))
          else {
            failures++
            said.push(notDone(call, program.commands, why))
          }
        }
        if (failures > 0 && !continues) return last([...said, notTried(rest)])
        break
      }
    }
  }
  const done = Math.max(0, ...outputs.keys())
  if (!program.speaks && done > 0) said.push(outputs.get(done)!)
  if (said.join("") === "") said.push(`Done: ${outputs.size} of ${counted(program.commands)}.`)
  return last(said)
}

/**
 * A tool's output as text: a text itself; the text in it (`text`, then `stdout`); the names of its `entries`, one a
 * line, folders with a slash; or its canonical JSON.
 */
export const outputText = (output: Canonical.Json): string =>
  wellFormed(
    typeof output === "string"
      ? output
      : (textMember(output, "text") ?? textMember(output, "stdout") ?? entryNames(output) ?? jsonText(output))
  )

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** What one step says, in bytes of canonical JSON, and what its arguments take, leave room for each other. */
const spokenBytesMax = answerBytesMax / 4
const argumentsBytesMax = answerBytesMax - spokenBytesMax - 1_024
/** A text longer than this is cut before anything is counted. */
const spokenUnitsMax = Bounds.resultTextMax
const detailBytesMax = 1_000

interface NotFilled {
  readonly because: string
}

interface Ready {
  readonly call: Call
  readonly arguments: Canonical.Json
}

const prepare = (
  calls: ReadonlyArray<Call>,
  outputs: ReadonlyMap<number, string>,
  commands: number
): { readonly ready: ReadonlyArray<Ready>; readonly troubles: ReadonlyArray<string> } => {
  const ready: Array<Ready> = []
  const troubles: Array<string> = []
  let left = argumentsBytesMax
  for (const call of calls) {
    const filled = fillBlank(call.arguments, outputs, left)
    const bytes = "because" in filled ? 0 : canonicalBytes(filled.value)
    if ("because" in filled) troubles.push(notDone(call, commands, filled.because))
    else if (bytes > left) troubles.push(notDone(call, commands, tooLong.because))
    else {
      left -= bytes
      ready.push({ call, arguments: filled.value })
    }
  }
  return { ready, troubles }
}

const tooLong: NotFilled = { because: "its text would be too long" }

/** The text with its references filled in; the length is known before anything is joined. */
const fill = (template: Template, outputs: ReadonlyMap<number, string>, unitsMax: number): string | NotFilled => {
  const pieces: Array<string> = []
  let units = 0
  for (const piece of template) {
    const text = typeof piece === "string" ? piece : outputs.get(piece)
    if (text === undefined) return { because: `it needs the output of command ${piece}, which was not done` }
    units += text.length
    if (units > unitsMax) return tooLong
    pieces.push(text)
  }
  return pieces.join("")
}

const fillBlank = (
  blank: Blank,
  outputs: ReadonlyMap<number, string>,
  unitsMax: number
): { readonly value: Canonical.Json } | NotFilled => {
  let left = unitsMax
  let trouble: NotFilled | undefined
  const walk = (at: Blank): Canonical.Json => {
    switch (at._tag) {
      case "Value":
        return at.value
      case "List":
        return at.items.map(walk)
      case "Record":
        return Object.fromEntries(at.fields.map(([name, value]) => [name, walk(value)]))
      case "Text": {
        const text = trouble === undefined ? fill(at.template, outputs, left) : ""
        if (typeof text !== "string") {
          trouble = text
          return null
        }
        left -= text.length
        return text
      }
    }
  }
  const value = walk(blank)
  return trouble ?? { value }
}

const commandsIn = (statements: ReadonlyArray<Statement>): number =>
  statements.reduce((sum, statement) => sum + (statement._tag === "Propose" ? statement.calls.length : 0), 0)

const notTried = (commands: number): string => (commands === 0 ? "" : `Not tried: ${counted(commands)}.`)

const counted = (commands: number): string => (commands === 1 ? "1 command" : `${commands} commands`)

const notDone = (call: Call, commands: number, why: string): string =>
  `Not done, command ${call.number} of ${commands} ("${shorten(call.source)}"): ${why}.`

/** Sentences for every way a proposal can end without being done. */
const endings: ReadonlyMap<string, string> = new Map([
  ["Failed", "it ran and failed"],
  ["Denied", "it was denied"],
  ["Expired", "nobody decided in time"],
  ["Lapsed", "it was allowed, and the permit ran out before it was used"],
  ["Withdrawn", "it was withdrawn"],
  ["Unknown", "it was started, and whether it was done is not known"],
  ["Invalid", "it was not accepted"]
])

/** Why the command does not count as done; undefined where it does. */
const whyNot = ({ outcome, output }: Outcome): string | undefined => {
  const exitCode = outcome === "Executed" ? member(output, "exitCode") : undefined
  const broke = typeof exitCode === "number" && exitCode !== 0
  if (outcome === "Executed" && !broke) return undefined
  const ending = broke
    ? `it ended with exit code ${exitCode}`
    : (endings.get(outcome) ?? `it ended as ${shorten(outcome)}`)
  const detail =
    textMember(output, "detail") ?? textMember(output, "reason") ?? textMember(output, "stderr") ?? plainText(output)
  const shown = cut(wellFormed(detail), detailBytesMax).replace(/[.\s]+$/, "")
  return shown === "" ? ending : `${ending} (${shown})`
}

const plainText = (output: Canonical.Json): string =>
  typeof output === "string" ? output : output === null ? "" : jsonText(output)

const member = (value: Canonical.Json | undefined, name: string): Canonical.Json | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.hasOwn(value, name)
    ? (value as { readonly [key: string]: Canonical.Json })[name]
    : undefined

const textMember = (value: Canonical.Json, name: string): string | undefined => {
  const found = member(value, name)
  return typeof found === "string" ? found : undefined
}

const entryNames = (value: Canonical.Json): string | undefined => {
  const entries = member(value, "entries")
  if (!Array.isArray(entries)) return undefined
  const names: Array<string> = []
  for (const entry of entries as ReadonlyArray<Canonical.Json>) {
    const name = textMember(entry, "name")
    if (name === undefined) return undefined
    names.push(member(entry, "type") === "directory" ? `${name}/` : name)
  }
  return names.join("\n")
}

/** Canonical where it can be; an output with half a surrogate pair in it has no canonical form. */
const jsonText = (value: Canonical.Json): string => {
  try {
    return Canonical.encode(value)
  } catch {
    return JSON.stringify(value) ?? ""
  }
}

const last = (said: ReadonlyArray<string>): Step => ({ text: speak(said.filter((text) => text !== "")), calls: [] })

const speak = (said: ReadonlyArray<string>): string => cut(said.join("\n"), spokenBytesMax)

/** The text up to as many bytes of canonical JSON as given, and how much was left out. Never splits a code point. */
const cut = (text: string, bytesMax: number): string => {
  // Six bytes is the most that one UTF-16 unit can take as JSON (`\u0000`).
  if (text.length * 6 <= bytesMax) return text
  let bytes = 0
  let units = 0
  for (const point of text) {
    bytes += Buffer.byteLength(JSON.stringify(point)) - 2
    if (bytes > bytesMax - cutNoteBytes) break
    units += point.length
  }
  return units === text.length ? text : `${text.slice(0, units)}… (${text.length - units} more units left out)`
}

const cutNoteBytes = 64
