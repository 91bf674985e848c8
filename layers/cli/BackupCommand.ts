/**
 * `keelson backup` and `keelson restore`: what a store holds, kept elsewhere and brought back.
 *
 * Owns flags and sentences. Does not own the work (`Deployment.backups`).
 */
import * as Console from "effect/Console"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as CheckpointCommand from "./CheckpointCommand.ts"
import type { Backup, Deployment, Restored } from "./Deployment.ts"
import * as HelpText from "./HelpText.ts"
import * as OverSettings from "./OverSettings.ts"
import * as Page from "./Page.ts"
import * as Sentences from "./Sentences.ts"
import * as SettingsSource from "./SettingsSource.ts"
import type { BasicSettings } from "./SettingsSource.ts"

export const backup = <S extends BasicSettings, E, V>(
  deployment: Deployment<S, E, V>,
  environment: SettingsSource.Environment,
  json: Flag.Flag<boolean>
) =>
  Command.make("backup", { settings: flags(deployment), json, target }, (input) =>
    OverSettings.run(deployment, environment, input.settings, Sentences.refusal, (settings) =>
      Effect.flatMap(deployment.backups.take(settings, input.target), (taken) =>
        Console.log(input.json ? JSON.stringify(taken) : takenText(taken))
      )
    )
  ).pipe(
    Command.withDescription(backupText),
    Command.withShortDescription("all that a store holds into one file, also while it works"),
    Command.withExamples([
      { command: "keelson backup /elsewhere", description: "Into a folder, under a name with the date" },
      { command: "keelson backup /elsewhere/today.backup --json", description: "Into a file, for a script" }
    ]),
    exitCodes("the backup is whole and on the disk", "there is no backup: a sentence says why")
  )

export const restore = <S extends BasicSettings, E, V>(
  deployment: Deployment<S, E, V>,
  environment: SettingsSource.Environment,
  json: Flag.Flag<boolean>
) =>
  Command.make("restore", { settings: flags(deployment), json, file, withoutKeys }, (input) =>
    OverSettings.run(deployment, environment, input.settings, Sentences.refusal, (settings) =>
      Effect.flatMap(deployment.backups.restore(settings, input.file, { withoutKeys: input.withoutKeys }), (restored) =>
        Console.log(input.json ? JSON.stringify(restored) : restoredText(restored))
      )
    )
  ).pipe(
    Command.withDescription(restoreText),
    Command.withShortDescription("a backup into an empty place, erasures first"),
    Command.withExamples([
      {
        command: "keelson restore /elsewhere/today.backup",
        description: "Into ./.keelson, where the keys lie already"
      },
      {
        command: "keelson restore /elsewhere/today.backup --database-url-env DATABASE_URL",
        description: "Into an empty schema of PostgreSQL"
      }
    ]),
    exitCodes("restored, verified, and may be served", "it was not restored, or is not served: a sentence says why")
  )

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const flags = <S extends BasicSettings, E, V>(deployment: Deployment<S, E, V>) =>
  SettingsSource.flags(deployment.settings, (name) => CheckpointCommand.used.has(name))

const target = Argument.String("target").pipe(
  Argument.withDescription("The file to be written, or a folder that is there.")
)
const file = Argument.String("file").pipe(Argument.withDescription("A file that keelson backup wrote."))

const withoutKeys = Flag.Boolean("without-keys").pipe(
  Flag.withDescription("Restore although the wrapping keys are lost: nothing sealed can be read."),
  Flag.withDefault(false)
)

const exitCodes = (done: string, not: string) =>
  HelpText.withSections([
    {
      title: "Exit codes",
      entries: [
        ["0", done],
        ["1", not],
        ["2", "a flag or a setting is wrong; nothing was opened"]
      ]
    }
  ])

const takenText = ({ digest, file, position }: Backup): string =>
  `${Page.count(position, "event")} and all that belongs to them are in ${file}.\ndigest ${digest}`

const restoredText = ({ digest, erasedAgain, file, movedAside, position, signed, withoutKeys }: Restored): string =>
  [
    `${Page.count(position, "event")} were restored from ${file}, and verified.`,
    `digest ${digest}`,
    ...(erasedAgain === 0 ? [] : [`${Page.count(erasedAgain, "session")} erased since the backup, erased again.`]),
    signed === null
      ? "No checkpoint was at hand that covers it."
      : `A checkpoint vouches for the first ${Page.count(signed, "event")}.`,
    ...(movedAside === null
      ? []
      : [`Checkpoints of events that this backup does not hold lie in ${movedAside}: keep them.`]),
    ...(withoutKeys ? ["Without its wrapping keys nothing sealed can be read, and the service does not start."] : [])
  ].join("\n")

const backupText =
  "Writes events, receipts, rows and wrapped keys of one moment into one file, which nobody else can read. Beside a service " +
  "that works on an embedded store, that service writes it; on PostgreSQL this command reads one snapshot.\n\n" +
  "The folders keys and signing-keys are not in it: without the wrapping keys no sealed word of a backup can be read. " +
  "Keep them elsewhere, and apart. docs/backup.md says how."

const restoreText =
  "Brings a backup back where there is no journal yet. The file is judged first, to its end. Whoever was erased after the " +
  "backup was taken, as the ledger beside the checkpoints says, is erased again; then everything is verified, against the " +
  "newest checkpoint that covers no more than the backup too. Until all of that is done the journal is not served.\n\n" +
  "The data folder must hold the folder keys already, and the folder of checkpoints where there is one."
