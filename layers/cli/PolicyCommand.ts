/**
 * `keelson policy`: what the policies of a folder are, and what they would say.
 *
 *   the folder's policies, held against the tools that this program has, or (--url) those that a running service has
 *
 * Owns how it is asked and told. Does not own the answer (`Deployment.policies`), which is the very engine's that a
 * service would use. Nothing runs, nothing is written, here or there; a service is asked only where one is named.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import { PrincipalId } from "#src/kernel/Ids.ts"
import * as Variables from "#src/kernel/Variables.ts"
import type { Json } from "#src/kernel/Canonical.ts"
import { type Effective, PolicyError, type PolicyQuestion } from "#src/ports/PolicyEngine.ts"
import { CommandRefused, FoundWrong } from "./CommandRefused.ts"
import type { Deployment } from "./Deployment.ts"
import * as HelpText from "./HelpText.ts"
import * as Page from "./Page.ts"
import * as PolicyPage from "./PolicyPage.ts"
import type { Decides, Opened, Told } from "./PolicyPage.ts"
import * as Remote from "./people/Remote.ts"
import * as Sentences from "./Sentences.ts"
import * as SettingsSource from "./SettingsSource.ts"

/** What a person types for what a decision leads to. */
export const expectations = ["run", "ask", "ask-two", "deny"] as const
export type Expectation = (typeof expectations)[number]

/** `keelson policy`, with what it takes. */
export const command = <S extends SettingsSource.BasicSettings, E, V>(
  deployment: Deployment<S, E, V>,
  environment: SettingsSource.Environment,
  json: Flag.Flag<boolean>
) => {
  const settings = SettingsSource.flags(deployment.settings, (name) => used.has(name))
  const over = overPolicies(deployment, environment)
  const checkCommand = Command.make("check", { settings, url, json }, (input) =>
    over(input, (opened) => check(opened, input))
  ).pipe(
    Command.withDescription("Reads the policies as a start would, and lists them. Nothing is written or served."),
    Command.withShortDescription("validate the policies against the tools, and list them"),
    Command.withExamples([{ command: "keelson policy check", description: "The policies in ./.keelson/policies" }]),
    HelpText.withSections([
      exitCodes([
        ["0", "every policy is valid"],
        ["1", "one is not: each mistake with file and line; or no service answers"],
        ["2", "a flag or a setting is wrong"]
      ])
    ])
  )
  const testCommand = Command.make("test", { settings, url, json, ...question }, (input) =>
    over(input, (opened) =>
      test(opened, {
        ...input,
        as: Option.getOrElse(input.as, () => (input.person ? input.owner : "assistant")),
        expect: Option.getOrNull(input.expect)
      })
    )
  ).pipe(
    Command.withDescription(
      "Says what an action would get, by which policies and why: the very answer that a service with these policies " +
        "would give. Nothing runs, and nobody is asked."
    ),
    Command.withShortDescription("what a given action would get, and why"),
    Command.withExamples(testExamples),
    HelpText.withSections([
      exitCodes([
        ["0", "answered, and as --expect says where it is given"],
        ["1", "answered, but not as --expect says; or the policies are wrong, or no service answers"],
        ["2", "a flag is wrong, there is no such tool, or it does not take such arguments"]
      ])
    ])
  )
  return Command.make("policy").pipe(
    Command.withDescription(
      "What the policies of a folder are, and what they would say. No service is needed; where tools matter that agents " +
        "have declared, --url names the one that knows them."
    ),
    Command.withShortDescription("validate policies, and ask what they would say"),
    Command.withSubcommands([checkCommand, testCommand])
  )
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

interface Typed {
  readonly settings: SettingsSource.Typed
  readonly url: Option.Option<string>
}

/** Does `work` with the folder's policies, held against the tools that there are. */
const overPolicies =
  <S extends SettingsSource.BasicSettings, E, V>(
    deployment: Deployment<S, E, V>,
    environment: SettingsSource.Environment
  ) =>
  <A, E2, R>(input: Typed, work: (opened: Opened) => Effect.Effect<A, E2, R>) =>
    Effect.gen(function* () {
      const { settings } = yield* Effect.fromResult(
        SettingsSource.resolve(deployment.settings, input.settings, environment)
      )
      const named = Option.isSome(input.url) || Variables.given(environment, "KEELSON_URL") !== null
      const told = named ? yield* Remote.withService(settings, input.url, environment, tell) : null
      const policies = yield* deployment
        .policies(settings, told?.tools ?? null)
        .pipe(Effect.mapError((error) => refusal(error, settings, told)))
      const decides = told === null ? null : yield* compare(deployment, settings, policies.set.hash, told)
      return yield* work({ policies, told, decides })
    }).pipe(Effect.scoped)

const tell = ({ client, url }: Remote.Service) =>
  Effect.gen(function* () {
    const { items } = yield* client.service.tools()
    const setHash = yield* client.service.policy().pipe(
      Effect.map(({ hash }): string | null => hash),
      Effect.catchIf(
        (error) => Predicate.hasProperty(error, "code") && error.code === "Forbidden",
        () => Effect.succeed(null)
      )
    )
    return { url, setHash, tools: items } satisfies Told
  })

/** A set's hash is over the policies and the tools that it was held against, and tools are declared at any time. */
const compare = Effect.fnUntraced(function* <S extends SettingsSource.BasicSettings, E, V>(
  deployment: Deployment<S, E, V>,
  settings: S,
  hash: string,
  { setHash, tools }: Told
): Effect.fn.Return<Decides | null, never, Scope.Scope> {
  if (setHash === null) return null
  if (setHash === hash) return "this-set"
  const undeclared = tools.filter(({ executor }) => executor === null)
  const earlier = yield* Effect.option(deployment.policies(settings, undeclared))
  return Option.isSome(earlier) && earlier.value.set.hash === setHash ? "these-policies" : "another-set"
})

/** Where all that is missing may have been declared by an agent, it says who would know. */
const refusal = (error: unknown, settings: SettingsSource.BasicSettings, told: Told | null): CommandRefused => {
  const refused = Sentences.refusal(error, settings)
  const declared = error instanceof PolicyError && error.problems.every(({ undeclared }) => undeclared !== undefined)
  if (!declared) return refused
  const { code, detail, exitCode } = refused
  return new CommandRefused({ code, detail, exitCode, remedy: told === null ? whereDeclared : notDeclared(told) })
}

const whereDeclared =
  "If an agent has declared it, say where the service is that knows it: --url http://127.0.0.1:7717. " +
  "A tool of an app is known to the app's own program."

const notDeclared = ({ url }: Told) => `No agent has declared it at ${url}.`

const check = Effect.fnUntraced(function* (opened: Opened, options: { readonly json: boolean }) {
  if (!options.json) return yield* Console.log(PolicyPage.listed(yield* Page.look, opened))
  const { folder, set, tools } = opened.policies
  yield* Console.log(JSON.stringify({ folder, ...set, tools, service: PolicyPage.serviceOf(opened) }))
})

interface Question {
  readonly as: string
  readonly person: boolean
  readonly roles: ReadonlyArray<string>
  readonly owner: string
  readonly session: string
  readonly tool: string
  /** JSON, as typed. */
  readonly input: string
  readonly expect: Expectation | null
  readonly json: boolean
}

const test = Effect.fnUntraced(function* (opened: Opened, question: Question) {
  const { policies } = opened
  const input = yield* parsed(question.input)
  const actor = { kind: question.person ? "HUMAN" : "AGENT", id: yield* named("--as", question.as) } as const
  const ownerId = yield* named("--owner", question.owner)
  const { session: sessionId, tool } = question
  if (!policies.tools.includes(tool)) return yield* unknownTool(opened, tool)
  const roles = question.roles.length > 0 ? question.roles : usual(actor, ownerId)
  const decision = yield* policies
    .ask({ actor, roles, tool, arguments: input, sessionId, ownerId })
    .pipe(Effect.mapError(({ message }) => wrong("ArgumentsInvalid", `${message}.`, null)))
  const seen = typed[decision.effect]
  if (question.json) {
    const asked = { ...actor, roles, tool }
    yield* Console.log(JSON.stringify({ ...decision, outcome: seen, asked, service: PolicyPage.serviceOf(opened) }))
  } else yield* Console.log(PolicyPage.answer(yield* Page.look, opened, decision, { actor, roles, tool }))
  if (question.expect === null || question.expect === seen) return
  if (!question.json) yield* Console.error(`expected ${question.expect}, but it is ${seen}`)
  return yield* new FoundWrong()
})

const unknownTool = ({ policies, told }: Opened, tool: string) =>
  wrong(
    "UnknownTool",
    `There is no tool ${Page.oneLine(tool)}; there are: ${policies.tools.map(Page.oneLine).join(", ")}.`,
    told === null ? whereDeclared : notDeclared(told)
  )

const wrong = (code: string, detail: string, remedy: string | null) =>
  new CommandRefused({ code, detail, remedy, exitCode: 2 })

const parsed = (text: string): Effect.Effect<Json, CommandRefused> =>
  Effect.try({
    try: () => JSON.parse(text) as Json,
    catch: () => wrong("InputWrong", "--input is not JSON.", `Write it in single quotes: --input '{"path":"a.txt"}'`)
  })

const named = (flag: string, text: string) =>
  PrincipalId.makeOption(text)._tag === "Some"
    ? Effect.succeed(PrincipalId.make(text))
    : Effect.fail(
        wrong(
          "NameWrong",
          `${flag} takes a name of 1 to 64 letters, digits and _ . -, beginning with a letter or digit.`,
          null
        )
      )

/** The roles that a service gives: in a turn to an agent, and to the owner whose token it minted. */
const usual = (actor: PolicyQuestion["actor"], ownerId: string): ReadonlyArray<string> =>
  actor.kind === "AGENT" ? ["agent"] : actor.id === ownerId ? ["owner"] : []

const typed: { readonly [D in Effective]: Expectation } = { Run: "run", Ask: "ask", AskTwo: "ask-two", Deny: "deny" }

const used: ReadonlySet<string> = new Set(["dataFolder", "policyFolder"])

const url = Flag.String("url").pipe(
  Flag.withDescription(
    "Takes the tools of the service that listens there, with those that agents have declared; the policies are the " +
      "folder's all the same. With KEELSON_TOKEN, or the owner's token in the data folder.\n[KEELSON_URL; none is asked]"
  ),
  Flag.withMetavar("URL"),
  Flag.optional
)

const exitCodes = (entries: HelpText.Section["entries"]): HelpText.Section => ({ title: "Exit codes", entries })

const question = {
  as: Flag.String("as").pipe(
    Flag.withDescription("Who asks. The agent `assistant` unless told, with --person the owner."),
    Flag.withMetavar("NAME"),
    Flag.optional
  ),
  person: Flag.Boolean("person").pipe(
    Flag.withDescription("The one who asks is a person, not an agent."),
    Flag.withDefault(false)
  ),
  roles: Flag.String("role").pipe(
    Flag.withDescription(
      "A role of the one who asks; may be given several times. Unless told, what a service gives: `agent` to agents, " +
        "`owner` to the owner."
    ),
    Flag.withMetavar("NAME"),
    Flag.atLeast(0),
    Flag.withDefault([])
  ),
  owner: Flag.String("owner").pipe(
    Flag.withDescription("The session's owner."),
    Flag.withMetavar("NAME"),
    Flag.withDefault("owner")
  ),
  session: Flag.String("session").pipe(
    Flag.withDescription("The session's id, for policies that name one."),
    Flag.withMetavar("ID"),
    Flag.withDefault("ses_00000000000000000000000000")
  ),
  tool: Flag.String("tool").pipe(Flag.withDescription("The tool's name."), Flag.withMetavar("NAME")),
  input: Flag.String("input").pipe(
    Flag.withDescription("The arguments, as JSON."),
    Flag.withMetavar("JSON"),
    Flag.withDefault("{}")
  ),
  expect: Flag.Literals("expect", expectations).pipe(
    Flag.withDescription("Exit with 1 unless it comes out like this: for tests of your policies."),
    Flag.withMetavar("WORD"),
    Flag.optional
  )
}

const testExamples = [
  {
    command: `keelson policy test --tool file.list --input '{"path":"notes"}'`,
    description: "An agent that wants to list a folder"
  },
  {
    command: `keelson policy test --tool file.read --input '{"path":"a"}' --expect run`,
    description: "For a script: exits with 1 if it would not run"
  },
  {
    command: `keelson policy test --url http://127.0.0.1:7717 --tool ping`,
    description: "A tool that an agent has declared at that service"
  }
]
