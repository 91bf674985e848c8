/** What the commands beside a running service share: their flags, their exit codes, and the way to the service. */
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import type * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { CommandRefused } from "../CommandRefused.ts"
import type * as HelpText from "../HelpText.ts"
import * as SettingsSource from "../SettingsSource.ts"
import * as Remote from "./Remote.ts"

export const flags = <S extends SettingsSource.BasicSettings>(
  definition: SettingsSource.SettingsDefinition<S>,
  json: Flag.Flag<boolean>,
  showsFiles: boolean
) => ({
  settings: SettingsSource.flags(
    definition,
    (name) => used.has(name),
    // Those that show no file take the folder all the same: one set of flags goes with all of them.
    (name) => (name === "workspaceFolder" && !showsFiles ? false : (meanings[name] ?? true))
  ),
  url,
  json
})

export type Shared = ReturnType<typeof flags>

/** Does `work` with the service that the flags say. */
export const overService =
  <S extends SettingsSource.BasicSettings>(
    definition: SettingsSource.SettingsDefinition<S>,
    environment: SettingsSource.Environment
  ) =>
  <A, E, R>(input: Typed, work: (service: Remote.Service, workspaceFolder: string) => Effect.Effect<A, E, R>) =>
    Effect.flatMap(Effect.fromResult(SettingsSource.resolve(definition, input.settings, environment)), ({ settings }) =>
      Remote.withService(settings, input.url, environment, (service) => work(service, workspaceOf(settings)))
    )

export type Over = ReturnType<typeof overService>

export const wrong = (detail: string) => new CommandRefused({ code: "FlagsWrong", detail, remedy: null, exitCode: 2 })

export const exitCodes: HelpText.Section = {
  title: "Exit codes",
  entries: [
    ["0", "done"],
    ["1", "refused, or no service answers: a sentence says why"],
    ["2", "a flag or a setting is wrong; nothing was asked"]
  ]
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** What these commands read of the settings: where the service is, and whose workspace a file lies in. */
const used: ReadonlySet<string> = new Set(["host", "port", "dataFolder", "workspaceFolder"])

/** And what they mean to a command beside it. */
const meanings: { readonly [setting: string]: string } = {
  host: "Where the service listens, unless --url says it.",
  port: "Its port.",
  dataFolder: "Where the owner's token is read, unless KEELSON_TOKEN holds one.",
  workspaceFolder: "The service's workspace, to show what changes in a file."
}

interface Typed {
  readonly settings: SettingsSource.Typed
  readonly url: Option.Option<string>
}

const workspaceOf = (settings: object): string =>
  Predicate.hasProperty(settings, "workspaceFolder") ? String(settings.workspaceFolder) : "."

const url = Flag.String("url").pipe(
  Flag.withDescription("Where the service listens.\n[KEELSON_URL; the settings' host and port]"),
  Flag.withMetavar("URL"),
  Flag.optional
)
