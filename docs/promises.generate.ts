/**
 * Writes `docs/promises.md` from `promises.ts` and the reports below `figures/`; with `--check` says whether it is what
 * they give. A report is what a command wrote with `--json docs/figures/NAME.json`: no figure here is typed by hand.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { mutants } from "#test/simulation/mutants.ts"
import * as Figures from "./figures/figures.ts"
import { type Promised, promises } from "./promises.ts"

const root = new URL("../", import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), "utf8")

const { scripts }: { readonly scripts: { readonly [name: string]: string } } = JSON.parse(read("package.json"))

/** The command as it stands there, once it is known that there is such a one. */
const checkedCommand = ({ command }: Promised): string => {
  const [, script = "", rest = ""] = /^npm (?:run )?(\S+)(?: -- (.*))?$/.exec(command) ?? []
  if (!Object.hasOwn(scripts, script)) throw new Error(`package.json has no script for: ${command}`)
  for (const file of rest.split(" ").filter((word) => word.endsWith(".ts"))) {
    if (!existsSync(new URL(file, root))) throw new Error(`there is no ${file}, of: ${command}`)
  }
  return `\`${command}\``
}

const controlOf = ({ control, says }: Promised): string => {
  if ("mutant" in control) {
    if (!Object.hasOwn(mutants, control.mutant)) throw new Error(`there is no mutant ${control.mutant}`)
    return `\`npm run simulate -- --mutant ${control.mutant}\``
  }
  const [file, title] = control
  const said = read(file).split(title)
  const isTitle = said.length === 2 && /\b(?:it|each)\b[^;]*["'`]$/.test(said[0]!.slice(-400))
  if (!isTitle) throw new Error(`${file} has no test "${title}", and that once, the control of: ${says}`)
  return `[${title}](../${file}): \`npm ${file.includes(".slow.") ? "run test:slow" : "test"} -- ${file}\``
}

const figuresOf = ({ figures = [] }: Promised): string =>
  figures.map((name) => Figures.line(name) ?? "not run yet").join("; ") || "it passes or it fails"

const cell = (text: string): string => text.replaceAll("|", "\\|")

const table = (rows: ReadonlyArray<Promised>): string =>
  [
    "| the promise | how to try it | what shows that the trial can fail | last seen |",
    "| --- | --- | --- | --- |",
    ...rows.map((row) =>
      ["", row.says, checkedCommand(row), controlOf(row), figuresOf(row), ""].map(cell).join(" | ").trim()
    )
  ].join("\n")

const page = `# What Keelson promises and how to check it

A row for each promise: the sentence, a command that tries it on your machine, and what shows that the trial can fail, for a check that can't go red checks nothing. Figures come from reports that those commands wrote with \`--json\`, kept below [\`docs/figures\`](figures) with machine and date.

Written by \`docs/promises.generate.ts\` from \`docs/promises.ts\` and those reports.

${Object.entries(promises)
  .map(([group, rows]) => `## ${group}\n\n${table(rows)}`)
  .join("\n\n")}

The control of a bench shows that wrong answers would be noticed. How fast it was is a figure of one machine, and a goal that it names is met there or not, as the last column says. Controls are tests but for mutants of the simulation; that of a full disk needs root, for it mounts a small one.
`

/** As the formatter lines tables up: cells and their rules are compared without their padding. */
const bare = (text: string): string => text.replace(/ +\|/g, " |").replace(/\| -+ (?=\|)/g, "| --- ")

const file = new URL("promises.md", import.meta.url)

if (process.argv.includes("--check")) {
  if (bare(readFileSync(file, "utf8")) !== bare(page)) {
    process.stderr.write(
      "docs/promises.md is not what promises and reports give; run: node docs/promises.generate.ts\n"
    )
    process.exitCode = 1
  }
} else {
  writeFileSync(file, page)
}
