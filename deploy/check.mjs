/**
 * `npm run check`: all that CI checks before the tests. Every step runs, so that one run shows all that is wrong.
 *
 * A generator is a file `*.generate.ts` below docs, src or test: run plainly it writes its pages, with `--check` it
 * writes nothing and fails where a page is stale. The linter comes before the compiler, which leaves
 * declarations beside the sources where a wall is breached.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..")

/**
 * @param {string} folder
 * @returns {ReadonlyArray<string>}
 */
const generatorsIn = (folder) =>
  fs.existsSync(folder)
    ? fs
        .readdirSync(folder, { withFileTypes: true })
        .flatMap((entry) =>
          entry.isDirectory()
            ? generatorsIn(path.join(folder, entry.name))
            : entry.name.endsWith(".generate.ts")
              ? [path.join(folder, entry.name)]
              : []
        )
    : []

const generators = ["docs", "src", "test"].flatMap((top) => generatorsIn(path.join(root, top)))

/** @type {ReadonlyArray<readonly [name: string, argv: ReadonlyArray<string>]>} */
const steps = [
  ["format", ["node_modules/oxfmt/bin/oxfmt", "--check"]],
  ["lint", ["node_modules/oxlint/bin/oxlint"]],
  ["types", ["node_modules/typescript/bin/tsc", "-b"]],
  ["house", ["test/house/tree.ts"]],
  ...generators.map((file) => /** @type {const} */ ([path.relative(root, file), [file, "--check"]]))
]

/** @type {string[]} */
const lines = []
for (const [name, argv] of steps) {
  const startedAt = process.hrtime.bigint()
  const { status } = spawnSync(process.execPath, argv, { cwd: root, stdio: "inherit" })
  const seconds = (Number(process.hrtime.bigint() - startedAt) / 1e9).toFixed(1)
  lines.push(`${status === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)`)
  if (status !== 0) process.exitCode = 1
}
process.stdout.write(`\n${lines.join("\n")}\n`)
