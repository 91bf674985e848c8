/**
 * Which variables of the environment a text reads, and where it looks at the environment in a way that hides them.
 *
 * Reads text, not types: what is called `env` or `environment`, or is annotated as an `Environment`, is the environment,
 * and no other name may be given to it.
 */

export interface Read {
  readonly line: number
  /** A name; null where it can't be seen, with the text that hides it. */
  readonly name: string | null
  readonly text: string
}

export const variablesRead = (text: string): ReadonlyArray<Read> => {
  const lineOf = (index: number) => text.slice(0, index).split("\n").length
  const constants = new Map(
    [...text.matchAll(/\bconst\s+(\w+)\s*(?::[^=\n]+)?=\s*["'`]([^"'`$]*)["'`]/g)].map((hit) => [hit[1]!, hit[2]!])
  )
  const found = (hit: RegExpExecArray, name: string | null): Read => ({
    line: lineOf(hit.index),
    name,
    text: hit[0].trim()
  })
  const all = (pattern: RegExp, of: (hit: RegExpExecArray) => ReadonlyArray<Read>) =>
    [...text.matchAll(pattern)].flatMap(of)

  return [
    ...all(/\benv(?:ironment)?(?:\?\.)?\[\s*["'`]([^"'`]+)["'`]/g, (hit) => [found(hit, hit[1]!)]),
    ...all(/\benv(?:ironment)?\??\.([A-Z]\w*)/g, (hit) => [found(hit, hit[1]!)]),
    ...all(/(\bprocess\.)?\benv(?:ironment)?(?:\?\.)?\[\s*(\w+)\s*\]/g, (hit) => {
      const known = constants.get(hit[2]!)
      if (known !== undefined) return [found(hit, known)]
      // A name that comes from elsewhere is judged there; the process itself is asked for no such name.
      return hit[1] === undefined ? [] : [found(hit, null)]
    }),
    ...all(
      new RegExp(String.raw`\{([^{}]*)\}\s*(?:${environment}|:\s*(?:\w+\.)*(?:Environment|ProcessEnv)\b)`, "g"),
      (hit) => taken(hit[1]!).map((name) => found(hit, constants.get(name.replace(/^\[(.*)\]$/, "$1")) ?? name))
    ),
    ...all(/\benv\s*:\s*\{([^{}]*)\}\s*\}\s*=\s*process\b/g, (hit) => taken(hit[1]!).map((name) => found(hit, name))),
    ...all(/\benv\s*:\s*(\w+)\b[^{}\n]*\}\s*=\s*process\b/g, (hit) => (own.has(hit[1]!) ? [] : [found(hit, null)])),
    ...all(/\benv\s+as\s+(\w+)/g, (hit) => (own.has(hit[1]!) ? [] : [found(hit, null)])),
    ...all(/\b(?:const|let|var)\s+(\w+)\s*=\s*process\.env\b(?!\s*[.[?])/g, (hit) =>
      own.has(hit[1]!) ? [] : [found(hit, null)]
    ),
    ...all(/\bConfig\.(?!withDefault\b)\w+\(/g, (hit) =>
      argumentsFrom(text, hit.index + hit[0].length)
        .slice(0, 2)
        .flatMap((argument) => {
          const literal = /^["'`]([^"'`]+)["'`]$/.exec(argument)?.[1]
          const name = literal ?? constants.get(argument)
          return name === undefined ? [] : [found(hit, name)]
        })
    )
  ]
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const own: ReadonlySet<string> = new Set(["env", "environment"])

/** As the right side of a destructuring. */
const environment = String.raw`=\s*(?:[\w?]+\.)*env(?:ironment)?\b(?!\s*[.[(?])`

/** The members that a pattern takes, by the names they have in what is taken apart. */
const taken = (pattern: string): ReadonlyArray<string> =>
  pattern
    .split(",")
    .map((member) => /^\s*(?:["'](\w+)["']|(\[?\w+\]?))/.exec(member))
    .flatMap((hit) => (hit === null ? [] : [hit[1] ?? hit[2]!]))

/** The arguments of a call, each as it stands; `from` is behind the opening parenthesis. */
const argumentsFrom = (text: string, from: number): ReadonlyArray<string> => {
  const found: Array<string> = []
  let depth = 0
  let begin = from
  for (let at = from; at < text.length; at++) {
    const sign = text[at]!
    if (sign === '"' || sign === "'" || sign === "`") {
      at = text.indexOf(sign, at + 1)
      if (at < 0) return found
    } else if ("([{".includes(sign)) depth += 1
    else if (depth > 0 && ")]}".includes(sign)) depth -= 1
    else if (depth === 0 && (sign === "," || sign === ")")) {
      found.push(text.slice(begin, at).trim())
      begin = at + 1
      if (sign === ")") return found
    }
  }
  return found
}
