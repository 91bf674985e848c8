/**
 * `keelson checkpoint` and `keelson prove`: what is signed of the journal, and what follows from it for outsiders.
 *
 * Owns flags, help and how it is told. Does not own checkpoints and proofs (`Deployment.checkpoints`).
 *
 * Invariant: standard output holds the checkpoint, the proof or the keys and nothing else, so that it can be sent on.
 */
import * as Console from "effect/Console"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { CommandRefused } from "./CommandRefused.ts"
import type { Deployment } from "./Deployment.ts"
import * as HelpText from "./HelpText.ts"
import * as OverSettings from "./OverSettings.ts"
import * as Sentences from "./Sentences.ts"
import * as SettingsSource from "./SettingsSource.ts"
import type { BasicSettings } from "./SettingsSource.ts"

/** What these commands read of the settings: the store, and where checkpoints and keys lie. */
export const used: ReadonlySet<string> = new Set(["dataFolder", "databaseUrl", "databaseSchema", "checkpointFolder"])

export const file = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.withMetavar("FILE"), Flag.optional)

export const publicKeys = file(
  "keys",
  "Public keys that a checkpoint must be signed with, one a line; those of the data folder unless told."
)

export const checkpoint = <S extends BasicSettings, E, V>(
  deployment: Deployment<S, E, V>,
  environment: SettingsSource.Environment,
  json: Flag.Flag<boolean>
) =>
  Command.make(
    "checkpoint",
    { settings: SettingsSource.flags(deployment.settings, (name) => used.has(name)), json, now, showKeys, rotateKey },
    (input) =>
      OverSettings.run(deployment, environment, input.settings, refusal, (settings) => {
        const { keys, newest, rotate, take } = deployment.checkpoints
        if ([input.now, input.showKeys, input.rotateKey].filter(Boolean).length > 1) {
          return Effect.fail(wrong("--now, --show-keys and --rotate-key are three things: one at a time."))
        }
        if (input.showKeys) {
          return Effect.flatMap(keys(settings), (lines) =>
            Console.log(input.json ? JSON.stringify({ keys: lines }) : lines.join("\n"))
          )
        }
        if (input.rotateKey) {
          return Effect.flatMap(rotate(settings), (version) =>
            Console.log(input.json ? JSON.stringify({ version }) : `Signing key ${version} signs from now on.`)
          )
        }
        return Effect.flatMap(input.now ? take(settings) : newest(settings), (note) =>
          note === null ? Effect.fail(none) : say(note, input.json, "checkpoint")
        )
      })
  ).pipe(
    Command.withDescription(checkpointText),
    Command.withShortDescription("the newest signed checkpoint of the journal; sign one now"),
    Command.withExamples([
      {
        command: "keelson checkpoint > elsewhere/keelson.checkpoint",
        description: "The newest one, to be kept elsewhere"
      },
      {
        command: "keelson checkpoint --now",
        description: "Signs what the store holds; embedded: stop the service first"
      },
      { command: "keelson checkpoint --show-keys", description: "What others need to judge it" },
      { command: "keelson checkpoint --rotate-key", description: "From now on another key signs, under the same name" }
    ]),
    HelpText.withSections([
      {
        title: "Exit codes",
        entries: [
          ["0", "done"],
          ["1", "there is none, or it could not be signed: a sentence says why"],
          ["2", "a flag or a setting is wrong"]
        ]
      }
    ])
  )

export const prove = <S extends BasicSettings, E, V>(
  deployment: Deployment<S, E, V>,
  environment: SettingsSource.Environment,
  json: Flag.Flag<boolean>
) =>
  Command.make(
    "prove",
    {
      settings: SettingsSource.flags(deployment.settings, (name) => used.has(name)),
      json,
      event,
      from: file("from", "The older checkpoint: proves that the newer one continues it."),
      to: file("to", "The checkpoint that the proof leads to; the newest unless told."),
      check: file("check", "Judges the proof in this file, with public keys alone."),
      keys: publicKeys
    },
    (input) =>
      OverSettings.run(deployment, environment, input.settings, refusal, (settings) => {
        const { check, consistency, inclusion } = deployment.checkpoints
        const proof = Option.getOrNull(input.check)
        const [event, from] = [Option.getOrNull(input.event), Option.getOrNull(input.from)]
        const [to, keys] = [Option.getOrNull(input.to), Option.getOrNull(input.keys)]
        if (proof !== null) {
          if (event !== null || to !== null) return Effect.fail(wrong("--check takes a proof, with --from and --keys."))
          return Effect.flatMap(check(settings, proof, { from, keys }), (sentence) =>
            Console.log(input.json ? JSON.stringify({ holds: true, proves: sentence }) : `It holds: ${sentence}.`)
          )
        }
        if ((event === null) === (from === null) || keys !== null) {
          return Effect.fail(wrong("Name an event, or an older checkpoint with --from, or a proof with --check."))
        }
        const text = event === null ? consistency(settings, from!, to) : inclusion(settings, event, to)
        return Effect.flatMap(text, (found) => say(found, input.json, "proof"))
      })
  ).pipe(
    Command.withDescription(proveText),
    Command.withShortDescription("a proof that an event stands in the journal, for outsiders"),
    Command.withExamples([
      {
        command: "keelson prove evt_… > event.tlog-proof",
        description: "The event, its place, and what leads to the signed root"
      },
      {
        command: "keelson prove --from old.checkpoint > growth.proof",
        description: "That nothing before the old one was changed since"
      },
      {
        command: "keelson prove --check event.tlog-proof --keys public-keys.txt",
        description: "Anywhere: no store is needed"
      },
      {
        command: "keelson prove --check growth.proof --from old.checkpoint",
        description: "The same for two checkpoints"
      }
    ]),
    HelpText.withSections([
      {
        title: "Exit codes",
        entries: [
          ["0", "proven; with --check: it holds"],
          ["1", "it can't be proven, or does not hold: a sentence says why"],
          ["2", "a flag or a setting is wrong"]
        ]
      }
    ])
  )

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const flag = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))

const now = flag("now", "Look at the store now and sign what is new.")
const showKeys = flag("show-keys", "Print the public keys instead.")
const rotateKey = flag("rotate-key", "Add a signing key; the next checkpoint is signed with it.")

const event = Argument.String("event").pipe(
  Argument.withDescription("The event's id, evt_…, or its position."),
  Argument.optional
)

/** What was looked at and is not true says so by its code; anything else as every command tells it. */
const refusal = (error: unknown, settings: BasicSettings): CommandRefused => {
  const told = Sentences.refusal(error, settings)
  const untrue = Predicate.isTagged(error, "NotSigned") && Predicate.hasProperty(error, "wrong") && error.wrong === true
  if (!untrue) return told
  const { detail, exitCode, remedy } = told
  return new CommandRefused({ code: "NotTrue", detail, remedy, exitCode })
}

/** These texts end with their own line end. */
const say = (text: string, json: boolean, name: string) =>
  Console.log(json ? JSON.stringify({ [name]: text }) : text.replace(/\n$/, ""))

const wrong = (detail: string) => new CommandRefused({ code: "FlagsWrong", detail, remedy: null, exitCode: 2 })

const none = new CommandRefused({
  code: "NoCheckpoint",
  detail: "There is no checkpoint yet.",
  remedy: "A service that runs signs one once there are events; keelson checkpoint --now signs one without it.",
  exitCode: 1
})

const checkpointText =
  "Prints the newest checkpoint: how many events the journal holds, and the root of the Merkle tree over them, signed. " +
  "A service that runs signs one whenever the journal has grown, and at its stop. Kept elsewhere, it shows later what " +
  "keelson verify alone can't see: a cut tail, a deleted stream, a history that was made anew with all its hashes.\n\n" +
  "The format is C2SP's tlog-checkpoint; docs/checkpoints.md says all of it."

const proveText =
  "Proves to somebody who has no access to the store that an event stands in the journal, or that a newer checkpoint " +
  "continues an older one. A proof holds no key and opens no sealed word; the event's frame is in it. An erasure changes " +
  "no proof.\n\n" +
  "It is given only where the journal is the one that was signed. An embedded store must not be in use. " +
  "docs/checkpoints.md says how others check it."
