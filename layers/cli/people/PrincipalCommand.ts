/** `keelson principal`: people and agents, let in and out while the service runs. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Beside from "./Beside.ts"
import * as Operators from "./Operators.ts"

export const make = (beside: Beside.Shared, over: Beside.Over) => {
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

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const name = Argument.String("name").pipe(Argument.withDescription("Its name, for ever."))

const roles = Flag.String("role").pipe(
  Flag.withDescription("A role, for policies and approvals; may be given several times."),
  Flag.withMetavar("NAME"),
  Flag.atLeast(0),
  Flag.withDefault([])
)

const rolesCommand = (beside: Beside.Shared, over: Beside.Over) =>
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
        ? Effect.fail(Beside.wrong("Name the roles that it shall have from now on, or say --none to take all away."))
        : over(input, (service) => Operators.roles(service, input.name, input.given, input))
  ).pipe(
    Command.withDescription("Gives it these roles and no others."),
    Command.withShortDescription("give it these roles and no others"),
    Command.withExamples([{ command: "keelson principal roles ana approver", description: "An approver, and no more" }])
  )
