/** The commands for people and operators beside a running service: names, flags, help. */
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { ActionStatus } from "#src/gateway/Protocol.ts"
import { CommandRefused } from "../CommandRefused.ts"
import * as HelpText from "../HelpText.ts"
import * as SettingsSource from "../SettingsSource.ts"
import * as Actions from "./Actions.ts"
import * as Confirmations from "./Confirmations.ts"
import * as Operators from "./Operators.ts"
import * as Remote from "./Remote.ts"
import * as Watch from "./Watch.ts"

/** What these commands read of the settings: where the service is, and whose workspace a file lies in. */
const used: ReadonlySet<string> = new Set(["host", "port", "dataFolder", "workspaceFolder"])

/** And what they mean to a command beside it. */
const meanings: { readonly [setting: string]: string } = {
  host: "Where the service listens, unless --url says it.",
  port: "Its port.",
  dataFolder: "Where the owner's token is read, unless KEELSON_TOKEN holds one.",
  workspaceFolder: "The service's workspace, to show what changes in a file."
}

export const all = <S extends SettingsSource.BasicSettings>(
  definition: SettingsSource.SettingsDefinition<S>,
  environment: SettingsSource.Environment,
  json: Flag.Flag<boolean>
) => {
  const beside = besideFlags(definition, json, false)
  const over = overService(definition, environment)
  return [
    confirmationsCommand(beside, besideFlags(definition, json, true), over),
    actionsCommand(beside, over),
    approveCommand(beside, over, environment),
    denyCommand(beside, over),
    principalCommand(beside, over),
    haltCommand(beside, over),
    resumeCommand(beside, over)
  ] as const
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const besideFlags = <S extends SettingsSource.BasicSettings>(
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

type Shared = ReturnType<typeof besideFlags>

interface Typed {
  readonly settings: SettingsSource.Typed
  readonly url: Option.Option<string>
}

/** Does `work` with the service that the flags say. */
const overService =
  <S extends SettingsSource.BasicSettings>(
    definition: SettingsSource.SettingsDefinition<S>,
    environment: SettingsSource.Environment
  ) =>
  <A, E, R>(input: Typed, work: (service: Remote.Service, workspaceFolder: string) => Effect.Effect<A, E, R>) =>
    Effect.flatMap(Effect.fromResult(SettingsSource.resolve(definition, input.settings, environment)), ({ settings }) =>
      Remote.withService(settings, input.url, environment, (service) => work(service, workspaceOf(settings)))
    )

type Over = ReturnType<typeof overService>

const workspaceOf = (settings: object): string =>
  Predicate.hasProperty(settings, "workspaceFolder") ? String(settings.workspaceFolder) : "."

const wrong = (detail: string) => new CommandRefused({ code: "FlagsWrong", detail, remedy: null, exitCode: 2 })

const url = Flag.String("url").pipe(
  Flag.withDescription("Where the service listens.\n[KEELSON_URL; the settings' host and port]"),
  Flag.withMetavar("URL"),
  Flag.optional
)

const confirmationId = Argument.String("id").pipe(Argument.withDescription("The question's id, cfm_…"))
const name = Argument.String("name").pipe(Argument.withDescription("Its name, for ever."))

const roles = Flag.String("role").pipe(
  Flag.withDescription("A role, for policies and approvals; may be given several times."),
  Flag.withMetavar("NAME"),
  Flag.atLeast(0),
  Flag.withDefault([])
)

const exitCodes: HelpText.Section = {
  title: "Exit codes",
  entries: [
    ["0", "done"],
    ["1", "refused, or no service answers: a sentence says why"],
    ["2", "a flag or a setting is wrong; nothing was asked"]
  ]
}

const confirmationsCommand = (beside: Shared, withFiles: Shared, over: Over) => {
  const show = Command.make("show", { ...withFiles, id: confirmationId }, (input) =>
    over(input, (service, workspaceFolder) =>
      Confirmations.show(service, input.id, { json: input.json, workspaceFolder })
    )
  ).pipe(
    Command.withDescription("Shows one question whole: the exact arguments, and what changes in a file."),
    Command.withShortDescription("one question whole: exact arguments, what changes in a file"),
    HelpText.withSections([exitCodes])
  )

  const watch = Command.make("watch", withFiles, (input) =>
    over(input, (service, workspaceFolder) => Watch.run(service, { json: input.json, workspaceFolder }))
  ).pipe(
    Command.withDescription(
      "Shows what waits as it comes, and decides it with a key. Where there is no terminal, prints each question once; " +
        "with --json one JSON object a line: what waits, what is gone, a halt."
    ),
    Command.withShortDescription("a live view: decide with a key"),
    HelpText.withSections([exitCodes])
  )

  const all = Flag.Boolean("all").pipe(
    Flag.withDescription("What was decided, too, as far as you may see it."),
    Flag.withDefault(false)
  )
  return Command.make("confirmations", { ...beside, all }, (input) =>
    over(input, (service) => Confirmations.list(service, input))
  ).pipe(
    Command.withDescription("Lists what waits for you, oldest first: as the session's owner or by a role."),
    Command.withShortDescription("what waits for a person"),
    Command.withSubcommands([show, watch]),
    HelpText.withSections([exitCodes])
  )
}

const approveCommand = (beside: Shared, over: Over, environment: SettingsSource.Environment) => {
  return Command.make(
    "approve",
    {
      ...beside,
      id: confirmationId,
      edit: Flag.Boolean("edit").pipe(
        Flag.withDescription("Change the arguments in $VISUAL or $EDITOR first. They pass the policies again."),
        Flag.withDefault(false)
      ),
      arguments: Flag.String("arguments").pipe(
        Flag.withDescription("Run with these arguments instead, as JSON. They pass the policies again."),
        Flag.withMetavar("JSON"),
        Flag.optional
      )
    },
    (input) =>
      input.edit && Option.isSome(input.arguments)
        ? Effect.fail(wrong("--edit and --arguments say two things; give one of them."))
        : over(input, (service) =>
            Confirmations.approve(
              service,
              input.id,
              { json: input.json, edit: input.edit, arguments: Option.getOrNull(input.arguments) },
              environment
            )
          )
  ).pipe(
    Command.withDescription("Approves an action, as it stands or with other arguments. It runs once, at once."),
    Command.withShortDescription("approve an action"),
    HelpText.withSections([exitCodes])
  )
}

const denyCommand = (beside: Shared, over: Over) => {
  return Command.make(
    "deny",
    {
      ...beside,
      id: confirmationId,
      reason: Flag.String("reason").pipe(Flag.withDescription("Why: the agent is told."), Flag.withMetavar("TEXT"))
    },
    (input) =>
      input.reason.trim() === ""
        ? Effect.fail(wrong("--reason takes words: the agent is told why."))
        : over(input, (service) => Confirmations.deny(service, input.id, input))
  ).pipe(
    Command.withDescription("Denies an action. Nothing runs."),
    Command.withShortDescription("deny an action"),
    HelpText.withSections([exitCodes])
  )
}

const actionsCommand = (beside: Shared, over: Over) => {
  const id = Argument.String("id").pipe(Argument.withDescription("The action's id, act_…"))
  const show = Command.make("show", { ...beside, id }, (input) =>
    over(input, (service) => Actions.show(service, input.id, input))
  ).pipe(
    Command.withDescription(
      "Shows one action whole: exact arguments, who and which policies let it run, what it gave."
    ),
    Command.withShortDescription("one action whole, and what it gave"),
    HelpText.withSections([exitCodes])
  )
  const reconcile = Command.make(
    "reconcile",
    {
      ...beside,
      id,
      outcome: Flag.Literals("outcome", ["executed", "failed"]).pipe(
        Flag.withDescription("What you saw."),
        Flag.withMetavar("OUTCOME")
      ),
      reason: Flag.String("reason").pipe(Flag.withDescription("How you know."), Flag.withMetavar("TEXT"))
    },
    (input) =>
      input.reason.trim() === ""
        ? Effect.fail(wrong("--reason takes words: how you know."))
        : over(input, (service) => Actions.reconcile(service, input.id, input))
  ).pipe(
    Command.withDescription(
      "Says, as a person who looked, what became of an action that ended as Unknown. Nothing runs."
    ),
    Command.withShortDescription("say what became of one that is Unknown"),
    HelpText.withSections([exitCodes])
  )
  const flags = {
    ...beside,
    status: Flag.Literals("status", ActionStatus.literals).pipe(
      Flag.withDescription("Only those that are it: Unknown, Approved, …"),
      Flag.withMetavar("STATUS"),
      Flag.optional
    ),
    session: Flag.String("session").pipe(
      Flag.withDescription("Only those of one session."),
      Flag.withMetavar("ID"),
      Flag.optional
    )
  }
  return Command.make("actions", flags, (input) =>
    over(input, (service) =>
      Actions.list(service, {
        json: input.json,
        status: Option.getOrNull(input.status),
        session: Option.getOrNull(input.session)
      })
    )
  ).pipe(
    Command.withDescription("Lists what was proposed and what became of it, newest first, as far as you may see it."),
    Command.withShortDescription("what was proposed, and what became of it"),
    Command.withSubcommands([show, reconcile]),
    Command.withExamples([
      { command: "keelson actions --status Unknown", description: "What nobody knows the end of" }
    ]),
    HelpText.withSections([exitCodes])
  )
}

const haltCommand = (beside: Shared, over: Over) => {
  return Command.make(
    "halt",
    {
      ...beside,
      reason: Flag.String("reason").pipe(
        Flag.withDescription("Why: whoever finds everything stopped reads it."),
        Flag.withMetavar("TEXT"),
        Flag.optional
      ),
      cancelRunning: Flag.Boolean("cancel-running").pipe(
        Flag.withDescription("Stop the tools that run, too; else they may finish."),
        Flag.withDefault(false)
      ),
      show: Flag.Boolean("show").pipe(
        Flag.withDescription("Stop nothing: say whether everything is stopped, by whom and why."),
        Flag.withDefault(false)
      )
    },
    (input) => {
      const reason = Option.getOrElse(input.reason, () => "").trim()
      if (input.show) return over(input, (service) => Operators.haltState(service, input))
      if (reason === "")
        return Effect.fail(wrong("halt takes --reason TEXT: whoever finds everything stopped reads it."))
      return over(input, (service) => Operators.halt(service, { ...input, reason }))
    }
  ).pipe(
    Command.withDescription(
      "Stops everything: once this is answered no tool starts, no turn and no action is taken. What waits for people " +
        "goes on waiting. For whoever runs the service."
    ),
    Command.withShortDescription("stop every tool, at once"),
    Command.withExamples([
      { command: `keelson halt --reason "wrong host"`, description: "What runs may finish" },
      { command: `keelson halt --reason "wrong host" --cancel-running`, description: "What runs is stopped too" }
    ]),
    HelpText.withSections([exitCodes])
  )
}

const resumeCommand = (beside: Shared, over: Over) => {
  return Command.make(
    "resume",
    {
      ...beside,
      reason: Flag.String("reason").pipe(
        Flag.withDescription("Why it may go on."),
        Flag.withMetavar("TEXT"),
        Flag.optional
      )
    },
    (input) =>
      over(input, (service) => Operators.resume(service, { json: input.json, reason: Option.getOrNull(input.reason) }))
  ).pipe(
    Command.withDescription("Lets everything go on: what is approved and still in time runs."),
    Command.withShortDescription("let everything go on"),
    HelpText.withSections([exitCodes])
  )
}

const principalCommand = (beside: Shared, over: Over) => {
  const create = Command.make(
    "create",
    {
      ...beside,
      name,
      kind: Flag.Literals("kind", ["human", "agent"]).pipe(
        Flag.withDescription("What it is."),
        Flag.withMetavar("KIND")
      ),
      roles
    },
    (input) => over(input, (service) => Operators.create(service, input.name, input))
  ).pipe(
    Command.withDescription(
      "Lets a person or an agent in, and shows its token: this once, on standard output alone where that is no terminal."
    ),
    Command.withShortDescription("let a person or an agent in"),
    Command.withExamples([
      { command: "keelson principal create ana --kind human --role approver", description: "A person who may approve" },
      { command: "keelson principal create bot --kind agent > bot.token", description: "An agent's token into a file" }
    ])
  )
  const list = Command.make("list", beside, (input) => over(input, (service) => Operators.list(service, input))).pipe(
    Command.withDescription("Lists who was let in: name, kind, roles, keys, status."),
    Command.withShortDescription("who was let in")
  )
  const show = Command.make("show", { ...beside, name }, (input) =>
    over(input, (service) => Operators.show(service, input.name, input))
  ).pipe(
    Command.withDescription("Shows one of them, with the ids of its keys."),
    Command.withShortDescription("one of them, with the ids of its keys")
  )
  const rotate = Command.make("rotate", { ...beside, name }, (input) =>
    over(input, (service) => Operators.rotate(service, input.name, input))
  ).pipe(
    Command.withDescription("Makes a new key in the place of all others, without a moment that has none."),
    Command.withShortDescription("a new key in the place of all others")
  )
  const revoke = Command.make(
    "revoke",
    { ...beside, name, key: Argument.String("key").pipe(Argument.withDescription("The key's id, key_…")) },
    (input) => over(input, (service) => Operators.revoke(service, input.name, input.key, input))
  ).pipe(
    Command.withDescription("Revokes a key: it opens nothing any more, and what it had opened is closed."),
    Command.withShortDescription("revoke a key, and close what it opened")
  )
  const disable = Command.make("disable", { ...beside, name }, (input) =>
    over(input, (service) => Operators.disable(service, input.name, input))
  ).pipe(
    Command.withDescription("Shuts it out: no key of it opens anything."),
    Command.withShortDescription("shut it out, with all its keys")
  )
  const enable = Command.make("enable", { ...beside, name }, (input) =>
    over(input, (service) => Operators.enable(service, input.name, input))
  ).pipe(
    Command.withDescription("Lets it in again, by the keys that it has."),
    Command.withShortDescription("let it in again, by the keys that it has")
  )
  return Command.make("principal").pipe(
    Command.withDescription("People and agents: let in, out and in again while the service runs."),
    Command.withShortDescription("people and agents, and their keys"),
    Command.withSubcommands([create, list, show, rotate, revoke, rolesCommand(beside, over), disable, enable])
  )
}

const rolesCommand = (beside: Shared, over: Over) =>
  Command.make(
    "roles",
    {
      ...beside,
      name,
      given: Argument.String("role").pipe(
        Argument.withDescription("A role, for policies and approvals; several may be given."),
        Argument.variadic()
      ),
      none: Flag.Boolean("none").pipe(Flag.withDescription("Take every role away."), Flag.withDefault(false))
    },
    (input) =>
      input.none === input.given.length > 0
        ? Effect.fail(wrong("Name the roles that it shall have from now on, or say --none to take all away."))
        : over(input, (service) => Operators.roles(service, input.name, input.given, input))
  ).pipe(
    Command.withDescription("Gives it these roles and no others."),
    Command.withShortDescription("give it these roles and no others"),
    Command.withExamples([{ command: "keelson principal roles ana approver", description: "An approver, and no more" }])
  )
