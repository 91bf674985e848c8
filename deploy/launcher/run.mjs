/**
 * Runs one program in the launcher's place: its streams, its arguments, its signals and how it ends.
 *
 * Invariants: nothing is printed; the launcher ends as the program ended, by code or by signal.
 */
import { spawn } from "node:child_process"
import * as os from "node:os"

/** The same signal within this time is the same wish: npm passes on what the terminal has sent us already. */
const sameWishMillis = 1_000

/**
 * Whether a signal is to be passed on.
 *
 * A terminal sends Ctrl-C to every process in front of it, so the program has got it already; and what comes twice
 * at once is meant once, for a second signal ends the program without its last words.
 * @param {string} signal
 * @param {{ readonly atTerminal: boolean, readonly sinceLastMillis: number }} about
 */
export const passesOn = (signal, { atTerminal, sinceLastMillis }) =>
  !(signal === "SIGINT" && atTerminal) && sinceLastMillis > sameWishMillis

const isAtTerminal = () => process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY

const parentAtStart = process.ppid

/**
 * Whether the npm that started us has ended. A SIGTERM to npm ends the shell between us, and nobody tells us.
 * Only npm's children ask: whoever starts the launcher itself may well end before it.
 */
export const isLeft = () =>
  process.platform !== "win32" && process.env["npm_lifecycle_event"] !== undefined && process.ppid !== parentAtStart

/** How often it is looked whether npm is still there. */
const lookMillis = 250

/**
 * @param {string} executable
 * @param {ReadonlyArray<string>} argv
 * @param {{ readonly cwd: string, readonly env: NodeJS.ProcessEnv }} options
 * @returns {Promise<void>} resolved when the launcher may end
 */
export const runInPlace = (executable, argv, options) =>
  new Promise((resolve, reject) => {
    const child = spawn(executable, argv, { ...options, stdio: "inherit" })
    /** @type {NodeJS.Signals[]} */
    const signals = ["SIGINT", "SIGTERM"]
    /** @type {Map<NodeJS.Signals, number>} */
    const lastAt = new Map()
    /** @param {NodeJS.Signals} signal */
    const forward = (signal) => {
      const now = performance.now()
      const sinceLastMillis = now - (lastAt.get(signal) ?? Number.NEGATIVE_INFINITY)
      lastAt.set(signal, now)
      if (passesOn(signal, { atTerminal: isAtTerminal(), sinceLastMillis })) child.kill(signal)
    }
    for (const signal of signals) process.on(signal, forward)
    const look = setInterval(() => {
      if (isLeft() && lastAt.size === 0) forward("SIGTERM")
    }, lookMillis)
    const release = () => {
      clearInterval(look)
      for (const signal of signals) process.off(signal, forward)
    }
    child.on("error", (error) => {
      release()
      reject(error)
    })
    child.on("exit", (code, signal) => {
      release()
      if (signal === null) process.exitCode = code ?? 1
      else endBy(signal)
      resolve()
    })
  })

/**
 * Ends this process as a signal would have, so that a shell or a supervisor above sees the same.
 * @param {NodeJS.Signals} signal
 */
export const endBy = (signal) => {
  process.exitCode = 128 + (os.constants.signals[signal] ?? 0)
  if (process.platform !== "win32") process.kill(process.pid, signal)
}
