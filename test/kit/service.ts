/**
 * The real service as a child process on a folder of its own, and a plain HTTP client to it.
 *
 * Only processes that this kit started are ever signalled, by their pid. Whatever ends the test ends them too.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { Agent, request } from "node:http"
import { join, resolve } from "node:path"
import { createInterface } from "node:readline"

const main = resolve(import.meta.dirname, "../../layers/main.ts")

/** Everything that writes or runs waits for a person; looking is free. */
export const askPolicies = `
@id("look") permit (principal, action in [Action::"file.read", Action::"file.list"], resource);
@id("write") @gate("human") permit (principal, action == Action::"file.write", resource);
@id("run") @gate("human") permit (principal, action == Action::"shell.run", resource);
`

/** Flags for whoever waits on all connections at once that this kit's client opens. */
export const manyWaits = { "sockets-max": 64, "waits-max": 256, "waits-per-principal-max": 256 }

export interface Options {
  readonly folder: string
  readonly policies?: string
  /** Flags of `keelson start`, as in `{ "confirmations-pending-max": 5000 }`. */
  readonly flags?: { readonly [flag: string]: string | number }
  readonly environment?: { readonly [name: string]: string }
  /** A command that the service is started with, such as `setpriv` or `env`. */
  readonly wrapper?: ReadonlyArray<string>
  /** A Node and the program `keelson`, in place of this one and the sources. */
  readonly program?: readonly [node: string, keelson: string]
}

export interface Answer {
  readonly status: number
  readonly headers: { readonly [name: string]: string | ReadonlyArray<string> | undefined }
  readonly body: any
}

export interface Service {
  readonly url: string
  readonly pid: number
  readonly token: string
  readonly workspace: string
  readonly get: (path: string, token?: string | null) => Promise<Answer>
  readonly post: (path: string, key: string | null, body: unknown, token?: string | null) => Promise<Answer>
  /** SIGKILL, by pid; resolves when the process is gone. */
  readonly kill: () => Promise<void>
  /** SIGTERM; resolves with the exit code. */
  readonly stop: () => Promise<{ readonly code: number | null; readonly millis: number }>
  /** Everything it wrote to stderr. */
  readonly log: () => string
}

export const start = async (options: Options): Promise<Service> => {
  const { folder } = options
  const policies = join(folder, "policies")
  const workspace = join(folder, "workspace")
  mkdirSync(policies, { recursive: true, mode: 0o700 })
  writeFileSync(join(policies, "test.cedar"), options.policies ?? askPolicies)
  const flags = {
    port: 0,
    "data-folder": join(folder, "data"),
    "workspace-folder": workspace,
    "policy-folder": policies,
    ...options.flags
  }
  const words = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, String(value)])
  const [command, ...before] = [...(options.wrapper ?? []), ...(options.program ?? [process.execPath, main])]
  const child = spawn(command, [...before, "start", "--json", ...words], {
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...options.environment },
    stdio: ["ignore", "pipe", "pipe"]
  })
  const end = () => child.kill("SIGKILL")
  process.once("exit", end)
  child.once("exit", () => process.off("exit", end))
  let log = ""
  child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()))
  const started = await firstLine(child, () => log)
  return over(child, JSON.parse(started) as Started, workspace, () => log)
}

/** Runs `work` with a service and stops it afterwards, however it ended. */
export const using = async <A>(options: Options, work: (service: Service) => Promise<A>): Promise<A> => {
  const service = await start(options)
  try {
    return await work(service)
  } finally {
    await service.kill()
  }
}

/** Waits for a moment that the service's own clock decides by. */
export const untilClock = (atMillis: number): Promise<void> =>
  new Promise((wake) => setTimeout(wake, Math.max(0, atMillis - Date.now())))

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

interface Started {
  readonly listening: string
  readonly ownerTokenPath: string
}

const firstLine = (child: ChildProcess, log: () => string): Promise<string> =>
  new Promise((resolveLine, reject) => {
    const lines = createInterface({ input: child.stdout! })
    lines.once("line", resolveLine)
    child.once("error", reject)
    child.once("exit", (code, signal) =>
      reject(new Error(`the service ended (${code ?? signal}) before it listened:\n${log()}`))
    )
  })

const over = (child: ChildProcess, started: Started, workspace: string, log: () => string): Service => {
  const token = readFileSync(started.ownerTokenPath, "utf8").trim()
  const agent = new Agent({ keepAlive: true, maxSockets: 256 })
  const gone = () => child.exitCode !== null || child.signalCode !== null
  const end = async (signal: NodeJS.Signals) => {
    if (!gone()) {
      child.kill(signal)
      await once(child, "exit")
    }
    agent.destroy()
  }
  const call = (method: string, path: string, bearer: string | null, key: string | null, body?: unknown) =>
    exchange(agent, method, new URL(path, started.listening), bearer, key, body)
  return {
    url: started.listening,
    pid: child.pid!,
    token,
    workspace,
    get: (path, bearer = token) => call("GET", path, bearer, null),
    post: (path, key, body, bearer = token) => call("POST", path, bearer, key, body),
    kill: () => end("SIGKILL"),
    stop: async () => {
      const before = performance.now()
      await end("SIGTERM")
      return { code: child.exitCode, millis: performance.now() - before }
    },
    log
  }
}

const exchange = (
  agent: Agent,
  method: string,
  url: URL,
  bearer: string | null,
  key: string | null,
  body: unknown
): Promise<Answer> =>
  new Promise((resolveAnswer, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body)
    const headers = {
      ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
      ...(key === null ? {} : { "idempotency-key": key }),
      ...(text === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) })
    }
    const outgoing = request(url, { method, agent, headers }, (incoming) => {
      const chunks: Array<Buffer> = []
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
      incoming.on("error", reject)
      incoming.on("end", () => {
        const answer = Buffer.concat(chunks).toString()
        const json = /json/.test(incoming.headers["content-type"] ?? "")
        resolveAnswer({
          status: incoming.statusCode!,
          headers: incoming.headers,
          body: json ? JSON.parse(answer) : answer
        })
      })
    })
    outgoing.on("error", reject)
    outgoing.end(text)
  })
