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
    Effect.mapError((error) => unable(Sentences.refusal(error, resolved.settings)))
  )
  yield* Console.log(options.json ? machine(verification) : page(look, verification))
  if (verification.problemsTotal > 0) return yield* new FoundWrong()
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** One line of standard error, written over itself at most once per percent, and gone at the end. */
const progressLine = Effect.sync(() => {
  let percent = -1
  const write = (text: string): void => void process.stderr.write(`\r\u001b[K${text}`)
  return {
    show: ({ done, total }: Progress) =>
      Effect.sync(() => {
        const now = total === 0 ? 100 : Math.floor((100 * done) / total)
        if (now === percent) return
        percent = now
        write(`verifying: ${done.toLocaleString("en")} of ${Page.count(total, "event")} (${now} %)`)
      }),
    clear: Effect.sync(() => write(""))
  }
})

const unable = (refusal: CommandRefused): CommandRefused =>
  refusal.exitCode === 2
    ? refusal
    : new CommandRefused({
        code: refusal.code,
        detail: refusal.detail,
        remedy: [refusal.remedy, "Nothing was verified."].filter((part) => part !== null).join(" "),
        exitCode: 3
      })

const machine = ({ counts, head, problems, problemsTotal }: Verification): string =>
  JSON.stringify({ clean: problemsTotal === 0, head, counts: Object.fromEntries(counts), problemsTotal, problems })

const page = (look: Page.Look, { counts, head, problems, problemsTotal }: Verification): string => {
  const looked = counts.map(([name, count]) => `${count.toLocaleString("en")} ${name}`)
  const summary = Page.indented(look, `Looked at ${Page.listed(looked)}, up to position ${head}.`, "")
  if (problemsTotal === 0) {
    return `${summary}\n${Page.mark(look, "green", "Clean")}: every hash, chain and column is as it was written.`
  }
  const shown = problems.slice(0, shownMax).map((problem, index) => problemText(look, problem, index === 0))
  const more = problemsTotal - shown.length
  return [
    summary,
    `${Page.mark(look, "red", Page.count(problemsTotal, "problem"))}: this store is not as it was written.`,
    "",
    shown.join("\n\n"),
    ...(more > 0 ? ["", `and ${Page.count(more, "more", "more")}; --json lists up to ${problems.length}.`] : [])
  ].join("\n")
}

const problemText = (look: Page.Look, problem: Problem, first: boolean): string => {
  const { check, detail, eventId, position, stream, version } = problem
  const entries: ReadonlyArray<readonly [string, string | null]> = [
    ["position", position === null ? null : String(position)],
    ["stream", stream === null ? null : Page.visible(stream)],
    ["version", version === null ? null : String(version)],
    ["event", eventId === null ? null : Page.visible(eventId)],
    ["differs", Page.visible(`${check}: ${detail}`)]
  ]
  return [
    ...(first ? [Page.mark(look, "bold", "The first:")] : []),
    Page.rows(
      look,
      entries.flatMap(([label, text]) => (text === null ? [] : [[label, text] as const]))
    )
  ].join("\n")
}
