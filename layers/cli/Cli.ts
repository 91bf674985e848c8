/**
 * The command `keelson`: what can be asked, and how each answer becomes output and an exit code.
 *
 * Owns the commands' names, flags and help. Does not own what they do (one file each).
 *
 * Invariants: results go to standard output; logs, progress and refusals go to standard error; every refusal is
 * a sentence and an exit code, never a stack trace; a stack trace means a bug.
 */
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as BackupCommand from "./BackupCommand.ts"
import * as CheckpointCommand from "./CheckpointCommand.ts"
import { CommandRefused, FoundWrong } from "./CommandRefused.ts"
import * as DemoCommand from "./DemoCommand.ts"
import type { Deployment } from "./Deployment.ts"
import * as DoctorCommand from "./DoctorCommand.ts"
import * as HelpText from "./HelpText.ts"
import * as Called from "./Called.ts"
import * as Page from "./Page.ts"
import * as People from "./people/Commands.ts"
import * as PolicyCommand from "./PolicyCommand.ts"
import * as SettingsSource from "./SettingsSource.ts"
import * as StartCommand from "./StartCommand.ts"
import * as VerifyCommand from "./VerifyCommand.ts"

/** The whole command line over a deployment. */
export const command = <S extends SettingsSource.BasicSettings, E, V>(
  deployment: Deployment<S, E, V>,
  environment: SettingsSource.Environment
) => {
  const subcommands = [
    startCommand(deployment, environment),
    demoCommand(deployment, environment),
    VerifyCommand.command(deployment, environment, json),
    CheckpointCommand.checkpoint(deployment, environment, json),
    CheckpointCommand.prove(deployment, environment, json),
    BackupCommand.backup(deployment, environment, json),
    BackupCommand.restore(deployment, environment, json),
    PolicyCommand.command(deployment, environment, json),
    DoctorCommand.command(deployment, environment, json),
    ...People.all(deployment.settings, environment, json)
  ] as const
  return Command.make("keelson").pipe(
    Command.withDescription(rootText),
    Command.withSubcommands(subcommands),
    HelpText.withSections([
      {
        title: "Settings",
        entries: [
          [
            "",
            "A flag counts before its KEELSON_ variable, and that before the default; help shows both behind a flag, " +
              "as [variable; default]. start\u00a0--help lists all."
          ]
        ]
      }
    ])
  )
}

/** Runs the command line on this process's arguments; answers the exit code. */
export const run = <S extends SettingsSource.BasicSettings, E, V>(
  deployment: Deployment<S, E, V>,
  environment: SettingsSource.Environment
) =>
  Effect.flatMap(Stdio.Stdio, ({ args }) =>
    Effect.flatMap(args, (typed) => {
      const argv = helpAsFlag(typed)
      const root = command(deployment, environment)
      const program = Command.runWith(root, { version: deployment.version })(argv)
      return program.pipe(
        Effect.exit,
        Effect.flatMap((exit) => conclude(exit, argv, root)),
        Effect.provide(Layer.mergeAll(HelpText.layer, logger, CliConfig.layer({ builtIns }))),
        Effect.provideService(Called.Called, Called.as(deployment.self))
      )
    })
  )

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** `keelson help start` is what many people type first. */
const helpAsFlag = (argv: ReadonlyArray<string>): ReadonlyArray<string> =>
  argv[0] === "help" ? [...argv.slice(1), "--help"] : argv

const resolve = <S extends SettingsSource.BasicSettings, E, V>(
  deployment: Deployment<S, E, V>,
  environment: SettingsSource.Environment,
  typed: SettingsSource.Typed
) => Effect.fromResult(SettingsSource.resolve(deployment.settings, typed, environment))

const startCommand = <S extends SettingsSource.BasicSettings, E, V>(
  deployment: Deployment<S, E, V>,
  environment: SettingsSource.Environment
) =>
  Command.make("start", { settings: SettingsSource.flags(deployment.settings), json }, (input) =>
    Effect.flatMap(resolve(deployment, environment, input.settings), (settings) =>
      StartCommand.run(deployment, settings, input)
    )
  ).pipe(
    Command.withDescription(startText),
    Command.withShortDescription("run the service until it is told to stop"),
    Command.withExamples(startExamples),
    HelpText.withSections([
      exitCodes([
        ["0", "stopped by SIGTERM, SIGINT or a terminal that went away, everything released"],
        ["1", "could not start, or could not stop in time: a sentence says why"],
        ["2", "a flag or a setting is wrong; nothing was opened"],
        ["130, 143", "a signal ended it before it had begun, or a second one at once"]
      ])
    ])
  )

const demoCommand = <S extends SettingsSource.BasicSettings, E, V>(
  deployment: Deployment<S, E, V>,
  environment: SettingsSource.Environment
) =>
  Command.make(
    "demo",
    {
      interactive: Flag.Boolean("interactive").pipe(
        Flag.withAlias("i"),
        Flag.withDescription("You decide, at this terminal, instead of the demo's own person."),
        Flag.withDefault(false)
      ),
      keep: Flag.Boolean("keep").pipe(
        Flag.withDescription("Keep the demo's folder, with journal, workspace and log."),
        Flag.withDefault(false)
      ),
      killAfterMillis: Flag.Int("kill-after-millis").pipe(
        Flag.withDescription("How long after the approval's answer the service is killed, to try other moments."),
        Flag.withMetavar("N"),
        Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10_000 }))),
        Flag.withDefault(0)
      ),
      json
    },
    (input) =>
      deployment.demoUnplayable === null
        ? DemoCommand.run(deployment.self, environment, input)
        : Effect.fail(DemoCommand.unplayable(deployment.demoUnplayable))
  ).pipe(
    Command.withDescription(demoText),
    Command.withShortDescription("play one agent session, kill the service in it, and prove what held"),
    Command.withExamples([
      { command: "keelson demo", description: "Plays by itself, in less than half a minute" },
      { command: "keelson demo --interactive", description: "Asks you before the agent may write" },
      { command: "keelson demo --kill-after-millis 2", description: "Kills it a little later: another honest outcome" },
      { command: "keelson demo --json", description: "Only the proof, for machines" }
    ]),
    HelpText.withSections([
      exitCodes([
        ["0", "every check of the proof held"],
        ["1", "a check did not hold, or the demo could not be played"]
      ])
    ])
  )

const builtIns = [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions, GlobalFlag.LogLevel]

const json = Flag.Boolean("json").pipe(
  Flag.withDescription("One line of JSON on standard output, for machines."),
  Flag.withDefault(false)
)

const exitCodes = (entries: ReadonlyArray<readonly [string, string]>): HelpText.Section => ({
  title: "Exit codes",
  entries
})

/** Structured on standard error: for people on a terminal, one JSON object a line otherwise. */
const logger = Layer.unwrap(
  Effect.gen(function* () {
    const stdio = yield* Stdio.Stdio
    const terminal = yield* stdio.stderrIsTerminal
    const chosen = terminal ? Logger.consolePretty({ mode: "tty" }) : Logger.withConsoleError(Logger.formatJson)
    return Layer.merge(Logger.layer([chosen]), Layer.succeed(Logger.LogToStderr, true))
  })
)

const conclude = Effect.fnUntraced(function* (
  exit: Exit.Exit<void, CliError.CliError | CommandRefused | FoundWrong>,
  argv: ReadonlyArray<string>,
  root: Named
) {
  if (Exit.isSuccess(exit)) return 0
  const { cause } = exit
  if (Cause.hasInterruptsOnly(cause) || Cause.hasDies(cause))
    return yield* Effect.failCause(cause as Cause.Cause<never>)
  const error = Cause.squash(cause)
  if (error instanceof FoundWrong) return 1
  if (error instanceof CommandRefused) {
    yield* refuse(error, argv, root)
    return error.exitCode
  }
  // Help was asked for by naming no command, or the presenter has told what is wrong.
  return CliError.isCliError(error) && error._tag === "ShowHelp" && error.errors.length === 0 ? 0 : 2
})

const refuse = Effect.fnUntraced(function* (error: CommandRefused, argv: ReadonlyArray<string>, root: Named) {
  if (argv.includes("--json")) {
    const { code, detail, exitCode, remedy } = error
    return yield* Console.error(JSON.stringify({ refused: code, detail, remedy, exitCode }))
  }
  const look = { ...(yield* Page.look), color: false }
  const name = ["keelson", ...commandPath(argv, root)].join(" ")
  const remedy = Page.visible(yield* Called.typed(error.remedy ?? ""))
  const lines = [
    Page.indented(look, `${name}: ${Page.visible(error.detail)}`, ""),
    ...(remedy === "" ? [] : [remedy.startsWith("Run: ") ? `  ${remedy}` : Page.indented(look, remedy, "  ")])
  ]
  yield* Console.error(lines.join("\n"))
})

/** The words that name the command, as they were typed: what follows them has a dash, or belongs to the command. */
const commandPath = (argv: ReadonlyArray<string>, root: Named): ReadonlyArray<string> => {
  const at = argv.findIndex((word) => below(root, word) !== undefined)
  const [first, second] = at < 0 ? [] : argv.slice(at)
  const command = first === undefined ? undefined : below(root, first)
  if (command === undefined) return []
  return [first!, ...(second !== undefined && below(command, second) !== undefined ? [second] : [])]
}

/** What of a command its name takes. */
interface Named {
  readonly name: string
  readonly subcommands: ReadonlyArray<{ readonly commands: ReadonlyArray<Named> }>
}

const below = ({ subcommands }: Named, name: string): Named | undefined =>
  subcommands.flatMap(({ commands }) => commands).find((one) => one.name === name)

const rootText =
  "Keelson runs AI agents that must not act, remember or claim success without proof: no tool runs without a permit, " +
  "everything is an event in an append-only journal, and a person decides where a policy says so."

const startText =
  "Runs the service: HTTP on loopback, the journal in an embedded PGlite or in PostgreSQL, tools inside one folder, " +
  "policies in Cedar. It needs no other server. The owner's token is made at the first start.\n\n" +
  "Relative folders are taken from where the command is run; npm start runs it in the project's root. " +
  "Where only the data folder is set, the policies lie in it. Changed policies are taken while it runs, at once on " +
  "SIGHUP where there is no terminal; wrong ones are refused in the log. Times are in milliseconds."

const startExamples = [
  { command: "keelson start", description: "Everything in ./.keelson, on http://127.0.0.1:7717" },
  { command: "keelson start --port 0 --data-folder /tmp/try", description: "A free port and a folder of its own" },
  {
    command: "KEELSON_DATABASE_URL=postgres://user:secret@db/keelson keelson start",
    description: "On PostgreSQL; the URL holds a password, so it never stands on the command line"
  },
  {
    command: "keelson start --database-url-env DATABASE_URL",
    description: "The same, from a variable that already has it"
  }
]

const demoText =
  "Starts a real service in a folder of its own and speaks HTTP with it: an agent reads a file, wants to write one and " +
  "waits for a person; a second wish is denied; in the third the service gets a SIGKILL. What is claimed at the end is " +
  "computed from the journal and the files, each line with the check that produced it."
