/**
 * One question to a person, as a page: who wants what exactly, why it asks, how long there is.
 *
 * Owns the words. Pure: time and the file as it stands come in. Whatever others wrote is shown harmless (`Page.visible`).
 */
import * as Page from "../Page.ts"

/** As the API shows a confirmation. */
export interface Question {
  readonly confirmationId: string
  readonly sessionId: string
  readonly tool: string
  readonly argumentsText: unknown
  readonly arguments: unknown
  readonly proposer: { readonly kind: string; readonly id: string }
  readonly policies: ReadonlyArray<string>
  readonly approvers: ReadonlyArray<string>
  readonly approvalsMissing: number
  readonly edited: boolean
  readonly expiresAt: string | null
}

export interface Options {
  readonly nowMillis: number
  /** The text of the file that would be written, where it could be read. */
  readonly before?: string | undefined
  /** Lines that the arguments may take. */
  readonly linesMax?: number | undefined
}

export const page = (look: Page.Look, question: Question, options: Options): string => {
  const { approvalsMissing, approvers, policies, proposer } = question
  const entries: ReadonlyArray<readonly [string, string, boolean?]> = [
    ["tool", Page.visible(question.tool)],
    ["asked by", `${proposer.kind === "AGENT" ? "agent" : "person"} ${proposer.id}`],
    ["policy", Page.visible(Page.listed(policies))],
    [
      "may agree",
      Page.visible(Page.listed(["the session's owner", ...approvers.map((role) => `role ${role}`)])) +
        (approvalsMissing > 1 ? `; ${approvalsMissing} people must` : "")
    ],
    ["time left", timeLeft(question.expiresAt, options.nowMillis)],
    ["id", question.confirmationId]
  ]
  const exact = bounded(wish(look, question, options), options.linesMax ?? Number.MAX_SAFE_INTEGER)
  return `${Page.rows(look, entries)}\n\n${exact.join("\n")}`
}

/** One line for a list. */
export const line = (question: Question, nowMillis: number): string => {
  const { confirmationId, proposer, tool } = question
  return `${confirmationId}  ${Page.visible(tool)}  ${proposer.id}  ${timeLeft(question.expiresAt, nowMillis)}`
}

export const timeLeft = (expiresAt: string | null, nowMillis: number): string => {
  if (expiresAt === null) return "decided"
  const seconds = Math.max(0, Math.round((Date.parse(expiresAt) - nowMillis) / 1_000))
  if (seconds < 90) return `${seconds} s`
  return seconds < 5_400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`
}

/** What changes between two texts: what they begin and end with alike stands around it once. */
export const changes = (
  before: string,
  after: string
): ReadonlyArray<readonly [sign: " " | "-" | "+", line: string]> => {
  const [old, now] = [before.split("\n"), after.split("\n")]
  let start = 0
  while (start < old.length && start < now.length && old[start] === now[start]) start++
  let end = 0
  while (
    end < old.length - start &&
    end < now.length - start &&
    old[old.length - 1 - end] === now[now.length - 1 - end]
  ) {
    end++
  }
  const around = 2
  return [
    ...old.slice(Math.max(0, start - around), start).map((line) => [" ", line] as const),
    ...old.slice(start, old.length - end).map((line) => ["-", line] as const),
    ...now.slice(start, now.length - end).map((line) => ["+", line] as const),
    ...old.slice(old.length - end, old.length - end + around).map((line) => [" ", line] as const)
  ]
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const marks = { " ": "dim", "-": "red", "+": "green" } as const

/** The exact arguments; where a file changes, what changes in it. */
const wish = (look: Page.Look, question: Question, { before }: Options): ReadonlyArray<string> => {
  const exact = typeof question.argumentsText === "string" ? question.argumentsText : "the words were forgotten"
  const raw = Page.chopped(Page.visible(exact), look.width - 4).map((line) => `    ${line}`)
  const written = fileWrite(question)
  if (written === null) return ["  exactly", ...raw]
  const after = written.mode === "append" ? `${before ?? ""}${written.content}` : written.content
  const diff = changes(before ?? "", after).flatMap(([sign, line]) =>
    Page.chopped(Page.visible(line), look.width - 6).map((piece) =>
      Page.mark(look, marks[sign], `    ${sign} ${piece}`)
    )
  )
  const title = `  ${Page.visible(written.path)}, ${becomes(before, written.mode)}`
  return [title, ...diff, "  exactly", ...raw]
}

const becomes = (before: string | undefined, mode: string): string => {
  if (before === undefined) return "a new file"
  return mode === "create" ? "which is there already: creating it will fail" : "changed"
}

export const fileWrite = ({ arguments: args, tool }: Pick<Question, "arguments" | "tool">) => {
  if (tool !== "file.write" || typeof args !== "object" || args === null) return null
  const { content, mode, path } = args as { readonly [name: string]: unknown }
  if (typeof content !== "string" || typeof path !== "string") return null
  return { path, content, mode: typeof mode === "string" ? mode : "create" }
}

const bounded = (lines: ReadonlyArray<string>, most: number): ReadonlyArray<string> =>
  lines.length <= most
    ? lines
    : [
        ...lines.slice(0, Math.max(0, most - 1)),
        `    … ${lines.length - most + 1} more lines: keelson confirmations show`
      ]
