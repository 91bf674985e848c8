/**
 * JSON text into values, by `JSON.parse` wherever it can be trusted.
 *
 * It can't everywhere. Since V8 of Node 24 it takes a name with an escape for another one that it saw before in an object
 * of the same shape: after `{"a":1,"\\":2}`, the text `{"a":1,"\n":2}` gives a name of one backslash (seen under Node
 * 24.0 and 26.10, not under 20). The same text would mean one thing to who decides and another to who acts. So a text
 * with an escape in a name is read here; texts and numbers in it are still `JSON.parse`'s, which reads those well.
 */

/** Throws `SyntaxError` where the text is no JSON, or is one with an escaped name and nests deeper than `depthMax`. */
export const parse = (text: string): unknown => {
  const value: unknown = JSON.parse(text)
  return hasEscapedName(text) ? read(text) : value
}

/** Of texts with an escaped name only: others are as deep as `JSON.parse` goes. */
export const depthMax = 1_000

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Strings with what may follow them, and everything else that is one token: of text that `JSON.parse` took. */
const strings = /"(?:[^"\\]|\\.)*"(\s*:)?/gsu

const hasEscapedName = (text: string): boolean => {
  if (!text.includes("\\")) return false
  for (const [string, colon] of text.matchAll(strings)) {
    if (colon !== undefined && string.includes("\\")) return true
  }
  return false
}

const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/gsu

/** Reads what `JSON.parse` has found to be JSON: what comes where need not be asked again. */
const read = (text: string): unknown => {
  const all = text.match(tokens) ?? []
  let at = 0
  const value = (depth: number): unknown => {
    if (depth > depthMax) throw new SyntaxError(`JSON nests deeper than ${depthMax}`)
    const token = all[at++]!
    if (token === "[") return list(depth)
    return token === "{" ? object(depth) : JSON.parse(token)
  }
  const list = (depth: number): ReadonlyArray<unknown> => {
    const items: Array<unknown> = []
    while (all[at] !== "]") {
      items.push(value(depth + 1))
      if (all[at] === ",") at++
    }
    at++
    return items
  }
  const object = (depth: number): object => {
    const members = {}
    while (all[at] !== "}") {
      const name = JSON.parse(all[at]!) as string
      // Past the name and its colon.
      at += 2
      const member = value(depth + 1)
      // As JSON.parse does: the last of a name counts, and `__proto__` is a name like any other.
      Object.defineProperty(members, name, { value: member, writable: true, enumerable: true, configurable: true })
      if (all[at] === ",") at++
    }
    at++
    return members
  }
  return value(0)
}
