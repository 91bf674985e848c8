/**
 * All that CI does, from a clean checkout, by the commands that people use: install, check, tests, slow suites, a
 * fresh clone. `.ci/run` and `npm run ci` call it.
 *
 * Invariants: runs on the system's Node with nothing installed; every stage runs, whatever failed before, but for
 * the tests where nothing could be installed; the closing line counts tests, and each stage that failed without a
 * failed test as one more failure; the exit code is 0 only where nothing failed.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..")
const reports = fs.mkdtempSync(path.join(os.tmpdir(), "keelson-ci-"))

/**
 * @typedef {{ readonly passed: number, readonly failed: number, readonly skipped: number }} Count
 */

/** @type {Count} */
const nothing = { passed: 0, failed: 0, skipped: 0 }

/**
 * What a report counts, Vitest's or that of the fresh clone; nothing where there is none.
 * @param {string} file
 * @returns {Count}
 */
export const countOf = (file) => {
  try {
    const report = JSON.parse(fs.readFileSync(file, "utf8"))
    if (report.numPassedTests === undefined) return report
    return {
      passed: report.numPassedTests,
      failed: report.numFailedTests,
      skipped: report.numPendingTests + report.numTodoTests
    }
  } catch {
    return nothing
  }
}

/**
 * The failed tests of a Vitest report, each with its file and the first line of what it said: whoever sees only the
 * end of a long log sees them.
 * @param {string} file
 * @returns {ReadonlyArray<string>}
 */
export const failuresOf = (file) => {
  try {
    const { testResults = [] } = JSON.parse(fs.readFileSync(file, "utf8"))
    return testResults.flatMap((/** @type {any} */ { assertionResults, message, name, status }) => {
      const place = path.relative(root, name)
      const failed = assertionResults.filter((/** @type {any} */ test) => test.status === "failed")
      if (failed.length === 0) return status === "failed" ? [`${place}: ${firstLine(message)}`] : []
      return failed.map(
        (/** @type {any} */ { failureMessages, fullName }) => `${place} > ${fullName}: ${firstLine(failureMessages[0])}`
      )
    })
  } catch {
    return []
  }
}

/** @param {string | undefined} text */
const firstLine = (text) => (text ?? "").split("\n", 1)[0]

/**
 * A stage that failed counts as a failure even where it counted none: a crash, a check, a file that did not load.
 * @param {Count} count
 * @param {boolean} ok
 * @returns {Count}
 */
export const truthful = (count, ok) => (ok || count.failed > 0 ? count : { ...count, failed: 1 })

/** @param {string} folder @returns {boolean} */
const hasSlowSuites = (folder) =>
  fs
    .readdirSync(folder, { withFileTypes: true })
    .some((entry) =>
      entry.isDirectory() ? hasSlowSuites(path.join(folder, entry.name)) : /\.(slow|chaos)\.test\.ts$/.test(entry.name)
    )

/**
 * @param {string} title
 * @param {ReadonlyArray<string>} argv
 * @param {string | null} report
 * @param {ReadonlyArray<string>} flags
 * @param {{ readonly [name: string]: string }} environment
 */
const stage = (title, argv, report, flags = [], environment = {}) => {
  process.stdout.write(`\n== ${title}\n`)
  const startedAt = process.hrtime.bigint()
  const { status } = spawnSync(process.execPath, [...argv, ...flags], {
    cwd: root,
    env: { ...environment, ...process.env },
    stdio: ["ignore", "inherit", "inherit"]
  })
  const ok = status === 0
  const count = truthful(report === null ? nothing : countOf(report), ok)
  const seconds = Math.round(Number(process.hrtime.bigint() - startedAt) / 1e9)
  return { title, ok, count, seconds, failures: report === null ? [] : failuresOf(report) }
}

/** @param {string} name */
const reportOf = (name) => path.join(reports, `${name}.json`)

/** The slow suites in a short form: fewer kills of the same kinds. `npm run test:slow` is the whole of it. */
const short = { KEELSON_KILLS: "25" }

/** @param {"test" | "test:slow"} target @param {string} report */
const vitest = (target, report) => {
  const flags = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`]
  return stage(target, launch(target), report, flags, target === "test:slow" ? short : {})
}

const launch = (/** @type {string} */ target) => [path.join(root, "deploy/launch.mjs"), target]

const main = () => {
  const stages = [
    stage("check", launch("check"), null),
    vitest("test", reportOf("test")),
    ...(hasSlowSuites(path.join(root, "test")) ? [vitest("test:slow", reportOf("slow"))] : []),
    stage("test:fresh", [path.join(root, "deploy/fresh.mjs"), "--report", reportOf("fresh")], reportOf("fresh"))
  ]
  fs.rmSync(reports, { recursive: true, force: true })
  const total = stages.reduce(
    (sum, { count }) => ({
      passed: sum.passed + count.passed,
      failed: sum.failed + count.failed,
      skipped: sum.skipped + count.skipped
    }),
    nothing
  )
  process.stdout.write("\n")
  for (const { ok, seconds, title } of stages)
    process.stdout.write(`${ok ? "ok    " : "FAILED"} ${title} (${seconds} s)\n`)
  for (const failure of stages.flatMap(({ failures }) => failures)) process.stdout.write(`failed: ${failure}\n`)
  const skipped = total.skipped === 0 ? "" : `, ${total.skipped} skipped`
  process.stdout.write(`\n${total.passed} passed, ${total.failed} failed${skipped}\n`)
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main()
