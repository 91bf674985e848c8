/**
 * The tree as it stands: its texts, and how long its functions are.
 *
 *   node test/house/tree.ts      prints what is untidy and exits 1 (a step of `npm run check`)
 */
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { type TextFile, type Untidy, untidy } from "./tidy.ts"

export const root = path.resolve(import.meta.dirname, "../..")

/** Folders that tools fill: named here because a copy without git has to be checked too. */
const filled = new Set(["node_modules", ".git", ".launch", ".tsc", ".keelson", "dist", "coverage"])
/** Kept byte for byte, whatever stands in them. */
const preserved = /^test\/(golden\/v|fixtures\/)/
const readable = /\.(ts|mts|mjs|js|json|md|yml|yaml|sh|sql|cedar|txt|py|html|css)$|(^|\/)[^.]+$|(^|\/)\.[\w-]+$/

/** @returns every text of the tree, with its path relative to `top` */
export const read = (top: string): ReadonlyArray<TextFile> => {
  const walk = (folder: string): ReadonlyArray<TextFile> =>
    fs.readdirSync(path.join(top, folder), { withFileTypes: true }).flatMap((entry) => {
      const file = path.posix.join(folder, entry.name)
      if (entry.isDirectory()) return filled.has(entry.name) ? [] : walk(file)
      if (!entry.isFile() || preserved.test(file) || !readable.test(file)) return []
      return [{ path: file, text: fs.readFileSync(path.join(top, file), "utf8") }]
    })
  return walk("")
}

const functionLinesMax = 70

interface Span {
  readonly file: string
  readonly start: number
  readonly end: number
}

/** Every function of more than one line, as the linter sees them. */
const functionsIn = (top: string, folders: ReadonlyArray<string>): ReadonlyArray<Span> => {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "keelson-tidy-"))
  try {
    const config = path.join(scratch, "functions.json")
    const rule = ["error", { max: 1, skipBlankLines: false, skipComments: false }]
    fs.writeFileSync(
      config,
      JSON.stringify({ categories: { correctness: "off" }, rules: { "max-lines-per-function": rule } })
    )
    const script = path.join(root, "node_modules/oxlint/bin/oxlint")
    const flags = ["-c", config, "--format", "json", "--ignore-pattern", "**/node_modules/**", ...folders]
    const { stdout } = childProcess.spawnSync(process.execPath, [script, ...flags], {
      cwd: top,
      encoding: "utf8",
      maxBuffer: 256 * 1024 * 1024
    })
    const report = JSON.parse(stdout) as {
      readonly diagnostics: ReadonlyArray<{
        readonly filename: string
        readonly labels: ReadonlyArray<{ readonly span: { readonly offset: number; readonly length: number } }>
      }>
    }
    return report.diagnostics.flatMap(({ filename, labels }) =>
      labels.slice(0, 1).map(({ span }) => ({
        file: filename.replaceAll("\\", "/"),
        start: span.offset,
        end: span.offset + span.length
      }))
    )
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true })
  }
}

/** Functions with more lines of their own than the law allows: lines of functions inside them are not counted. */
export const longFunctions = (top: string, folders: ReadonlyArray<string>): ReadonlyArray<Untidy> => {
  const all = functionsIn(top, folders)
  return [...new Set(all.map((span) => span.file))].flatMap((file) => {
    const spans = all.filter((span) => span.file === file)
    const bytes = fs.readFileSync(path.join(top, file))
    const linesOf = ({ end, start }: { readonly start: number; readonly end: number }) =>
      bytes.subarray(start, end).filter((byte) => byte === 10).length + 1
    return spans.flatMap((span) => {
      const inside = spans.filter((one) => one !== span && one.start >= span.start && one.end <= span.end)
      const outermost = inside.filter(
        (one) => !inside.some((two) => two !== one && two.start <= one.start && two.end >= one.end)
      )
      const own = linesOf(span) - outermost.reduce((sum, one) => sum + linesOf(one) - 1, 0)
      if (own <= functionLinesMax) return []
      const line = linesOf({ start: 0, end: span.start })
      return [{ rule: "function", path: file, line, detail: `${own} lines of its own, of ${functionLinesMax} at most` }]
    })
  })
}

/** All that is untidy in this project. */
export const untidyHere = (): ReadonlyArray<Untidy> => [
  ...untidy(read(root)),
  ...longFunctions(root, ["src", "layers", "deploy"])
]

// `import.meta.main` came with Node 24.2: under 24.0 the check would say nothing and pass.
if (process.argv[1] === import.meta.filename) {
  const found = untidyHere()
  for (const { detail, line, path: file, rule } of found) process.stdout.write(`${file}:${line}  ${rule}: ${detail}\n`)
  process.stdout.write(`${found.length === 0 ? "tidy" : `${found.length} untidy`}\n`)
  process.exitCode = found.length === 0 ? 0 : 1
}
