/**
 * Installs what is missing, once, whoever else tries it too.
 *
 * Owns: the lock beside the tree, the choice of npm and of a cache that can be written, the lines people read.
 * Does not own: what is missing (`decide.mjs`).
 * Invariants: one install at a time per folder; a holder that died never blocks the next; only Node's own modules.
 */
import { spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { isUnreachable, npmCode, npmEnvironment, npmSentence } from "./decide.mjs"

/** A failure that a person can act on: its message is all that is shown. */
export class Unable extends Error {}

/** @param {string} line */
export const say = (line) => process.stderr.write(`keelson: ${line}\n`)

/**
 * @param {string} file
 * @returns {import("./decide.mjs").Lock | null}
 */
export const readLock = (file) => {
  try {
    return JSON.parse(fs.readFileSync(file, "utf8"))
  } catch {
    return null
  }
}

/** @param {unknown} error */
const codeOf = (error) => (error instanceof Error && "code" in error ? String(error.code) : "")

/** @param {number} millis */
const pause = (millis) => new Promise((resolve) => setTimeout(resolve, millis))

/** A holder says every `beatMillis` that it lives; one that has been silent for `silenceMillis` is gone. */
const beatMillis = 2_000
const silenceMillis = 20_000

/**
 * True where the process that wrote the lock can't be at work any more.
 * @param {string} text
 * @param {number} silentMillis
 */
export const isAbandoned = (text, silentMillis) => {
  if (silentMillis > silenceMillis) return true
  const [pid, host] = text.split(" ")
  if (host !== os.hostname()) return false
  try {
    process.kill(Number(pid), 0)
    return false
  } catch (error) {
    return codeOf(error) === "ESRCH"
  }
}

/**
 * Moves an abandoned lock out of the way. Two who saw the same one: the second finds another text and puts it back.
 * @param {string} file
 * @param {string} seen
 */
const breakLock = (file, seen) => {
  const aside = `${file}.${process.pid}`
  try {
    fs.renameSync(file, aside)
    if (fs.readFileSync(aside, "utf8") !== seen) fs.linkSync(aside, file)
  } catch (error) {
    if (codeOf(error) !== "ENOENT" && codeOf(error) !== "EEXIST") throw error
  }
  fs.rmSync(aside, { force: true })
}

/**
 * Runs `body` while no other launcher installs into the same project.
 * @template A
 * @param {string} folder of the launcher's own files
 * @param {() => Promise<A>} body
 * @returns {Promise<A>}
 */
export const exclusively = async (folder, body) => {
  if (!canWrite(folder)) throw new Unable(npmSentence("EACCES", path.dirname(folder)))
  const file = path.join(folder, "install.lock")
  const mine = `${process.pid} ${os.hostname()} ${process.hrtime.bigint()}`
  let told = false
  for (;;) {
    try {
      fs.writeFileSync(file, mine, { flag: "wx" })
      break
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error
    }
    try {
      const seen = fs.readFileSync(file, "utf8")
      if (isAbandoned(seen, Date.now() - fs.statSync(file).mtimeMs)) breakLock(file, seen)
      else if (!told) {
        told = true
        say(`another start (process ${seen.split(" ")[0]}) is installing; waiting for it`)
      }
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error
    }
    await pause(200)
  }
  const beat = setInterval(() => fs.utimes(file, new Date(), new Date(), () => undefined), beatMillis)
  try {
    return await body()
  } finally {
    clearInterval(beat)
    fs.rmSync(file, { force: true })
  }
}

/** How npm is called: by its script with the Node at work, else by its name. */
const npmCommand = () => {
  const told = process.env["npm_execpath"]
  const beside = path.dirname(process.execPath)
  const script = [
    ...(told !== undefined && path.basename(told) === "npm-cli.js" ? [told] : []),
    path.join(beside, "node_modules/npm/bin/npm-cli.js"),
    path.join(beside, "../lib/node_modules/npm/bin/npm-cli.js")
  ].find((file) => fs.existsSync(file))
  return script === undefined
    ? { file: process.platform === "win32" ? "npm.cmd" : "npm", first: [], shell: process.platform === "win32" }
    : { file: process.execPath, first: [script], shell: false }
}

/** @param {string} folder */
const canWrite = (folder) => {
  try {
    fs.mkdirSync(folder, { recursive: true })
    const probe = path.join(folder, `.probe-${process.pid}`)
    fs.writeFileSync(probe, "")
    fs.rmSync(probe)
    return true
  } catch {
    return false
  }
}

/** True where npm can use its cache: what another user left inside counts too. */
const isCacheUsable = (/** @type {string} */ cache) =>
  canWrite(cache) &&
  ["_cacache", "_cacache/tmp", "_cacache/index-v5", "_cacache/content-v2", "_logs"]
    .map((name) => path.join(cache, name))
    .every((folder) => !fs.existsSync(folder) || canWrite(folder))

/** @param {NodeJS.ProcessEnv} environment */
const cacheOf = (environment) => {
  const told = environment["npm_config_cache"]
  if (told !== undefined && told !== "") return told
  const npm = npmCommand()
  const asked = spawnSync(npm.file, [...npm.first, "config", "get", "cache"], {
    env: environment,
    encoding: "utf8",
    shell: npm.shell
  })
  return asked.status === 0 ? asked.stdout.trim() : ""
}

const isHomeKnown = () => {
  try {
    return os.homedir() !== ""
  } catch {
    return false
  }
}

/** What is kept of npm's output, in characters: the end, where its errors stand. */
const outputCharactersMax = 20_000

/**
 * `npm ci` in each folder, side by side, quiet while it goes well.
 * @param {ReadonlyArray<string>} folders each with package.json and lockfile
 * @param {string} own the launcher's folder, for a cache where npm's can't be written
 */
export const install = async (folders, own) => {
  for (const folder of folders) if (!canWrite(folder)) throw new Unable(npmSentence("EACCES", folder))
  const environment = npmEnvironment(process.env)
  const isHomeless = !isHomeKnown()
  if (isHomeless) environment["HOME"] = own
  const cache = isHomeless ? "" : cacheOf(environment)
  const spare = path.join(own, "npm-cache")
  const isSpare = cache === "" || !isCacheUsable(cache)
  if (isSpare) say(`npm's cache ${cache === "" ? "" : `(${cache}) `}can't be written; using one inside the project`)
  const flags = [
    ["ci", "--include=dev", "--include=optional", "--no-audit", "--no-fund", "--no-update-notifier"],
    ["--loglevel=error", "--prefer-offline", "--fetch-retries=3", "--fetch-retry-mintimeout=1000"],
    ["--fetch-retry-maxtimeout=8000", ...(isSpare ? ["--cache", spare] : [])]
  ].flat()
  const startedAt = performance.now()
  const progress = setInterval(
    () => say(`still installing, ${Math.round((performance.now() - startedAt) / 1000)} s`),
    10_000
  )
  const ended = await Promise.allSettled(folders.map((folder) => npmIn(folder, flags, environment)))
  clearInterval(progress)
  if (isSpare) fs.rmSync(spare, { recursive: true, force: true, maxRetries: 3 })
  for (const one of ended) if (one.status === "rejected") throw one.reason
}

/**
 * @param {string} folder
 * @param {ReadonlyArray<string>} flags
 * @param {NodeJS.ProcessEnv} environment
 */
const npmIn = async (folder, flags, environment) => {
  const { code, output } = await runNpm(folder, flags, environment)
  if (code === 0) return
  // Where the network is missing, npm's pages of it say no more than the sentence does.
  if (!isUnreachable(npmCode(output))) process.stderr.write(output.endsWith("\n") ? output : `${output}\n`)
  throw new Unable(npmSentence(npmCode(output), folder))
}

/**
 * @param {string} folder
 * @param {ReadonlyArray<string>} flags
 * @param {NodeJS.ProcessEnv} environment
 * @returns {Promise<{ readonly code: number, readonly output: string }>}
 */
const runNpm = (folder, flags, environment) =>
  new Promise((resolve, reject) => {
    const npm = npmCommand()
    const child = spawn(npm.file, [...npm.first, ...flags], {
      cwd: folder,
      env: environment,
      shell: npm.shell,
      stdio: ["ignore", "pipe", "pipe"]
    })
    let output = ""
    /** @param {Buffer} chunk */
    const keep = (chunk) => {
      output = (output + chunk.toString()).slice(-outputCharactersMax)
    }
    child.stdout.on("data", keep)
    child.stderr.on("data", keep)
    /** @type {NodeJS.Signals | null} */
    let stopped = null
    /** @param {NodeJS.Signals} signal */
    const stop = (signal) => {
      stopped = signal
      child.kill(signal)
    }
    process.on("SIGINT", stop)
    process.on("SIGTERM", stop)
    const settle = () => {
      process.off("SIGINT", stop)
      process.off("SIGTERM", stop)
    }
    child.on("error", (error) => {
      settle()
      const sentence = codeOf(error) === "ENOENT" ? "npm was not found: install Node with npm, and start again." : null
      reject(sentence === null ? error : new Unable(sentence))
    })
    child.on("close", (code) => {
      settle()
      if (stopped !== null) reject(new Interrupted(stopped))
      else resolve({ code: code ?? 1, output })
    })
  })

/** Someone stopped the install; the next start begins it anew. */
export class Interrupted extends Error {
  /** @param {NodeJS.Signals} signal */
  constructor(signal) {
    super(signal)
    this.signal = signal
  }
}
