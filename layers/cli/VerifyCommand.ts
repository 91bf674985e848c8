/**
 * `keelson verify`: whether a store is as it was written, from the outside and without changing it.
 *
 * Owns how it is told: the first bad event by name, counts, exit code. Does not own the looking (`Deployment.verify`).
 *
 * Invariant: "clean" is said only of a store that was looked through to its end.
 */
import * as Console from "effect/Console"
import * as Command from "effect/cli/Command"
import type * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stdio from "effect/Stdio"
import * as CheckpointCommand from "./CheckpointCommand.ts"
import { CommandRefused, FoundWrong } from "./CommandRefused.ts"
import type { Deployment, Doubt, Problem, Progress, Verification } from "./Deployment.ts"
import * as HelpText from "./HelpText.ts"
import * as Page from "./Page.ts"
import * as Sentences from "./Sentences.ts"
import * as SettingsSource from "./SettingsSource.ts"
import type { BasicSettings, Resolved } from "./SettingsSource.ts"

/** Problems that are written out; the count says how many more there are. */
export const shownMax = 20
/** Problems in the answer for machines. */
export const listedMax = 1_000

export const command = <S extends BasicSettings, E, V>(
  deployment: Deployment<S, E, V>,
  environment: SettingsSource.Environment,
  json: Flag.Flag<boolean>
) =>
  Command.make(
    "verify",
    {
      settings: SettingsSource.flags(deployment.settings, (name) => CheckpointCommand.used.has(name)),
      json,
      checkpoint: CheckpointCommand.file(
        "checkpoint",
        "Hold the journal against the signed checkpoint in this file too."
      ),
      keys: CheckpointCommand.publicKeys
    },
    (input) =>
      Effect.flatMap(
        Effect.fromResult(SettingsSource.resolve(deployment.settings, input.settings, environment)),
        (resolved) =>
          run(deployment, resolved, {
            json: input.json,
            doubt: { checkpoint: Option.getOrNull(input.checkpoint), keys: Option.getOrNull(input.keys) }
          })
      )
  ).pipe(
    Command.withDescription(verifyText),
    Command.withShortDescription("recompute every hash, chain and column of a store"),
    Command.withExamples(verifyExamples),
    HelpText.withSections([
      {
        title: "Exit codes",
        entries: [
          ["0", "clean: everything is as it was written"],
          ["1", "something is not; the first bad event is named"],
          ["2", "a flag or a setting is wrong"],
          ["3", "could not look (no store, folder in use, checkpoint not signed): says nothing about the store"]
        ]
      }
    ])
  )

export const run = Effect.fnUntraced(function* <S extends BasicSettings, E, V>(
  deployment: Deployment<S, E, V>,
  resolved: Resolved<S>,
  options: { readonly json: boolean; readonly doubt: Doubt }
) {
  const look = yield* Page.look
  const stdio = yield* Stdio.Stdio
  const watched = !options.json && (yield* stdio.stderrIsTerminal)
  const bar = watched ? yield* progressLine : null
  const verification = yield* Effect.scoped(
    deployment.verify(resolved.settings, bar?.show ?? (() => Effect.void), options.doubt)
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

const machine = ({ counts, problemCount, problems, signed }: Verification): string =>
  JSON.stringify({
    clean: problemCount === 0,
    counts: Object.fromEntries(counts),
    ...(signed === null ? {} : { signed }),
    problemCount,
    problems
  })

const page = (look: Page.Look, { counts, problemCount, problems, signed }: Verification): string => {
  const looked = counts.map(([name, count]) => `${count.toLocaleString("en")} ${name}`)
  const summary = Page.indented(look, `Looked at ${Page.listed(looked)}.`, "")
  if (problemCount === 0) {
    const clean = `${summary}\n${Page.mark(look, "green", "Clean")}: every hash, chain and column is as it was written.`
    return signed === null
      ? clean
      : `${clean}\n${Page.mark(look, "green", "Signed")}: the first ${Page.count(signed, "event")} are the very ones that the checkpoint covers.`
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

const verifyText =
  "Looks through a store from its first event to its last and recomputes what was written: each event's hash, each " +
  "stream's chain, the columns beside the text, and the rows and counters that follow from the events. It changes nothing " +
  "and needs no key: what is sealed stays sealed.\n\n" +
  "What a store can't say of itself, such as that its last events were cut off or its whole history made anew, is held " +
  "against a checkpoint that was kept elsewhere.\n\n" +
  "An embedded store must not be in use: stop the service first, or verify a copy of its folder."

const verifyExamples = [
  { command: "keelson verify", description: "The store in ./.keelson" },
  { command: "keelson verify --data-folder /backup/keelson --json", description: "A copy, for a script" },
  {
    command: "keelson verify --database-url-env DATABASE_URL",
    description: "A PostgreSQL store, also while it is used"
  },
  {
    command: "keelson verify --checkpoint elsewhere/keelson.checkpoint",
    description: "And against what was signed: see keelson checkpoint"
  }
]
