/**
 * Writes `docs/configuration.md` from the schema of the settings; with `--check` says whether it is what that gives.
 *
 * `npm run check` runs it with `--check`; `node docs/configuration.generate.ts` writes it anew.
 */
import { readFileSync, writeFileSync } from "node:fs"
import * as SchemaAST from "effect/SchemaAST"
import * as SettingsSource from "#layers/cli/SettingsSource.ts"
import * as Settings from "#layers/profiles/Settings.ts"
import * as Variables from "#src/kernel/Variables.ts"

const definition = { schema: Settings.Settings, defaults: Settings.defaults }

const description = (setting: string): string => {
  const fields: { readonly [name: string]: { readonly ast: SchemaAST.AST } } = definition.schema.fields
  const found: unknown = SchemaAST.resolve(fields[setting]!.ast)?.["description"]
  return typeof found === "string" ? found : ""
}

const rows = Object.keys(definition.schema.fields).map((setting) => {
  const flag = SettingsSource.flagName(setting)
  const shown = SettingsSource.isSecret(definition, setting) ? `\`--${flag}-env\` (names a variable)` : `\`--${flag}\``
  const value = SettingsSource.shownDefault(definition, setting)
  return `| \`${SettingsSource.variableName(setting)}\` | ${shown} | ${value === "none" ? "none" : `\`${value}\``} | ${description(setting)} |`
})

const besideRows = Object.entries(Variables.variables).map(
  ([name, { about, expected, readBy }]) => `| \`${name}\` | ${readBy} | ${about} | ${expected} |`
)

const page = `# Configuration

Written by \`docs/configuration.generate.ts\` from what decodes them: \`layers/profiles/Settings.ts\`, and \`src/kernel/Variables.ts\` for what is no setting.

Every setting of a service is an environment variable and a flag of \`keelson start\`; a flag counts before its variable, and that before the default. A wrong value is refused with its name and what was expected, before anything is opened; so is a \`KEELSON_\` variable that is no setting. [The command line](cli.md#settings) says more about where values come from.

| variable | flag | default | what it sets |
| --- | --- | --- | --- |
${rows.join("\n")}

## Beside these

Variables that are no settings of a service:

| variable | read by | what for | expected |
| --- | --- | --- | --- |
${besideRows.join("\n")}

A wrong value is refused by whoever reads it. Other \`OTEL_\` variables mean nothing here. [To a collector](operations.md#to-a-collector) says what is sent.

Limits that no deployment changes stand in \`src/kernel/Bounds.ts\`; \`src/kernel/Relations.ts\` asserts how they stand to each other when the program loads.
`

/** As the formatter lines tables up: cells and their rules are compared without their padding. */
const bare = (text: string): string => text.replace(/ +\|/g, " |").replace(/\| -+ (?=\|)/g, "| --- ")

const file = new URL("configuration.md", import.meta.url)

if (process.argv.includes("--check")) {
  if (bare(readFileSync(file, "utf8")) !== bare(page)) {
    process.stderr.write(
      "docs/configuration.md is not what the settings give; run: node docs/configuration.generate.ts\n"
    )
    process.exitCode = 1
  }
} else {
  writeFileSync(file, page)
}
