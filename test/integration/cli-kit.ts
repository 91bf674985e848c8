/**
 * `keelson` as a process: what it printed, and how it ended. Only processes started here are ever signalled.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

export const main = resolve(import.meta.dirname, "../../layers/main.ts")

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
}

export interface Running {
  readonly pid: number
  /** The next line of standard output; fails where the process ends before there is one. */
  readonly line: () => Promise<string>
  /** Closes the reading end of its standard error. */
  readonly deafen: () => void
  /** Closes the reading end of its standard output. */
  readonly unread: () => void
  readonly signal: (signal: NodeJS.Signals) => void
  readonly ended: Promise<Ended>
}

export const keelson = (
  args: ReadonlyArray<string>,
  environment: { readonly [name: string]: string } = {}
): Running => {
  const child: ChildProcess = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...environment },
    stdio: ["ignore", "pipe", "pipe"]
  })
  const end = () => child.kill("SIGKILL")
  process.once("exit", end)
  let out = ""
  let err = ""
  let taken = 0
  let wake = () => {}
  child.stdout!.setEncoding("utf8").on("data", (chunk: string) => {
    out += chunk
    wake()
  })
  child.stderr!.setEncoding("utf8").on("data", (chunk: string) => (err += chunk))
  const ended = new Promise<Ended>((done, failed) => {
    child.once("error", failed)
    child.once("close", (code, signal) => {
      process.off("exit", end)
      done({ code, signal, out, err })
    })
  })
  const line = async (): Promise<string> => {
    for (;;) {
      const at = out.indexOf("\n", taken)
      if (at >= 0) {
        const text = out.slice(taken, at)
        taken = at + 1
        return text
      }
      const more = new Promise<"more">((resume) => (wake = () => resume("more")))
      if ((await Promise.race([more, ended])) !== "more" && out.indexOf("\n", taken) < 0) {
        throw new Error(`keelson ${args.join(" ")} ended before it said more:\n${err}`)
      }
    }
  }
  const deafen = () => void child.stderr!.destroy()
  const unread = () => void child.stdout!.destroy()
  return { pid: child.pid!, line, deafen, unread, signal: (signal) => void child.kill(signal), ended }
}

/** A folder (0700) of this test, removed at its end. */
export const folder = (): { readonly path: string; readonly remove: () => void } => {
  const path = mkdtempSync(join(tmpdir(), "keelson-cli-"))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Flags of a service that lives in this folder. */
export const at = (path: string, port = 0): ReadonlyArray<string> => [
  "--port",
  String(port),
  "--data-folder",
  join(path, "data"),
  "--workspace-folder",
  join(path, "workspace")
]

export interface Started {
  readonly listening: string
  readonly pid: number
  readonly ownerTokenPath: string
}

export const started = (line: string): Started => JSON.parse(line) as Started
