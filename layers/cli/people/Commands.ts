/** The commands for people and operators beside a running service: names, flags, help. */
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { ActionStatus } from "#src/gateway/Protocol.ts"
import * as HelpText from "../HelpText.ts"
import * as SettingsSource from "../SettingsSource.ts"
import * as Actions from "./Actions.ts"
import * as Beside from "./Beside.ts"
import * as Confirmations from "./Confirmations.ts"
import * as Operators from "./Operators.ts"
import * as PrincipalCommand from "./PrincipalCommand.ts"
import * as Watch from "./Watch.ts"

export const all = <S extends SettingsSource.BasicSettings>(
  definition: SettingsSource.SettingsDefinition<S>,
  environment: SettingsSource.Environment,
  json: Flag.Flag<boolean>
) => {
  const beside = Beside.flags(definition, json, false)
  const over = Beside.overService(definition, environment)
  return [
    confirmationsCommand(beside, Beside.flags(definition, json, true), over),
    actionsCommand(beside, over),
    approveCommand(beside, over, environment),
    denyCommand(beside, over),
    PrincipalCommand.make(beside, over),
    haltCommand(beside, over),
    resumeCommand(beside, over)
  ] as const
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const confirmationId = Argument.String("id").pipe(Argument.withDescription("The question's id, cfm_…"))
const confirmationsCommand = (beside: Beside.Shared, withFiles: Beside.Shared, over: Beside.Over) => {
  const show = Command.make("show", { ...withFiles, id: confirmationId }, (input) =>
    over(input, (service, workspaceFolder) =>
      Confirmations.show(service, input.id, { json: input.json, workspaceFolder })
    )
  ).pipe(
    Command.withDescription("Shows one question whole: the exact arguments, and what changes in a file."),
    Command.withShortDescription("one question whole: exact arguments, what changes in a file"),
    HelpText.withSections([Beside.exitCodes])
  )

  const watch = Command.make("watch", withFiles, (input) =>
    over(input, (service, workspaceFolder) => Watch.run(service, { json: input.json, workspaceFolder }))
  ).pipe(
    Command.withDescription(
      "Shows what waits as it comes, and decides it with a key. Where there is no terminal, prints each question once; " +
        "with --json one JSON object a line: what waits, what is gone, a halt."
    ),
    Command.withShortDescription("a live view: decide with a key"),
    HelpText.withSections([Beside.exitCodes])
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
    HelpText.withSections([Beside.exitCodes])
  )
}

const approveCommand = (beside: Beside.Shared, over: Beside.Over, environment: SettingsSource.Environment) => {
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
        ? Effect.fail(Beside.wrong("--edit and --arguments say two things; give one of them."))
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
    HelpText.withSections([Beside.exitCodes])
  )
}

const denyCommand = (beside: Beside.Shared, over: Beside.Over) => {
  return Command.make(
    "deny",
    {
      ...beside,
      id: confirmationId,
      reason: Flag.String("reason").pipe(Flag.withDescription("Why: the agent is told."), Flag.withMetavar("TEXT"))
    },
    (input) =>
      input.reason.trim() === ""
        ? Effect.fail(Beside.wrong("--reason takes words: the agent is told why."))
        : over(input, (service) => Confirmations.deny(service, input.id, input))
  ).pipe(
    Command.withDescription("Denies an action. Nothing runs."),
    Command.withShortDescription("deny an action"),
    HelpText.withSections([Beside.exitCodes])
  )
}

const actionsCommand = (beside: Beside.Shared, over: Beside.Over) => {
  const id = Argument.String("id").pipe(Argument.withDescription("The action's id, act_…"))
  const show = Command.make("show", { ...beside, id }, (input) =>
    over(input, (service) => Actions.show(service, input.id, input))
  ).pipe(
    Command.withDescription(
      "Shows one action whole: exact arguments, who and which policies let it run, what it gave."
    ),
    Command.withShortDescription("one action whole, and what it gave"),
    HelpText.withSections([Beside.exitCodes])
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
        ? Effect.fail(Beside.wrong("--reason takes words: how you know."))
        : over(input, (service) => Actions.reconcile(service, input.id, input))
  ).pipe(
    Command.withDescription(
      "Says, as a person who looked, what became of an action that ended as Unknown. Nothing runs."
    ),
    Command.withShortDescription("say what became of one that is Unknown"),
    HelpText.withSections([Beside.exitCodes])
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
    HelpText.withSections([Beside.exitCodes])
  )
}

const haltCommand = (beside: Beside.Shared, over: Beside.Over) => {
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
        return Effect.fail(Beside.wrong("halt takes --reason TEXT: whoever finds everything stopped reads it."))
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
    HelpText.withSections([Beside.exitCodes])
  )
}

const resumeCommand = (beside: Beside.Shared, over: Beside.Over) => {
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
    HelpText.withSections([Beside.exitCodes])
  )
}
