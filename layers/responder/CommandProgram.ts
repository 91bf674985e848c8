/**
 * The command language: text to program.
 *
 *   program = line*          line = blank | `#` comment | command
 *
 * Owns the grammar, told to people in `docs/responder.md`. A program is taken whole or not at all: one line that
 * is not understood, and nothing runs. Total and linear: any text gives a program or a list of problems.
 *
 * Invariant: references (`{{1}}`) are split off here, before any tool has spoken, so that what a tool puts out
 * is filled in as text and never read as a command, a reference or a second word.
 */
import * as Result from "effect/Result"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as JsonText from "#src/kernel/JsonText.ts"
import type { Json } from "#src/kernel/Canonical.ts"
import { wellFormed } from "./ModelAnswer.ts"

/** Text with holes: a number stands for the output of that tool command, counted from 1. */
export type Template = ReadonlyArray<string | number>

/** Arguments whose texts may have holes. */
export type Blank =
  | { readonly _tag: "Text"; readonly template: Template }
  | { readonly _tag: "List"; readonly items: ReadonlyArray<Blank> }
  | { readonly _tag: "Record"; readonly fields: ReadonlyArray<readonly [name: string, value: Blank]> }
  | { readonly _tag: "Value"; readonly value: null | boolean | number }

/** One tool command. `number` is its place among the tool commands, from 1; `source` the line as written. */
export interface Call {
  readonly number: number
  readonly source: string
  readonly tool: string
  readonly arguments: Blank
}

export type Statement =
  | { readonly _tag: "Say"; readonly source: string; readonly template: Template }
  /** Proposed in one step: a lone command, or a `together:` block. */
  | { readonly _tag: "Propose"; readonly calls: ReadonlyArray<Call> }
  | { readonly _tag: "ContinueOnFailure" }
  | { readonly _tag: "Help" }

export interface Program {
  readonly statements: ReadonlyArray<Statement>
  /** Tool commands in it. */
  readonly commands: number
  /** Whether any `say` or `help` stands in it. */
  readonly speaks: boolean
}

export interface Problem {
  /** From 1. */
  readonly line: number
  readonly detail: string
}

export type Parsed =
  | { readonly _tag: "Program"; readonly program: Program }
  | { readonly _tag: "NotUnderstood"; readonly problems: ReadonlyArray<Problem> }

/** The tools behind the short commands, and the names of their arguments. */
export const shortCommands = {
  read: { tool: "file.read", path: "path" },
  list: { tool: "file.list", path: "path" },
  write: { tool: "file.write", path: "path", text: "content", mode: "mode" },
  run: { tool: "shell.run", command: "command", arguments: "arguments" }
} as const

/** At most this many problems are named. */
export const problemsMax = 5

export const parse = (text: string, tools: ReadonlySet<string>): Parsed => {
  const problems: Array<Problem> = []
  const statements: Array<Statement> = []
  /** Tool commands read so far, and those that a text may refer to: in a block, only the ones before the block. */
  let commands = 0
  let before = 0
  let block: { readonly line: number; readonly calls: Array<Call> } | null = null
  const { lines, unclosed } = logicalLines(wellFormed(text))
  for (const line of lines) {
    if (problems.length >= problemsMax) break
    const read = readLine(line, before, tools)
    if (Result.isFailure(read)) {
      problems.push({ line: line.number, detail: read.failure })
      continue
    }
    const item: Item = read.success
    const trouble = blockTrouble(item, block?.calls)
    if (trouble !== undefined) {
      problems.push({ line: line.number, detail: trouble })
      if (item._tag === "End") block = null
      continue
    }
    switch (item._tag) {
      case "Call": {
        commands++
        const call: Call = { number: commands, source: line.text, tool: item.tool, arguments: item.arguments }
        if (block === null) statements.push({ _tag: "Propose", calls: [call] })
        else block.calls.push(call)
        break
      }
      case "Together": {
        block = { line: line.number, calls: [] }
        break
      }
      case "End": {
        statements.push({ _tag: "Propose", calls: block?.calls ?? [] })
        block = null
        break
      }
      default:
        statements.push(item)
    }
    if (block === null) before = commands
  }
  if (block !== null) problems.push({ line: block.line, detail: "no line end closes this together: block" })
  if (unclosed !== null) problems.push(unclosed)
  const whole = problems.length > 0 ? undefined : programTrouble(statements)
  if (whole !== undefined) problems.push({ line: 1, detail: whole })
  if (problems.length > 0) return { _tag: "NotUnderstood", problems }
  return { _tag: "Program", program: { statements, commands, speaks: statements.some(speaks) } }
}

/**
 * The text's template, or a sentence that says which reference leads nowhere. `before` is how many tool commands
 * stand before it; with `escapes`, `\n`, `\t` and `\\` are undone. `\{{` is always a pair of plain braces.
 */
export const readTemplate = (text: string, before: number, escapes: boolean): Result.Result<Template, string> => {
  const pieces: Array<string | number> = []
  let plain = ""
  let from = 0
  for (const found of text.matchAll(escapes ? escapeOrReference : reference)) {
    plain += text.slice(from, found.index)
    from = found.index + found[0].length
    const escaped = escapeOf.get(found[0])
    if (escaped !== undefined) {
      plain += escaped
      continue
    }
    const number = found[1] === "last" ? before : Number(found[1])
    if (number < 1 || number > before) return Result.fail(`${found[0]} refers to no tool command before it`)
    if (plain !== "") pieces.push(plain)
    pieces.push(number)
    plain = ""
  }
  plain += text.slice(from)
  return Result.succeed(plain === "" ? pieces : [...pieces, plain])
}

/** What a person wrote, short enough to be quoted in a sentence. */
export const shorten = (text: string): string => {
  const firstLine = text.split("\n", 1)[0] ?? ""
  const points = Array.from(firstLine.slice(0, quotedMax + 2))
  return points.length > quotedMax ? `${points.slice(0, quotedMax).join("")}…` : firstLine
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Code points of a line that a sentence quotes. */
const quotedMax = 60

/** What a backslash protects comes first, so that it is not taken for a reference. */
const reference = /\\\{\{|\{\{(last|\d{1,4})\}\}/g
const escapeOrReference = /\\\{\{|\\[nt\\]|\{\{(last|\d{1,4})\}\}/g
const escapeOf: ReadonlyMap<string, string> = new Map([
  ["\\{{", "{{"],
  ["\\n", "\n"],
  ["\\t", "\t"],
  ["\\\\", "\\"]
])

/** A line with the text that `<<MARK` hangs on it. */
interface Line {
  readonly number: number
  readonly text: string
  readonly here: string | null
}

type Item =
  | { readonly _tag: "Call"; readonly tool: string; readonly arguments: Blank }
  | { readonly _tag: "Together" }
  | { readonly _tag: "End" }
  | Exclude<Statement, { readonly _tag: "Propose" }>

/** `say <<MARK`, `write PATH <<MARK` (`replace`, `append`) and `call TOOL <<MARK`; the mark ends the line. */
const hereLine =
  /^(?:say|(?:write|replace|append)\s+(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s:"']+)|call\s+\S+)\s+<<([A-Za-z0-9_]{1,32})$/i

const logicalLines = (text: string): { readonly lines: ReadonlyArray<Line>; readonly unclosed: Problem | null } => {
  const raw = text.split(/\r\n|\r|\n/)
  const lines: Array<Line> = []
  let next = 0
  while (next < raw.length) {
    const number = next + 1
    const line = (raw[next] ?? "").trim()
    next++
    if (line === "" || line.startsWith("#")) continue
    const mark = hereLine.exec(line)?.[1]
    if (mark === undefined) {
      lines.push({ number, text: line, here: null })
      continue
    }
    let end = next
    while (end < raw.length && raw[end]!.trimEnd() !== mark) end++
    if (end === raw.length) return { lines, unclosed: { line: number, detail: `no line ${mark} ends this text` } }
    const here = raw.slice(next, end).map((body) => `${body}\n`)
    lines.push({ number, text: line, here: here.join("") })
    next = end + 1
  }
  return { lines, unclosed: null }
}

const readLine = (line: Line, before: number, tools: ReadonlySet<string>): Result.Result<Item, string> => {
  const [, keyword = "", rest = ""] = /^([a-z]+)(?:\s+(.*))?$/is.exec(line.text) ?? []
  switch (keyword.toLowerCase()) {
    case "read":
      return readPath(shortCommands.read, rest, before, tools)
    case "list":
      return readPath(shortCommands.list, rest === "" ? "." : rest, before, tools)
    case "write":
      return readWrite("create", rest, line.here, before, tools)
    case "replace":
      return readWrite("replace", rest, line.here, before, tools)
    case "append":
      return readWrite("append", rest, line.here, before, tools)
    case "run":
      return readRun(rest, before, tools)
    case "call":
      return readCall(rest, line.here, before, tools)
    case "say":
      return Result.map(readTemplate(line.here ?? rest, before, line.here === null), (template): Item => ({
        _tag: "Say",
        source: line.text,
        template
      }))
  }
  switch (line.text.toLowerCase().split(/\s+/).join(" ")) {
    case "help":
      return Result.succeed({ _tag: "Help" })
    case "continue on failure":
      return Result.succeed({ _tag: "ContinueOnFailure" })
    case "together:":
      return Result.succeed({ _tag: "Together" })
    case "end":
      return Result.succeed({ _tag: "End" })
    default:
      return Result.fail(`"${shorten(line.text)}" is not a command`)
  }
}

const blockTrouble = (item: Item, block: ReadonlyArray<Call> | undefined): string | undefined => {
  if (block === undefined) return item._tag === "End" ? "this end closes no together: block" : undefined
  if (item._tag === "Call") return undefined
  if (item._tag !== "End") return "only tool commands stand in a together: block"
  return block.length === 0 || block.length > Bounds.proposalsPerStepMax
    ? `a together: block holds 1 to ${Bounds.proposalsPerStepMax} tool commands`
    : undefined
}

const programTrouble = (statements: ReadonlyArray<Statement>): string | undefined => {
  const steps = statements.filter((statement) => statement._tag === "Propose").length + 1
  if (steps > Bounds.turnStepsMax) {
    return `this takes ${steps} steps and a turn has ${Bounds.turnStepsMax}: put commands into together: blocks`
  }
  return steps === 1 && !statements.some(speaks) ? "there is no command in it" : undefined
}

const speaks = (statement: Statement): boolean => statement._tag === "Say" || statement._tag === "Help"

type Read = Result.Result<Item, string>

const callItem = (tool: string, tools: ReadonlySet<string>, fields: Fields): Read =>
  tools.has(tool)
    ? Result.succeed({ _tag: "Call", tool, arguments: { _tag: "Record", fields } })
    : Result.fail(`there is no tool "${shorten(tool)}" here`)

type Fields = ReadonlyArray<readonly [name: string, value: Blank]>

const textBlank = (text: string, before: number, escapes: boolean): Result.Result<Blank, string> =>
  Result.map(readTemplate(text, before, escapes), (template) => ({ _tag: "Text", template }))

const readPath = (
  command: { readonly tool: string; readonly path: string },
  rest: string,
  before: number,
  tools: ReadonlySet<string>
): Read =>
  Result.gen(function* () {
    const words = yield* readWords(rest)
    if (words.length !== 1) return yield* Result.fail("this takes one path; one with spaces goes into quotes")
    const path = yield* textBlank(words[0]!, before, false)
    return yield* callItem(command.tool, tools, [[command.path, path]])
  })

const readWrite = (
  mode: "create" | "replace" | "append",
  rest: string,
  here: string | null,
  before: number,
  tools: ReadonlySet<string>
): Read =>
  Result.gen(function* () {
    const found = /^("(?:[^"\\]|\\.)*"|'[^']*'|[^\s:"']+)\s*(?::\s?(.*)|<<\w+)$/s.exec(rest)
    if (found === null || (here === null && found[2] === undefined)) {
      return yield* Result.fail("this takes PATH: TEXT, or PATH <<MARK and lines up to MARK")
    }
    const [path = ""] = yield* readWords(found[1]!)
    const { write } = shortCommands
    return yield* callItem(write.tool, tools, [
      [write.path, yield* textBlank(path, before, false)],
      [write.text, yield* textBlank(here ?? found[2]!, before, here === null)],
      [write.mode, { _tag: "Text", template: [mode] }]
    ])
  })

const readRun = (rest: string, before: number, tools: ReadonlySet<string>): Read =>
  Result.gen(function* () {
    const words = yield* readWords(rest)
    if (words.length === 0) return yield* Result.fail("run takes a command and its arguments")
    if (words.length > Bounds.shellArgumentsMax) {
      return yield* Result.fail(`run takes at most ${Bounds.shellArgumentsMax} words`)
    }
    const items: Array<Blank> = []
    for (const word of words) items.push(yield* textBlank(word, before, false))
    const { run } = shortCommands
    return yield* callItem(run.tool, tools, [
      [run.command, items[0]!],
      [run.arguments, { _tag: "List", items: items.slice(1) }]
    ])
  })

const readCall = (rest: string, here: string | null, before: number, tools: ReadonlySet<string>): Read =>
  Result.gen(function* () {
    const [, tool = "", sameLine = ""] = /^(\S+)(?:\s+(.*))?$/s.exec(rest) ?? []
    const text = here ?? sameLine
    const value = text.trim() === "" ? {} : yield* parseJson(text)
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      return yield* Result.fail("call takes TOOL and a JSON object of arguments")
    }
    const blank = yield* jsonBlank(value, before, Bounds.argumentsDepthMax)
    return yield* callItem(tool, tools, blank._tag === "Record" ? blank.fields : [])
  })

const parseJson = (text: string): Result.Result<Json, string> =>
  Result.try({ try: () => JsonText.parse(text) as Json, catch: () => "these arguments are not JSON" })

const jsonBlank = (value: Json, before: number, levels: number): Result.Result<Blank, string> =>
  Result.gen(function* () {
    if (typeof value === "string") return yield* textBlank(wellFormed(value), before, false)
    if (typeof value === "number" && !Number.isFinite(value)) return yield* Result.fail("a number is too large")
    if (typeof value !== "object" || value === null) return { _tag: "Value", value } as const
    if (levels === 0) return yield* Result.fail("these arguments are nested too deeply")
    if (Array.isArray(value)) {
      const items: Array<Blank> = []
      for (const item of value) items.push(yield* jsonBlank(item, before, levels - 1))
      return { _tag: "List", items } as const
    }
    const fields: Array<readonly [string, Blank]> = []
    for (const [name, member] of Object.entries(value)) {
      fields.push([wellFormed(name), yield* jsonBlank(member, before, levels - 1)])
    }
    return { _tag: "Record", fields } as const
  })

/** A word stands in double quotes (`\"` and `\\` are undone), in single quotes, or holds neither quote nor space. */
const readWords = (text: string): Result.Result<ReadonlyArray<string>, string> => {
  const words: Array<string> = []
  const word = /\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s"']+))(?=\s|$)/sy
  const trimmed = text.trim()
  while (word.lastIndex < trimmed.length) {
    const found = word.exec(trimmed)
    if (found === null) return Result.fail("quotes go around a whole word, and come in pairs")
    words.push(found[1]?.replace(/\\(["\\])/g, "$1") ?? found[2] ?? found[3] ?? "")
  }
  return Result.succeed(words)
}
