#!/usr/bin/env node
/**
 * The two commands a stranger types, `npm start` and `npm test`, on whatever Node they have.
 *
 *   target -> a Node that is new enough -> the packages of the lockfile -> the target in this process's place
 *
 * Owns: the order of these steps. Does not own: the decisions (`launcher/decide.mjs`), the install
 * (`launcher/install.mjs`), or anything of the service.
 * Invariants: plain JavaScript, runs on Node 18 with no package installed; a tree that is complete costs a
 * few small files read and no write, no npm, no network; whatever is not ours is passed through untouched.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { chooseNode, majorOf, missingPackages, targetEnvironment, targets, usage } from "./launcher/decide.mjs"
import { exclusively, install, Interrupted, readLock, say, Unable } from "./launcher/install.mjs"
import { pinnedNode } from "./launcher/pinned.mjs"
import { endBy, isLeft, runInPlace } from "./launcher/run.mjs"

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

/** True where the C library is musl, for which npm carries no Node. */
const isMusl = () => {
  if (process.platform !== "linux") return false
  const report = /** @type {{ header?: { glibcVersionRuntime?: string } }} */ (process.report.getReport())
  return report.header?.glibcVersionRuntime === undefined
}

/**
 * The Node that runs the target: this one, or the pinned one. `lacking` holds the package to bring, or nothing.
 */
const chosenNode = () => {
  const manifest = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"))
  const about = { version: process.version, floor: majorOf(manifest.engines?.node) }
  const place = { platform: process.platform, arch: process.arch }
  const choice = chooseNode({ ...about, ...place, musl: false })
  if (choice._tag === "Running") return { executable: process.execPath, environment: process.env, lacking: null }
  if (choice._tag === "None") throw new Unable(choice.sentence)
  const { executable, isThere, version } = pinnedNode(nodeHome, choice)
  const environment = targetEnvironment(process.env, executable, path.dirname(executable), path.delimiter)
  if (isThere) return { executable, environment, lacking: null }
  const here = chooseNode({ ...about, ...place, musl: isMusl() })
  if (here._tag === "None") throw new Unable(here.sentence)
  return { executable, environment, lacking: version }
}

/** @param {import("./launcher/decide.mjs").Needs} needs */
const lackingNow = (needs) => ({ node: chosenNode().lacking, packages: missingIn(root, needs).length > 0 })

/**
 * Brings Node and packages, side by side, where they are missing.
 * @param {import("./launcher/decide.mjs").Needs} needs
 */
const bringWhatIsMissing = (needs) =>
  exclusively(own, async () => {
    const { node, packages } = lackingNow(needs)
    if (node === null && !packages) return
    const startedAt = performance.now()
    if (node !== null)
      say(`Node ${process.version} is too old here: bringing Node ${node} from npm into deploy/node (once)`)
    if (packages) say("installing the packages that package-lock.json names (once, about half a minute)")
    const folders = [...(node === null ? [] : [nodeHome]), ...(packages ? [root] : [])]
    await install(folders, own)
    say(`installed in ${Math.round((performance.now() - startedAt) / 1000)} s`)
    if (node === null) return
    const tried = spawnSync(chosenNode().executable, ["--version"], { encoding: "utf8" })
    if (tried.stdout?.trim() !== `v${node}`)
      throw new Unable(`Node ${node}, as npm carries it, does not run on this system. Install Node 24 or newer.`)
  })

const main = async () => {
  const [name = "", ...rest] = process.argv.slice(2)
  const target = Object.hasOwn(targets, name) ? targets[name] : undefined
  if (target === undefined) {
    process.stderr.write(`${usage()}\n`)
    process.exitCode = name === "" ? 0 : 64
    return
  }
  const { node, packages } = lackingNow(target.needs)
  if (node !== null || packages) await bringWhatIsMissing(target.needs)
  const { environment, executable } = chosenNode()
  // The target `node` names no program: the first word that was typed is one.
  const [program = "", ...argv] = [...target.argv, ...rest]
  if (program === "") throw new Unable("Say which file: npm run node -- docs/samples/agent.ts")
  const file = path.resolve(root, program)
  if (!fs.existsSync(file)) throw new Unable(`${program} is not here; this copy of Keelson is incomplete.`)
  if (isLeft()) return endBy("SIGTERM")
  // Node 24 strips types by itself but says so on every start.
  const flags = ["--disable-warning=ExperimentalWarning"]
  await runInPlace(executable, [...flags, file, ...argv], { cwd: root, env: environment })
}

await main().catch((/** @type {unknown} */ error) => {
  if (error instanceof Interrupted) return endBy(error.signal)
  if (!(error instanceof Unable)) throw error
  say(error.message)
  process.exitCode = 1
})
