/**
 * Help that a person can learn from in 80 columns, and what is said about a wrong command line.
 *
 * Owns the layout. Does not own what commands and flags say about themselves.
 *
 * Invariant: help that was asked for goes to standard output; what went wrong goes to standard error, first and
 * short, without a page of help above it.
 */
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import type { ArgDoc, FlagDoc, HelpDoc } from "effect/cli/HelpDoc"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Page from "./Page.ts"

export interface Section {
  readonly title: string
  readonly entries: ReadonlyArray<readonly [label: string, text: string]>
}

/** Sections that a command adds to its help: exit codes, variables. */
export class Sections extends Context.Service<Sections, ReadonlyArray<Section>>()("keelson/cli/HelpSections") {}

export const withSections = (sections: ReadonlyArray<Section>) => Command.annotate(Sections, sections)

export const helpDoc = (look: Page.Look, doc: HelpDoc): string => {
  const extra = Context.getOption(doc.annotations as Context.Context<Sections>, Sections)
  const path = (doc.commandPath ?? ["keelson"]).join(" ")
  const commands = (doc.subcommands ?? []).flatMap((group) => group.commands)
  return [
    ["", Page.indented(look, doc.description, "")],
    ["Usage", usage(doc)],
    [
      "Commands",
      Page.rows(
        look,
        commands.map((command) => [command.name, command.shortDescription ?? command.description])
      )
    ],
    ["Arguments", Page.rows(look, (doc.args ?? []).map(argument))],
    ["Flags", flags(look, doc.flags)],
    ...(Option.isSome(extra) ? extra.value.map(({ title, entries }) => [title, Page.rows(look, entries)]) : []),
    ["Examples", (doc.examples ?? []).map((example) => exampleText(look, example)).join("\n\n")],
    ["Everywhere", Page.rows(look, (doc.globalFlags ?? []).map(everywhere))],
    ["", commands.length === 0 ? "" : `${path} <command> --help tells more about a command.`]
  ]
    .filter(([, body]) => body !== "")
    .map(([title = "", body = ""]) => (title === "" ? body : `${Page.mark(look, "bold", title)}\n${body}`))
    .join("\n\n")
}

export const formatter = (look: Page.Look): CliOutput.Formatter => ({
  formatHelpDoc: (doc) => helpDoc(look, doc),
  formatCliError: (error) => Page.visible(error.message),
  formatError: (error) => Page.visible(error.message),
  formatErrors: (errors) => errors.map((error) => Page.visible(error.message)).join("\n"),
  formatVersion: (name, version) => `${name} ${version}`
})

export const presenter = (look: Page.Look): CliOutput.Presenter => {
  const format = formatter(look)
  return {
    present: (event) => {
      switch (event._tag) {
        case "Help":
          return Console.log(format.formatHelpDoc(event.helpDoc))
        case "Version":
          return Console.log(format.formatVersion(event.name, event.version))
        case "InvalidInvocation":
          return Console.error(invalid(look, event.commandPath.join(" "), event.errors, format))
      }
    }
  }
}

/** Both, for the standard output that there is. */
export const layer = Layer.unwrap(
  Effect.map(Page.look, (look) =>
    Layer.mergeAll(CliOutput.layer(formatter(look)), CliOutput.layerPresenter(presenter(look)))
  )
)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const invalid = (
  look: Page.Look,
  path: string,
  errors: ReadonlyArray<CliError.NonShowHelpErrors>,
  format: CliOutput.Formatter
): string =>
  `${Page.indented(look, `${path}: ${format.formatErrors(errors)}`, "")}\n\n${path} --help tells what it takes.`

/** A command that does something by itself may be given one of its commands, and need not. */
const usage = ({ flags, usage }: HelpDoc): string =>
  `  ${usage.replace(/<subcommand>/, flags.length === 0 ? "<command>" : "[<command>]")}`

const argument = ({ description, name }: ArgDoc): readonly [string, string] => [
  `<${name}>`,
  Option.getOrElse(description, () => "")
]

const namesOf = (flag: FlagDoc): string => [...flag.aliases, `--${flag.name}`].join(", ")

const valueOf = ({ type }: FlagDoc): string => (type === "boolean" ? "" : type.includes("|") ? " WORD" : ` ${type}`)

/** What every command takes is told in as few lines as it can be. */
const everywhere = (flag: FlagDoc): readonly [string, string] => [
  `${namesOf(flag)}${valueOf(flag)}`,
  Option.getOrElse(flag.description, () => "")
]

const flags = (look: Page.Look, docs: ReadonlyArray<FlagDoc>): string =>
  docs
    .map((flag) => {
      const about = Option.getOrElse(flag.description, () => "")
      const needed = flag.required ? "  (needed)" : ""
      return `  ${Page.mark(look, "cyan", namesOf(flag))}${valueOf(flag)}${needed}\n${Page.indented(look, about, "      ")}`
    })
    .join("\n")

const exampleText = (
  look: Page.Look,
  example: { readonly command: string; readonly description?: string | undefined }
) =>
  example.description === undefined
    ? `  ${example.command}`
    : `${Page.indented(look, example.description, "  ")}\n    ${Page.mark(look, "cyan", example.command)}`
