/**
 * `keelson verify`: whether a store is as it was written, from the outside and without changing it.
 *
 * Owns how it is told: the first bad event by name, counts, exit code. Does not own the looking (`Deployment.verify`).
 *
 * Invariant: "clean" is said only of a store that was looked through to its end.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import { CommandRefused, FoundWrong } from "./CommandRefused.ts"
import type { Deployment, Problem, Progress, Verification } from "./Deployment.ts"
import * as Page from "./Page.ts"
import * as Sentences from "./Sentences.ts"
import type { BasicSettings, Resolved } from "./SettingsSource.ts"

/** Problems that are written out; the count says how many more there are. */
export const shownMax = 20
/** Problems in the answer for machines. */
export const listedMax = 1_000

export const run = Effect.fnUntraced(function* <S extends BasicSettings, E, V>(
  deployment: Deployment<S, E, V>,
  resolved: Resolved<S>,
  options: { readonly json: boolean }
) {
  const look = yield* Page.look
  const stdio = yield* Stdio.Stdio
  const watched = !options.json && (yield* stdio.stderrIsTerminal)
  const bar = watched ? yield* progressLine : null
  const verification = yield* Effect.scoped(
    deployment.verify(resolved.settings, bar?.show ?? (() => Effect.void))
  ).pipe(
    Effect.ensuring(bar?.clear ?? Effect.void),
    Effect.mapError((error) => unable(Sentences.refusal(error, resolved.settings), Sentences.isDamage(error)))
  )
  yield* Console.log(options.json ? machine(verification) : page(look, verification))
  if (verification.problemCount > 0) return yield* new FoundWrong()
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** One line of standard error, written over itself when a percent or a thousand is done, and gone at the end. */
const progressLine = Effect.sync(() => {
  let last = ""
  const write = (text: string): void => void process.stderr.write(`\r\u001b[K${text}`)
  return {
    show: ({ done, phase, total }: Progress) =>
      Effect.sync(() => {
        const step =
          total === null ? `${Math.floor(done / 1000)}` : `${Math.floor((100 * done) / Math.max(1, total))} %`
        if (`${phase} ${step}` === last) return
        last = `${phase} ${step}`
        write(`verifying ${phase}: ${done.toLocaleString("en")}${total === null ? "" : ` (${step})`}`)
      }),
    clear: Effect.sync(() => write(""))
  }
})

const unable = (refusal: CommandRefused, damaged: boolean): CommandRefused => {
  const { code, detail, exitCode, remedy } = refusal
  if (exitCode === 2) return refusal
  if (damaged) {
    // The database can't read what it holds: that is an answer, and looking again would give no better one.
    return new CommandRefused({ code, detail, remedy: "What is stored is damaged: restore a backup.", exitCode: 1 })
  }
  const told = [remedy, "Nothing was verified."].filter((part) => part !== null).join(" ")
  return new CommandRefused({ code, detail, remedy: told, exitCode: 3 })
}

const machine = ({ counts, problemCount, problems }: Verification): string =>
  JSON.stringify({ clean: problemCount === 0, counts: Object.fromEntries(counts), problemCount, problems })

const page = (look: Page.Look, { counts, problemCount, problems }: Verification): string => {
  const looked = counts.map(([name, count]) => `${count.toLocaleString("en")} ${name}`)
  const summary = Page.indented(look, `Looked at ${Page.listed(looked)}.`, "")
  if (problemCount === 0) {
    return `${summary}\n${Page.mark(look, "green", "Clean")}: every hash, chain and column is as it was written.`
  }
  const shown = problems.slice(0, shownMax).map((problem) => problemText(look, problem))
  const more = problemCount - shown.length
  return [
    summary,
    `${Page.mark(look, "red", Page.count(problemCount, "problem"))}: this store is not as it was written. The first:`,
    "",
    shown.join("\n\n"),
    ...(more > 0 ? ["", `and ${more.toLocaleString("en")} more; --json lists up to ${listedMax}.`] : [])
  ].join("\n")
}

const problemText = (look: Page.Look, problem: Problem): string => {
  const { eventId, name, position, stream, table, version, what } = problem
  const entries: ReadonlyArray<readonly [string, string | number | null]> = [
    ["position", position],
    ["stream", stream],
    ["version", version],
    ["event", eventId],
    [table, name],
    ["differs", name === null && table !== "event" ? `${table}: ${what}` : what]
  ]
  return Page.rows(
    look,
    entries.flatMap(([label, text]) => (text === null ? [] : [[label, Page.visible(`${text}`)] as const]))
  )
}
