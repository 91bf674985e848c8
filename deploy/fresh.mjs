/**
 * A stranger's first minutes, for real: a fresh clone of the committed state, an empty npm cache, the system's Node,
 * another user, a path with a space and worse, HOME that can't be written, no terminal.
 *
 *   npm run test:fresh [-- --report FILE]      about two minutes; needs the registry
 *
 * Owns the folder that it makes and every process that it starts; ends and removes them all. Each check is one line.
 * Without root it runs as the same user and says so, for only root can become another one.
 */
import { spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..")
const isRoot = process.getuid?.() === 0
const nobody = isRoot ? { uid: 65534, gid: 65534 } : {}
const base = fs.mkdtempSync(path.join(os.tmpdir(), "keelson-fresh-"))
const clone = path.join(base, "it's a clöne (1) & more")
const home = path.join(base, "home")
const readyMillis = 60_000
const stopMillis = 10_000

/** Not to be inherited: what an outer npm or our own launcher has set, and whose home it is. */
const inherited = /^(npm_|NODE$|NODE_OPTIONS$|INIT_CWD$|HOME$|XDG_|KEELSON_|DATABASE_URL$|COLOR$|EDITOR$)/i

/** @returns {NodeJS.ProcessEnv} */
const environment = () => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !inherited.test(name))),
  PATH: (process.env["PATH"] ?? "")
    .split(path.delimiter)
    .filter((folder) => !folder.includes(`${path.sep}node_modules${path.sep}`))
    .join(path.delimiter),
  HOME: home,
  TMPDIR: path.join(base, "tmp"),
  CI: "true"
})

/** @type {{ passed: number, failed: number, skipped: number }} */
const count = { passed: 0, failed: 0, skipped: 0 }

/**
 * @param {string} promise
 * @param {boolean} holds
 * @param {string} seen
 */
const check = (promise, holds, seen) => {
  count[holds ? "passed" : "failed"] += 1
  process.stdout.write(`${holds ? "ok    " : "FAILED"} ${promise}${holds ? "" : `\n${seen}`}\n`)
}

/** Processes that live, by their leader's pid: what an early end has to take along. @type {Set<number>} */
const groups = new Set()

/**
 * Starts npm as the stranger would, in a process group of its own.
 * @param {ReadonlyArray<string>} argv
 * @param {string} cwd
 */
const npm = (argv, cwd) => {
  const child = spawn("npm", argv, {
    cwd,
    env: environment(),
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    ...nobody
  })
  const leader = child.pid ?? 0
  groups.add(leader)
  const said = { text: "" }
  const keep = (/** @type {Buffer} */ chunk) => {
    said.text = (said.text + chunk.toString()).slice(-50_000)
  }
  child.stdout.on("data", keep)
  child.stderr.on("data", keep)
  /** @type {Promise<string>} */
  const ended = new Promise((resolve, reject) => {
    child.on("error", reject)
    child.on("close", (code, signal) => {
      groups.delete(leader)
      resolve(signal ?? String(code))
    })
  })
  return { said, ended, pid: leader }
}

/** @param {number} leader @param {NodeJS.Signals} signal */
const signalGroup = (leader, signal) => {
  try {
    process.kill(-leader, signal)
  } catch {
    // It has ended by itself.
  }
}

/** @param {number} millis */
const pause = (millis) => new Promise((resolve) => setTimeout(resolve, millis))

/**
 * Waits for a condition, or for its time to be over.
 * @param {() => Promise<boolean> | boolean} condition
 * @param {number} millis
 */
const within = async (condition, millis) => {
  const until = performance.now() + millis
  while (performance.now() < until) {
    if (await condition()) return true
    await pause(100)
  }
  return false
}

/** A port on loopback that nobody has, below the range that outgoing connections use. @returns {Promise<number>} */
const freePort = async () => {
  for (let port = 17_717; port < 32_000; port += 1) {
    const free = await new Promise((resolve) => {
      const server = net.createServer()
      server.once("error", () => resolve(false))
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
    })
    if (free) return port
  }
  throw new Error("no port is free")
}

/** @param {string} url */
const answers = (url) =>
  fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
    (response) => response.ok,
    () => false
  )

/** @param {number} startedAt */
const secondsSince = (startedAt) => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`

const prepare = () => {
  const cloned = spawnSync("git", ["clone", "--quiet", "--no-hardlinks", root, clone], { encoding: "utf8" })
  if (cloned.status !== 0) throw new Error(`git clone: ${cloned.stderr}`)
  fs.mkdirSync(path.join(base, "tmp"))
  fs.mkdirSync(home, { mode: 0o555 })
  fs.chmodSync(base, 0o755)
  if (!isRoot) return
  for (const file of ["", ...fs.readdirSync(clone, { recursive: true, encoding: "utf8" })])
    fs.lchownSync(path.join(clone, file), 65534, 65534)
  fs.chownSync(path.join(base, "tmp"), 65534, 65534)
}

const first = async () => {
  const port = await freePort()
  const startedAt = performance.now()
  const service = npm(["start", "--", "--port", String(port)], clone)
  const health = `http://127.0.0.1:${port}/health`
  const serves = await within(() => answers(health), readyMillis)
  check(`npm start serves on a fresh clone within a minute (${secondsSince(startedAt)})`, serves, service.said.text)
  check("it says where", service.said.text.includes(`http://127.0.0.1:${port}`), service.said.text)
  check("it prints no token without a terminal", !/token, for this terminal/.test(service.said.text), service.said.text)
  check("npm's warnings about engines are not among it", !service.said.text.includes("EBADENGINE"), service.said.text)
  const rival = npm(["start", "--", "--port", String(port), "--data-folder", path.join(base, "tmp/rival")], clone)
  const refused = await rival.ended
  const sentence = refused !== "0" && rival.said.text.includes(String(port)) && !/^\s+at /m.test(rival.said.text)
  check(`a port that is taken is refused in a sentence (exit ${refused})`, sentence, rival.said.text)
  const stoppedAt = performance.now()
  process.kill(service.pid, "SIGTERM")
  const code = await Promise.race([service.ended, pause(stopMillis).then(() => "no end")])
  check(
    `SIGTERM to npm ends it all within 10 s (${secondsSince(stoppedAt)}, exit ${code})`,
    code !== "no end",
    service.said.text
  )
  check("nothing answers on the port any more", !(await answers(health)), service.said.text)
}

const second = async () => {
  const port = await freePort()
  const startedAt = performance.now()
  const service = npm(["--prefix", clone, "start", "--", "--port", String(port)], os.tmpdir())
  const serves = await within(() => answers(`http://127.0.0.1:${port}/health`), readyMillis)
  check(`it starts again from another folder, on its data (${secondsSince(startedAt)})`, serves, service.said.text)
  check("it installs nothing the second time", !service.said.text.includes("install"), service.said.text)
  signalGroup(service.pid, "SIGINT")
  const code = await Promise.race([service.ended, pause(stopMillis).then(() => "no end")])
  check(
    `Ctrl-C, sent to the whole group, stops it cleanly (exit ${code})`,
    service.said.text.includes("Stopped."),
    service.said.text
  )
}

/**
 * @param {string} promise
 * @param {ReadonlyArray<string>} argv
 */
const runs = async (promise, argv) => {
  const startedAt = performance.now()
  const command = npm(argv, clone)
  const code = await command.ended
  check(`${promise} (${secondsSince(startedAt)}, exit ${code})`, code === "0", command.said.text)
}

const main = async () => {
  const { stdout: version } = spawnSync("node", ["--version"], { env: environment(), encoding: "utf8" })
  process.stdout.write(`Node ${version.trim()}, as ${isRoot ? "nobody" : os.userInfo().username}, in ${clone}\n`)
  if (!isRoot) {
    count.skipped += 1
    process.stdout.write("SKIP  another user: only root can become one\n")
  }
  prepare()
  await first()
  await second()
  await runs("npm run demo ends with its proof", ["run", "demo"])
  await runs("npm test passes, here for the kernel and the tools", [
    "test",
    "--",
    "test/unit/kernel",
    "test/unit/tool-executor"
  ])
  const git = ["-c", `safe.directory=${clone}`, "-C", clone, "status", "--porcelain"]
  const { stdout } = spawnSync("git", git, { encoding: "utf8" })
  check("all of it left the tree as it was", stdout === "", stdout)
}

try {
  await main()
} finally {
  for (const leader of groups) signalGroup(leader, "SIGKILL")
  fs.rmSync(base, { recursive: true, force: true, maxRetries: 5 })
}
const report = process.argv[process.argv.indexOf("--report") + 1]
if (process.argv.includes("--report") && report !== undefined) fs.writeFileSync(report, JSON.stringify(count))
process.stdout.write(`fresh clone: ${count.passed} held, ${count.failed} did not\n`)
process.exitCode = count.failed === 0 ? 0 : 1
