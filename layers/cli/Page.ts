/**
 * Text for a terminal: as wide as it is, in colour only where it shows colour, and harmless.
 *
 * Owns wrapping, marks and the escaping of what others wrote. Does not own where the text goes.
 *
 * Invariant: `visible` leaves nothing that moves a cursor, changes a colour or reorders letters, so that what a
 * model, a tool or a person far away wrote can't redraw the screen on which somebody decides.
 */
import * as Effect from "effect/Effect"
import * as CliOutput from "effect/cli/CliOutput"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Terminal from "effect/Terminal"

export interface Look {
  /** Columns to write into: the terminal's, between 40 and 100; 80 where there is none. */
  readonly width: number
  readonly color: boolean
  /** Somebody is watching, so pacing means something. */
  readonly live: boolean
}

export const plain: Look = { width: 80, color: false, live: false }

/** What standard output can show. */
export const look = Effect.gen(function* () {
  const terminal = yield* Terminal.Terminal
  const { canColor, canAnimate } = yield* TerminalCapabilities.TerminalCapabilities
  const columns = canAnimate ? yield* terminal.columns : plain.width
  return { width: Math.min(100, Math.max(40, columns || plain.width)), color: canColor, live: canAnimate } as Look
})

const codes = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39], cyan: [36, 39] } as const
export type Mark = keyof typeof codes

export const mark = (look: Look, mark: Mark, text: string): string =>
  look.color ? `\u001b[${codes[mark][0]}m${text}\u001b[${codes[mark][1]}m` : text

/** Breaks text into lines of at most `width` cells. Long words stand alone and whole: a path that is cut can't be copied. */
export const wrap = (text: string, width: number): ReadonlyArray<string> =>
  text.split("\n").flatMap((paragraph) => {
    const lines: Array<string> = []
    let line = ""
    for (const word of paragraph.split(/ +/)) {
      if (line !== "" && CliOutput.displayWidth(`${line} ${word}`) > width) {
        lines.push(line)
        line = word
      } else line = line === "" ? word : `${line} ${word}`
    }
    return [...lines, line]
  })

/** Text wrapped behind an indentation; the first line may carry another one of the same width. */
export const indented = (look: Look, text: string, indent: string, first = indent): string =>
  wrap(text, look.width - CliOutput.displayWidth(indent))
    .map((line, index) => `${index === 0 ? first : indent}${line}`.trimEnd())
    .join("\n")

/**
 * A table of two columns: labels, then texts that go on below themselves. `exact` texts are broken anywhere rather
 * than between words: no letter of them is changed or left out.
 */
export const rows = (
  look: Look,
  entries: ReadonlyArray<readonly [label: string, text: string, exact?: boolean]>,
  margin = "  "
): string => {
  const widest = Math.max(0, ...entries.map(([label]) => CliOutput.displayWidth(label)))
  const column = widest === 0 ? 0 : widest + 2
  const space = margin + " ".repeat(column)
  const width = look.width - space.length
  return entries
    .map(([label, text, exact]) => {
      const first = `${margin}${mark(look, "dim", label)}${" ".repeat(column - CliOutput.displayWidth(label))}`
      const lines = exact === true ? text.split("\n").flatMap((line) => chopped(line, width)) : wrap(text, width)
      const whole = lines.map((line, index) => `${index === 0 ? first : space}${line}`)
      return (exact === true ? whole : whole.map((line) => line.trimEnd())).join("\n")
    })
    .join("\n")
}

/** Rows of a table of which each column is as wide as its widest cell. */
export const columns = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => CliOutput.displayWidth(row[at] ?? ""))))
  const padded = (cell: string, at: number) => cell + " ".repeat((widths[at] ?? 0) - CliOutput.displayWidth(cell))
  return rows.map((row) => row.map(padded).join("  ").trimEnd())
}

/** Pieces on as few lines of at most `width` cells as they fit on, none of them broken between its words. */
export const packed = (pieces: ReadonlyArray<string>, separator: string, width: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  for (const piece of pieces) {
    const longer = lines.length === 0 ? "" : `${lines.at(-1)}${separator}${piece}`
    if (longer !== "" && CliOutput.displayWidth(longer) <= width) lines[lines.length - 1] = longer
    else lines.push(piece)
  }
  return lines.flatMap((line) => wrap(line, width))
}

/**
 * Cuts text into pieces of at most `width` cells without changing a letter: after a comma, a space or a slash where
 * one stands in the second half of the piece, else anywhere between two characters. Takes time in proportion to it.
 */
export const chopped = (text: string, width: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  let cells = 0
  for (const { segment } of characters.segment(text)) {
    const wide = cellsOf(segment)
    if (line !== "" && cells + wide > width) {
      const seam = Math.max(line.lastIndexOf(","), line.lastIndexOf(" "), line.lastIndexOf("/")) + 1
      const end = seam > line.length / 2 ? seam : line.length
      lines.push(line.slice(0, end))
      line = line.slice(end)
      cells = line === "" ? 0 : CliOutput.displayWidth(line)
    }
    line += segment
    cells += wide
  }
  return [...lines, line]
}

/** The text with everything that a terminal would obey, or an eye would not see, written out as `\u{…}`. */
export const visible = (text: string): string =>
  text.replace(hidden, (point) => `\\u{${(point.codePointAt(0) ?? 0).toString(16)}}`)

/** The same on one line: a line feed is written out too, so that no text can look like the rows around it. */
export const oneLine = (text: string): string => visible(text).replaceAll("\n", "\\u{a}")

export const count = (number: number, one: string, many = `${one}s`): string =>
  `${number.toLocaleString("en")} ${number === 1 ? one : many}`

/** A list in a sentence: `a`, `a and b`, `a, b and c`. */
export const listed = (items: ReadonlyArray<string>, word = "and"): string =>
  items.length < 2 ? (items[0] ?? "") : `${items.slice(0, -1).join(", ")} ${word} ${items[items.length - 1]}`

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const characters = new Intl.Segmenter("en", { granularity: "grapheme" })

const cellsOf = (character: string): number =>
  character >= " " && character <= "~" ? 1 : CliOutput.displayWidth(character)

/**
 * Controls (C0 without the line feed, C1), format characters (bidirectional marks, joiners), separators, lone
 * surrogates, what no font knows, and what a screen may leave out: fillers, variation selectors.
 */
const hidden = /(?!\n)[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu
