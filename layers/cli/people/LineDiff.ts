/** What changes from one text to another, line by line, with a little around it. Pure and bounded. */
import { diff } from "node:util"

/** `…` stands for lines that are as they were. */
export type Change = readonly [sign: " " | "-" | "+" | "…", line: string]

/** Nothing where the texts are the same. A last line without an end is told from one with it. */
export const changes = (before: string, after: string): ReadonlyArray<Change> => {
  const [old, now] = [linesOf(before, after), linesOf(after, before)]
  let start = 0
  while (start < old.length && start < now.length && old[start] === now[start]) start++
  let end = 0
  while (end < Math.min(old.length, now.length) - start && old.at(-1 - end) === now.at(-1 - end)) end++
  return nearby([
    ...old.slice(0, start).map(same),
    ...between(old.slice(start, old.length - end), now.slice(start, now.length - end)),
    ...old.slice(old.length - end).map(same)
  ])
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Lines that are compared one with another; more are shown as gone and come. The time taken grows with its square. */
const comparedMax = 500

/** Lines that are shown around a change. */
const around = 2

const same = (line: string): Change => [" ", line]

const linesOf = (text: string, other: string): ReadonlyArray<string> => {
  if (text === "") return []
  const lines = text.split("\n")
  const last = lines.pop()!
  if (last === "") return lines
  // Said only where it is the difference, or part of it.
  return [...lines, other.endsWith("\n") ? `${last} (no line end)` : last]
}

const between = (old: ReadonlyArray<string>, now: ReadonlyArray<string>): ReadonlyArray<Change> => {
  // Node's diff takes no empty side.
  const one = old.length === 0 || now.length === 0
  if (one || old.length > comparedMax || now.length > comparedMax) {
    return [...old.map((line): Change => ["-", line]), ...now.map((line): Change => ["+", line])]
  }
  // Node gives 1 to what only the first one has.
  return diff(old, now).map(([operation, line]): Change => [operation === 0 ? " " : operation > 0 ? "-" : "+", line])
}

const nearby = (all: ReadonlyArray<Change>): ReadonlyArray<Change> => {
  const near = new Set<number>()
  all.forEach(([sign], at) => {
    if (sign !== " ") for (let one = at - around; one <= at + around; one++) near.add(one)
  })
  if (near.size === 0) return []
  const shown: Array<Change> = []
  let left = 0
  const tell = () => {
    if (left > 0) shown.push(["…", left === 1 ? "1 line as it is" : `${left} lines as they are`])
    left = 0
  }
  all.forEach((change, at) => {
    if (!near.has(at)) return void left++
    tell()
    shown.push(change)
  })
  tell()
  return shown
}
