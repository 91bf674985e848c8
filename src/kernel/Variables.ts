/**
 * Every variable of the environment that is read beside the settings: by whom, what for, and what it must look like.
 *
 * Owns names, meanings and forms. Does not own the settings' variables: those follow from the settings' own names
 * (`layers/profiles/Settings.ts`), nor an environment: whoever reads one brings it.
 *
 * Stands in `kernel` as `Bounds` does: telemetry, the commands, their page and house law take it from here, and none of
 * them may know another.
 *
 * Invariants: what is not declared here is read nowhere (house law), and is kept from what reads by itself; an empty
 * variable counts as unset; a refusal names the variable and what was expected, and repeats no secret.
 */
import * as Result from "effect/Result"

export interface Variable {
  readonly readBy: string
  readonly about: string
  /** Goes on after "expected". */
  readonly expected: string
  readonly form: RegExp
  /** Never repeated, not even where it is wrong. */
  readonly secret?: true
}

export type Environment = { readonly [name: string]: string | undefined }

const address = {
  expected: "an address such as http://127.0.0.1:7717",
  form: /^https?:\/\/([^\s/?#@]+@)?(\[[\d.:a-f]+\]|[^\s/?#@:[\]%]+)(:\d{1,5})?([/?#]\S*)?$/i
} as const
const anything = { expected: "any text", form: /^/ } as const
const command = { expected: "a command, with its flags", form: /\S/ } as const
const count = { expected: "a whole number from 1 on", form: /^[1-9]\d{0,8}$/ } as const
const pairs = {
  expected: "name=value pairs with commas between",
  form: /^\s*[^\s=,]+\s*=[^,]*(,\s*[^\s=,]+\s*=[^,]*)*,?\s*$/
} as const
const oneOf = (...words: ReadonlyArray<string>) => ({
  expected: words.join(" or "),
  form: new RegExp(`^(${words.join("|")})$`)
})

const beside = "the commands beside a running service, and `keelson policy`"
const start = "`keelson start`"
const launcher = "`npm start` and its kin"
const everything = "every command"

/** Of one signal, over what holds for all three. */
const otlp = <S extends "" | "TRACES_" | "METRICS_" | "LOGS_">(signal: S, of: string) =>
  ({
    [`OTEL_EXPORTER_OTLP_${signal}ENDPOINT`]: {
      readBy: start,
      about: `Where ${of} go; without an endpoint nothing is sent.`,
      ...address
    },
    [`OTEL_EXPORTER_OTLP_${signal}HEADERS`]: {
      readBy: start,
      about: `Headers sent with ${of}.`,
      ...pairs,
      secret: true
    },
    [`OTEL_EXPORTER_OTLP_${signal}COMPRESSION`]: {
      readBy: start,
      about: `How ${of} are compressed; not at all if unset.`,
      ...oneOf("gzip", "none")
    },
    [`OTEL_EXPORTER_OTLP_${signal}TIMEOUT`]: {
      readBy: start,
      about: `How long sending ${of} may take, in milliseconds.`,
      ...count
    }
  }) as { readonly [K in `OTEL_EXPORTER_OTLP_${S}${"ENDPOINT" | "HEADERS" | "COMPRESSION" | "TIMEOUT"}`]: Variable }

const exporter = (of: string) => ({
  readBy: start,
  about: `\`otlp\` sends ${of}, and so does no word; any other keeps them here.`,
  expected: "otlp or none, or names with commas between",
  form: /^\s*\w+\s*(,\s*\w+\s*)*$/
})

const batch = <S extends "BSP" | "BLRP">(prefix: S, of: string) =>
  ({
    [`OTEL_${prefix}_SCHEDULE_DELAY`]: { readBy: start, about: `How often ${of} are sent, in milliseconds.`, ...count },
    [`OTEL_${prefix}_MAX_EXPORT_BATCH_SIZE`]: { readBy: start, about: `How many ${of} at once.`, ...count },
    [`OTEL_${prefix}_EXPORT_TIMEOUT`]: {
      readBy: start,
      about: `How long the last sending of ${of} may take, in milliseconds.`,
      ...count
    }
  }) as { readonly [K in `OTEL_${S}_${"SCHEDULE_DELAY" | "MAX_EXPORT_BATCH_SIZE" | "EXPORT_TIMEOUT"}`]: Variable }

const declared = {
  KEELSON_URL: { readBy: beside, about: "Where the service is, unless `--url` says it.", ...address },
  KEELSON_TOKEN: {
    readBy: beside,
    about: "Who asks; the owner's token in the data folder if unset.",
    expected: "one word of plain characters, as keelson principal create shows it",
    form: /^\s*[!-~]+\s*$/,
    secret: true
  },
  VISUAL: { readBy: "`keelson approve --edit`", about: "Opens the arguments.", ...command },
  EDITOR: { readBy: "`keelson approve --edit`", about: "Opens them where `VISUAL` is unset.", ...command },
  NO_COLOR: { readBy: everything, about: "Whatever it says, nothing is coloured.", ...anything },
  FORCE_COLOR: { readBy: everything, about: "Colour without a terminal too; `0` for none.", ...anything },
  TERM: { readBy: everything, about: "`dumb`: nothing is coloured, and nothing moves.", ...anything },
  OTEL_SDK_DISABLED: {
    readBy: start,
    about: "`true` sends nothing.",
    expected: "true or false",
    form: /^(true|false)$/i
  },
  ...otlp("", "traces, numbers and logs"),
  ...otlp("TRACES_", "traces"),
  ...otlp("METRICS_", "numbers"),
  ...otlp("LOGS_", "logs"),
  OTEL_EXPORTER_OTLP_PROTOCOL: {
    readBy: start,
    about: "How they are written; `http/protobuf` if unset.",
    ...oneOf("http/protobuf", "http/json")
  },
  OTEL_TRACES_EXPORTER: exporter("traces"),
  OTEL_METRICS_EXPORTER: exporter("numbers"),
  OTEL_LOGS_EXPORTER: exporter("logs"),
  OTEL_SERVICE_NAME: { readBy: start, about: "Who sends; `keelson` if unset.", ...anything },
  OTEL_SERVICE_VERSION: { readBy: start, about: "Which version of it.", ...anything },
  OTEL_RESOURCE_ATTRIBUTES: { readBy: start, about: "More about who sends.", ...pairs },
  ...batch("BSP", "traces"),
  ...batch("BLRP", "log lines"),
  OTEL_METRIC_EXPORT_INTERVAL: { readBy: start, about: "How often numbers are sent, in milliseconds.", ...count },
  OTEL_METRIC_EXPORT_TIMEOUT: {
    readBy: start,
    about: "How long the last sending of numbers may take, in milliseconds.",
    ...count
  },
  OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: {
    readBy: start,
    about: "Whether numbers are told as they stand or by what was added; as they stand if unset.",
    ...oneOf("cumulative", "delta")
  },
  PATH: { readBy: launcher, about: "What a newer Node is put before, for programs that it starts.", ...anything },
  HOME: { readBy: launcher, about: "Where npm keeps its cache.", ...anything },
  npm_execpath: { readBy: launcher, about: "Which npm called it, to install with the same one.", ...anything },
  npm_config_cache: { readBy: launcher, about: "The cache that npm was told to use.", ...anything },
  npm_lifecycle_event: { readBy: launcher, about: "That npm called it, and may leave before it.", ...anything }
} satisfies { readonly [name: string]: Variable }

export type Name = keyof typeof declared

export const variables: { readonly [K in Name]: Variable } = declared

export const isDeclared = (name: string): name is Name => Object.hasOwn(declared, name)

/** The text of a variable; null where it is unset or empty. */
export const given = (environment: Environment, name: Name): string | null => {
  const text = environment[name]
  return text === undefined || text === "" ? null : text
}

/** The same, or the sentence that refuses it. */
export const judged = (environment: Environment, name: Name): Result.Result<string | null, string> =>
  asForm(name, name, given(environment, name))

/** What came from `source` in the place of the variable, judged by the variable's form. */
export const asForm = <T extends string | null>(source: string, name: Name, text: T): Result.Result<T, string> => {
  const { expected, form, secret }: Variable = variables[name]
  if (text === null || form.test(text)) return Result.succeed(text)
  return Result.fail(`${source}: expected ${expected}${secret === true ? "" : `, but is ${quoted(text)}`}`)
}

/** Every declared variable that is out of form, as sentences. */
export const wrong = (environment: Environment, which: (name: string) => boolean = () => true): ReadonlyArray<string> =>
  Object.keys(environment).flatMap((name) => {
    if (!isDeclared(name) || !which(name)) return []
    const found = judged(environment, name)
    return Result.isFailure(found) ? [found.failure] : []
  })

/** A value as it is shown in a refusal: escaped, and cut. */
export const quoted = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
