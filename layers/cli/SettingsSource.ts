/**
 * Settings from flags, environment variables and defaults, decoded by the one schema.
 *
 *   --data-folder D  over  KEELSON_DATA_FOLDER=D  over  the default
 *
 * Owns where a value comes from, and the refusal that names it. Does not own which settings there are: it is given
 * their schema (`layers/profiles/Settings.ts`), and flags, variables and help follow from that.
 *
 * Invariants: nothing is guessed: a wrong value, an unknown `KEELSON_` variable or a secret on the command line is
 * refused; a secret comes from the environment only and is never repeated, here or in an error.
 */
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as Variables from "#src/kernel/Variables.ts"
import { CommandRefused } from "./CommandRefused.ts"

/** What the command line itself must know of a deployment's settings; there may be any more. */
export interface BasicSettings {
  readonly host: string
  readonly port: number
  readonly dataFolder: string
  readonly databaseUrl: Redacted.Redacted<string> | null
}

export interface SettingsDefinition<S extends BasicSettings> {
  readonly schema: Schema.Decoder<S> & { readonly fields: { readonly [name: string]: Schema.Decoder<unknown> } }
  readonly defaults: S
}

export type Source =
  | { readonly _tag: "Flag"; readonly name: string }
  | { readonly _tag: "Variable"; readonly name: string }
  | { readonly _tag: "Default" }

export interface Resolved<S> {
  readonly settings: S
  readonly sources: { readonly [name: string]: Source }
}

export type Environment = Variables.Environment

/** What a person typed: texts by setting. */
export type Typed = { readonly [name: string]: Option.Option<string> }

/** `dataFolder` is `--data-folder`. */
export const flagName = (setting: string): string => setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

/** `dataFolder` is `KEELSON_DATA_FOLDER`. */
export const variableName = (setting: string): string =>
  `${prefix}${flagName(setting).replaceAll("-", "_").toUpperCase()}`

/** Settings that hold secrets have no flag of their own: everybody on the machine can read a process's command line. */
export const isSecret = (definition: SettingsDefinition<BasicSettings>, setting: string): boolean =>
  setting === "databaseUrl" || Redacted.isRedacted(defaultOf(definition, setting))

/**
 * One flag per setting; for a secret, `--<name>-env` names the variable that holds it. Flags that are not `told` are
 * taken and left out of the help; `told` may also say what a setting means to this command.
 */
export const flags = <S extends BasicSettings>(
  definition: SettingsDefinition<S>,
  only: (setting: string) => boolean = () => true,
  told: (setting: string) => boolean | string = () => true
): { readonly [name: string]: Flag.Flag<Option.Option<string>> } =>
  Object.fromEntries(
    Object.keys(definition.schema.fields)
      .filter(only)
      .flatMap((setting): ReadonlyArray<readonly [string, Flag.Flag<Option.Option<string>>]> => {
        const word = told(setting)
        const about = describe(definition, setting, typeof word === "string" ? word : undefined)
        const shown = <A>(flag: Flag.Flag<A>) => (word === false ? Flag.withHidden(flag) : flag)
        if (!isSecret(definition, setting)) {
          const flag = Flag.String(flagName(setting)).pipe(
            shown,
            Flag.withDescription(about),
            Flag.withMetavar(metavar(definition, setting)),
            Flag.optional
          )
          return [[setting, flag]]
        }
        const named = Flag.String(`${flagName(setting)}-env`).pipe(
          shown,
          Flag.withDescription(`Names the variable that holds it: ${about}`),
          Flag.withMetavar("NAME"),
          Flag.optional
        )
        const open = Flag.String(flagName(setting)).pipe(Flag.withHidden, Flag.optional)
        return [
          [`${setting}Env`, named],
          [setting, open]
        ]
      })
  )

/** Every problem at once, each with the value's name, where it came from and what was expected. */
export const resolve = <S extends BasicSettings>(
  definition: SettingsDefinition<S>,
  typed: Typed,
  environment: Environment
): Result.Result<Resolved<S>, CommandRefused> => {
  const problems = unknownVariables(definition, environment)
  const values: Record<string, unknown> = { ...(definition.defaults as BasicSettings) }
  const sources: Record<string, Source> = {}
  for (const setting of Object.keys(definition.schema.fields)) {
    const found = isSecret(definition, setting)
      ? secretOf(setting, typed, environment)
      : Result.succeed(given(setting, typed, environment))
    if (Result.isFailure(found)) {
      problems.push(found.failure)
      continue
    }
    const { source, text } = found.success
    sources[setting] = source
    if (text === null) continue
    const value = Result.flatMap(read(definition, setting, text), (value) =>
      Result.mapError(
        Schema.decodeUnknownResult(definition.schema.fields[setting]!)(value),
        (error) => `e${error.message.slice(1)}`
      )
    )
    if (Result.isSuccess(value)) values[setting] = value.success
    else problems.push(wrong(source, value.failure, isSecret(definition, setting) ? null : text))
  }
  if (problems.length > 0) return Result.fail(refused(problems))
  follow(definition, values, sources)
  return Result.mapBoth(Schema.decodeUnknownResult(definition.schema)(values), {
    onFailure: (error) => refused([`the settings contradict each other: ${asTyped(definition, error.message)}`]),
    onSuccess: (settings): Resolved<S> => ({ settings, sources })
  })
}

/** The default as a person would type it. */
export const shownDefault = (definition: SettingsDefinition<BasicSettings>, setting: string): string => {
  const value = defaultOf(definition, setting)
  if (value === "") return "none"
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? `${value}` : "none"
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const prefix = "KEELSON_"

/** Of the project's own tests and benches. */
const foreign = /^KEELSON_(TEST|BENCH)_/

interface Given {
  readonly source: Source
  readonly text: string | null
}

const defaultOf = (definition: SettingsDefinition<BasicSettings>, setting: string): unknown =>
  new Map<string, unknown>(Object.entries(definition.defaults)).get(setting)

const description = (definition: SettingsDefinition<BasicSettings>, setting: string): string => {
  const found: unknown = SchemaAST.resolve(definition.schema.fields[setting]!.ast)?.["description"]
  return typeof found === "string" ? found : ""
}

const describe = (
  definition: SettingsDefinition<BasicSettings>,
  setting: string,
  about = description(definition, setting)
): string => `${about}\n[${variableName(setting)}; ${shownDefault(definition, setting)}]`

const metavar = (definition: SettingsDefinition<BasicSettings>, setting: string): string =>
  typeof defaultOf(definition, setting) === "number" ? "N" : setting.endsWith("Folder") ? "FOLDER" : "TEXT"

/** An empty variable counts as unset: that is how a compose file or a unit file says "no value". */
const present = (text: string | undefined): text is string => text !== undefined && text !== ""

const given = (setting: string, typed: Typed, environment: Environment): Given => {
  const flag = typed[setting]
  if (flag !== undefined && Option.isSome(flag)) {
    return { source: { _tag: "Flag", name: `--${flagName(setting)}` }, text: flag.value }
  }
  const name = variableName(setting)
  const text = environment[name]
  if (present(text)) return { source: { _tag: "Variable", name }, text }
  return { source: { _tag: "Default" }, text: null }
}

const secretOf = (setting: string, typed: Typed, environment: Environment): Result.Result<Given, string> => {
  const open = typed[setting]
  const flag = `--${flagName(setting)}`
  if (open !== undefined && Option.isSome(open)) {
    return Result.fail(
      `${flag} is not taken: everybody on this machine can read a command line. ` +
        `Put the value into ${variableName(setting)}, or name another variable with ${flag}-env.`
    )
  }
  const named = typed[`${setting}Env`]
  if (named === undefined || Option.isNone(named)) {
    const name = variableName(setting)
    const text = environment[name]
    return Result.succeed(
      present(text) ? { source: { _tag: "Variable", name }, text } : { source: { _tag: "Default" }, text: null }
    )
  }
  const text = environment[named.value]
  return present(text)
    ? Result.succeed({ source: { _tag: "Variable", name: named.value }, text })
    : Result.fail(`${flag}-env names ${Variables.quoted(named.value)}, and there is no such variable, or it is empty`)
}

const read = (
  definition: SettingsDefinition<BasicSettings>,
  setting: string,
  text: string
): Result.Result<unknown, string> => {
  if (isSecret(definition, setting)) return Result.succeed(Redacted.make(text, { label: setting }))
  if (typeof defaultOf(definition, setting) !== "number") return Result.succeed(text)
  return /^-?\d{1,15}$/.test(text) ? Result.succeed(Number(text)) : Result.fail("expected a whole number")
}

/** A sentence with the settings in it called as they are typed. */
const asTyped = (definition: SettingsDefinition<BasicSettings>, sentence: string): string =>
  sentence.replace(/\b[a-z]+[A-Z]\w*/g, (name) => (name in definition.schema.fields ? `--${flagName(name)}` : name))

const wrong = (source: Source, expected: string, text: string | null): string =>
  `${source._tag === "Default" ? "a default" : source.name}: ${expected}${text === null ? "" : `, but is ${Variables.quoted(text)}`}`

const refused = (problems: ReadonlyArray<string>): CommandRefused =>
  new CommandRefused({
    code: "SettingsWrong",
    detail: problems.join("\n"),
    remedy: "Nothing was opened. --help tells what each setting takes.",
    exitCode: 2
  })

/** A misspelt variable would leave a limit or a folder at its default without a word. */
const unknownVariables = (definition: SettingsDefinition<BasicSettings>, environment: Environment): Array<string> => {
  const known = new Set(Object.keys(definition.schema.fields).map(variableName))
  return Object.keys(environment)
    .filter((name) => name.startsWith(prefix) && !foreign.test(name) && !Variables.isDeclared(name))
    .filter((name) => !known.has(name) && present(environment[name]))
    .map((name) => {
      const near = nearest(name, known)
      return `${name} is no setting${near === undefined ? "" : `; ${near} is`}`
    })
}

/** The known name that differs least, where it differs little: by underscores, by the order of letters, by a half. */
const nearest = (name: string, known: ReadonlySet<string>): string | undefined => {
  const letters = (text: string): string =>
    Array.from(text.slice(prefix.length).replaceAll("_", "")).toSorted().join("")
  const same = [...known].find((candidate) => letters(candidate) === letters(name))
  if (same !== undefined) return same
  const half = name.slice(0, prefix.length + Math.ceil((name.length - prefix.length) / 2))
  const alike = [...known].filter((candidate) => candidate.startsWith(half))
  return alike.length === 1 ? alike[0] : undefined
}

/** Folders whose default lies inside the default data folder go with it: another data folder is another world. */
const follow = (
  definition: SettingsDefinition<BasicSettings>,
  values: Record<string, unknown>,
  sources: { readonly [name: string]: Source }
): void => {
  if (sources["dataFolder"]?._tag === "Default") return
  const home = `${definition.defaults.dataFolder}/`
  for (const setting of Object.keys(definition.schema.fields)) {
    const value = defaultOf(definition, setting)
    if (setting === "dataFolder" || sources[setting]?._tag !== "Default" || typeof value !== "string") continue
    if (value.startsWith(home)) values[setting] = `${String(values["dataFolder"])}/${value.slice(home.length)}`
  }
}
