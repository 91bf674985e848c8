#!/usr/bin/env node
/**
 * The two commands a stranger types, `npm start` and `npm test`, on whatever Node they have.
 *
 *   target -> a Node that is new enough -> the packages of the lockfile -> the target in this process's place
 *
 * Owns: the order of these steps. Does not own: the decisions (`launcher/decide.mjs`), the install
 * (`launcher/install.mjs`), or anything of the service.
 * Invariants: plain JavaScript, runs on Node 18 with no package installed; a tree that is complete costs two
 * small files read and no write, no npm, no network; whatever is not ours is passed through untouched.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { chooseNode, majorOf, missingPackages, targetEnvironment, targets, usage } from "./launcher/decide.mjs"
import { exclusively, install, Interrupted, readLock, say, Unable } from "./launcher/install.mjs"
import { endBy, runInPlace } from "./launcher/run.mjs"

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..")
const own = path.join(root, ".launch")
const nodeHome = path.join(root, "deploy/node")

/**
 * What is missing below a folder: by npm's own record, and by a look whether the folders are still there.
 * @param {string} folder
 * @param {import("./launcher/decide.mjs").Needs} needs
 */
const missingIn = (folder, needs) => {
  const lock = readLock(path.join(folder, "package-lock.json"))
  if (lock === null) throw new Unable(`${path.join(folder, "package-lock.json")} can't be read.`)
  const installed = readLock(path.join(folder, "node_modules/.package-lock.json"))
  const missing = missingPackages(lock, installed, needs)
  if (missing.length > 0) return missing
  return Object.keys(installed?.packages ?? {}).filter((name) => !fs.existsSync(path.join(folder, name)))
}

/** @param {import("./launcher/decide.mjs").Needs} needs */
const ensurePackages = async (needs) => {
  if (missingIn(root, needs).length === 0) return
  await exclusively(own, async () => {
    if (missingIn(root, needs).length === 0) return
    say("installing the packages that package-lock.json names (once, about half a minute)")
    const startedAt = process.hrtime.bigint()
    await install(root, own)
    say(`packages installed in ${Math.round(Number(process.hrtime.bigint() - startedAt) / 1e9)} s`)
  })
}

/** True where the C library is musl, for which npm carries no Node. */
const isMusl = () => {
  if (process.platform !== "linux") return false
  const report = /** @type {{ header?: { glibcVersionRuntime?: string } }} */ (process.report.getReport())
  return report.header?.glibcVersionRuntime === undefined
}

/** The Node that runs the target: this one, or the pinned one, brought from npm where it is not there yet. */
const ensureNode = async () => {
  const manifest = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"))
  const about = { version: process.version, floor: majorOf(manifest.engines?.node) }
  const place = { platform: process.platform, arch: process.arch }
  const choice = chooseNode({ ...about, ...place, musl: false })
  if (choice._tag === "Running") return { executable: process.execPath, environment: process.env }
  if (choice._tag === "None") throw new Unable(choice.sentence)
  const executable = path.join(nodeHome, "node_modules", choice.name, choice.executable)
  if (!isNodeInstalled(choice.name, executable)) {
    const here = chooseNode({ ...about, ...place, musl: isMusl() })
    if (here._tag === "None") throw new Unable(here.sentence)
    await exclusively(own, async () => {
      if (isNodeInstalled(choice.name, executable)) return
      const version = readLock(path.join(nodeHome, "package-lock.json"))?.packages?.[`node_modules/${choice.name}`]
        ?.version
      say(
        `Node ${process.version} is older than ${about.floor}: bringing Node ${version} from npm into deploy/node (once)`
      )
      await install(nodeHome, own)
      const tried = spawnSync(executable, ["--version"], { encoding: "utf8" })
      if (tried.stdout?.trim() !== `v${version}`)
        throw new Unable(`The Node that npm carries does not run here. Install Node ${about.floor} or newer.`)
    })
  }
  const folder = path.dirname(executable)
  return { executable, environment: targetEnvironment(process.env, executable, folder, path.delimiter) }
}

/**
 * @param {string} name
 * @param {string} executable
 */
const isNodeInstalled = (name, executable) => {
  const key = `node_modules/${name}`
  const wanted = readLock(path.join(nodeHome, "package-lock.json"))?.packages?.[key]
  const installed = readLock(path.join(nodeHome, "node_modules/.package-lock.json"))?.packages?.[key]
  return installed !== undefined && installed.integrity === wanted?.integrity && fs.existsSync(executable)
}

const main = async () => {
  const [name = "", ...rest] = process.argv.slice(2)
  const target = Object.hasOwn(targets, name) ? targets[name] : undefined
  if (target === undefined) {
    process.stderr.write(`${usage()}\n`)
    process.exitCode = name === "" ? 0 : 64
    return
  }
  const { environment, executable } = await ensureNode()
  await ensurePackages(target.needs)
  const [program = "", ...argv] = target.argv
  const file = path.join(root, program)
  if (!fs.existsSync(file)) throw new Unable(`${program} is not here; this copy of Keelson is incomplete.`)
  // Node 24 strips types by itself but says so on every start.
  const flags = ["--disable-warning=ExperimentalWarning"]
  await runInPlace(executable, [...flags, file, ...argv, ...rest], { cwd: root, env: environment })
}

await main().catch((/** @type {unknown} */ error) => {
  if (error instanceof Interrupted) return endBy(error.signal)
  if (!(error instanceof Unable)) throw error
  say(error.message)
  process.exitCode = 1
})
