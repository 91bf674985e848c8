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
    const signals = process.platform === "win32" ? ["SIGINT", "SIGTERM"] : ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR2"]
    /** @type {Map<NodeJS.Signals, number>} */
    const lastAt = new Map()
    /** @param {NodeJS.Signals} signal */
    const forward = (signal) => {
      const now = performance.now()
      const sinceLastMillis = now - (lastAt.get(signal) ?? Number.NEGATIVE_INFINITY)
      if (passesOn(signal, { atTerminal: isAtTerminal(), sinceLastMillis })) {
        lastAt.set(signal, now)
        child.kill(signal)
      }
    }
    for (const signal of signals) process.on(signal, forward)
    const release = () => signals.forEach((signal) => process.off(signal, forward))
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
