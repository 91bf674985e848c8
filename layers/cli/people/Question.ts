/**
 * One question to a person, as a page: who wants what exactly, why it asks, how long there is.
 *
 * Owns the words. Pure: time and the file as it stands come in. Whatever others wrote is shown harmless (`Page.visible`),
 * and where it stands in a row of its own, on one line: no text can look like the rows around it. No line is wider than
 * the look.
 */
import * as Page from "../Page.ts"
import * as LineDiff from "./LineDiff.ts"

/** As the API shows a confirmation. */
export interface Question {
  readonly confirmationId: string
  readonly sessionId: string
  readonly tool: string
  readonly argumentsText: unknown
  readonly arguments: unknown
  readonly digest: string
  readonly proposer: Who
  /** The policies' sentence, or the mark of words that were forgotten. */
  readonly why: unknown
  readonly policies: ReadonlyArray<string>
  readonly gate: string
  readonly approvers: ReadonlyArray<string>
  readonly approvals: ReadonlyArray<Who>
  readonly approvalsMissing: number
  readonly edited: boolean
  readonly status: string
  readonly createdAt: string
  readonly expiresAt: string | null
}

interface Who {
  readonly kind: string
  readonly id: string
}

/** The text of the file that would be written; null where there is no such file, undefined where nobody can look. */
export type Before = string | null | undefined

/** The whole page. */
export const page = (look: Page.Look, question: Question, before: Before, nowMillis: number): string =>
  [head(look, question, nowMillis), "", ...wish(look, question, before)].join("\n")

/** Who asks, why, who may agree; and how long there is, unless no time is given because that stands elsewhere. */
export const head = (look: Page.Look, question: Question, nowMillis: number | null): string => {
  const { approvalsMissing, approvals, approvers, edited, gate, policies, proposer, why } = question
  const people = Page.listed(["the session's owner", ...approvers.map((role) => `role ${role}`)], "or")
  const given = approvals.length === 0 ? "" : `${Page.listed(approvals.map(({ id }) => id))} agreed, `
  const asks = gate === "two-people" ? `two people: ${given}${approvalsMissing} more must` : "one person"
  const entries: ReadonlyArray<readonly [string, string]> = [
    ["tool", `${question.tool}${edited ? ", with arguments that a person changed" : ""}`],
    ["asked by", nameOf(proposer)],
    // The sentence names them.
    typeof why === "string" ? ["why", why] : ["policy", Page.listed(policies)],
    ["asks for", asks],
    ["may agree", people],
    ...(nowMillis === null ? [] : [["time left", timeLeft(question.expiresAt, nowMillis)] as const]),
    ["id", question.confirmationId]
  ]
  return Page.rows(
    look,
    entries.map(([label, text]) => [label, Page.oneLine(text), true])
  )
}

/** The exact arguments; where a file changes, what changes in it. */
export const wish = (look: Page.Look, question: Question, before: Before): ReadonlyArray<string> => {
  const exact = typeof question.argumentsText === "string" ? question.argumentsText : "the words were forgotten"
  const raw = piecesOf(look, Page.oneLine(exact), "    ")
  const written = fileWrite(question)
  const title = Page.mark(look, "dim", "  exactly")
  // What the file is now says nothing of what was decided before.
  const isOpen = question.status === "Pending"
  if (written === null || !isOpen) return [title, ...raw]
  return [
    ...Page.chopped(`${Page.oneLine(written.path)}: ${becomes(before, written)}`, look.width - 2).map(
      (piece) => `  ${piece}`
    ),
    ...changed(before, written).flatMap(([sign, line]) =>
      piecesOf(look, Page.visible(line), `    ${sign} `).map((piece) => Page.mark(look, marks[sign], piece))
    ),
    "",
    title,
    ...raw
  ]
}

/** A line for each of a list, its columns one below another. */
export const lines = (questions: ReadonlyArray<Question>, nowMillis: number): ReadonlyArray<string> => {
  const cells = questions.map(({ confirmationId, expiresAt, proposer, status, tool }) => [
    confirmationId,
    Page.oneLine(tool),
    Page.oneLine(nameOf(proposer)),
    expiresAt === null ? status : `${timeLeft(expiresAt, nowMillis)} left`
  ])
  return Page.columns(cells)
}

export const timeLeft = (expiresAt: string | null, nowMillis: number): string => {
  if (expiresAt === null) return "decided"
  const seconds = Math.max(0, Math.round((Date.parse(expiresAt) - nowMillis) / 1_000))
  if (seconds < 90) return `${seconds} s`
  return seconds < 5_400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`
}

export interface Written {
  readonly path: string
  readonly content: string
  readonly mode: string
}

/** What a file tool would write, or null. */
export const fileWrite = ({ arguments: args, tool }: Pick<Question, "arguments" | "tool">): Written | null => {
  if (tool !== "file.write" || typeof args !== "object" || args === null) return null
  const { content, mode, path } = args as { readonly [name: string]: unknown }
  if (typeof content !== "string" || typeof path !== "string") return null
  return { path, content, mode: typeof mode === "string" ? mode : "create" }
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const marks = { " ": "dim", "-": "red", "+": "green", "…": "dim" } as const

const nameOf = ({ id, kind }: Who): string => `${kind === "AGENT" ? "agent" : "person"} ${id}`

/** Lines that begin with `first`, and go on below it. */
const piecesOf = (look: Page.Look, text: string, first: string): ReadonlyArray<string> =>
  Page.chopped(text, look.width - first.length).map(
    (piece, index) => `${index === 0 ? first : " ".repeat(first.length)}${piece}`
  )

const changed = (before: Before, { content, mode }: Written): ReadonlyArray<LineDiff.Change> =>
  LineDiff.changes(mode === "create" ? "" : (before ?? ""), mode === "append" ? `${before ?? ""}${content}` : content)

/** Says no more than what was seen of the file. */
const becomes = (before: Before, { content, mode }: Written): string => {
  if (before === undefined) return unseen[mode] ?? "written"
  if (before === null) return mode === "append" ? "is not there, so adding to it will fail" : "a new file"
  if (mode === "create") return "is there already, so creating it will fail"
  return (mode === "append" ? `${before}${content}` : content) === before ? "stays as it is" : "changes"
}

const unseen: { readonly [mode: string]: string } = {
  create: "created",
  replace: "replaced whole; what is there now can't be seen from here",
  append: "added to at its end"
}
