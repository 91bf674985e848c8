/**
 * How a person calls this very program: sentences say `keelson`, screens say what can be typed here.
 *
 * In the repository that is `npm run keelson --`, in an app that installed it `npx keelson`, and where an app runs the
 * whole program with parts of its own, that app's file.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { join, relative, sep } from "node:path"

export const Called = Context.Reference<string>("keelson/cli/Called", { defaultValue: () => "keelson" })

/** `self` ends with the file that Node runs, where there is one. */
export const as = (self: { readonly arguments: ReadonlyArray<string> }): string => {
  const file = self.arguments.at(-1)
  if (file === undefined) return "keelson"
  if (file.endsWith(join("layers", "main.ts"))) return "npm run keelson --"
  if (file.split(sep).includes("node_modules")) return "npx keelson"
  return `node ${shellWord(relative(process.cwd(), file))}`
}

/** A sentence of ours with the commands in it as they are typed here. Words of others never pass through it. */
export const typed = (sentence: string): Effect.Effect<string> =>
  Effect.map(Called, (called) => sentence.replace(/\bkeelson(?= [a-z])/g, () => called))

/** A word of a POSIX shell, so that the line can be pasted. */
export const shellWord = (text: string): string =>
  /^[A-Za-z0-9_./@:+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
