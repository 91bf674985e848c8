/**
 * The main program and the signals it is sent.
 *
 * ```
 * first SIGINT, SIGTERM or SIGHUP -> a command that can stop is asked to; any other is interrupted
 * second, a second later or more  -> the process ends at once
 * SIGHUP without a terminal       -> a command that can read its files again does, as often as it is told
 * ```
 *
 * On a terminal SIGHUP says that the terminal is gone, and what ran there ends; a service without one is told so to look
 * at its files.
 *
 * What comes sooner is the same wish: a terminal, npm and a supervisor each pass on one Ctrl-C or one stop.
 *
 * Owns the handlers and the process's exit code. Does not own what stopping means (`StartCommand`).
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Runtime from "effect/Runtime"
import { constants } from "node:os"

export type Signal = "SIGINT" | "SIGTERM" | "SIGHUP"

export class StopSignal extends Context.Service<
  StopSignal,
  {
    /** Completes when the process is asked to stop. From the first call on, the first signal no longer interrupts. */
    readonly await: Effect.Effect<Signal>
    /** Completes when the process is told to read its files again. From the first call on, that is what SIGHUP means. */
    readonly reread: Effect.Effect<void>
  }
>()("keelson/cli/StopSignal") {}

/** Runs the program as this process; its answer is the exit code. */
export const runMain = (program: Effect.Effect<number, never, StopSignal>): void => {
  const asked = Deferred.makeUnsafe<Signal>()
  // Told twice before it looks, it looks once.
  const rereads = Effect.runSync(Queue.sliding<"reread">(1))
  let awaited = false
  let rereading = false
  let received: Signal | null = null
  let receivedAtMillis = 0
  const service = StopSignal.of({
    await: Effect.suspend(() => {
      awaited = true
      return Deferred.await(asked)
    }),
    reread: Effect.suspend(() => {
      rereading = true
      return Effect.asVoid(Queue.take(rereads))
    })
  })
  const run = Runtime.makeRunMain(({ fiber, teardown }) => {
    const onSignal = (signal: Signal) => {
      if (signal === "SIGHUP" && rereading && !onTerminal()) {
        Queue.offerUnsafe(rereads, "reread")
        return
      }
      if (received !== null) {
        if (performance.now() - receivedAtMillis > sameWishMillis) process.exit(codeOf(signal))
        return
      }
      received = signal
      receivedAtMillis = performance.now()
      Deferred.doneUnsafe(asked, Effect.succeed(signal))
      if (!awaited) fiber.interruptUnsafe(fiber.id)
    }
    for (const signal of signals) process.on(signal, onSignal)
    // Whoever read our words is gone: they are lost, and the work goes on.
    for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined)
    fiber.addObserver((exit) => teardown(exit, (code) => process.exit(code)))
  })
  run(Effect.provideService(program, StopSignal, service), {
    disableErrorReporting: true,
    teardown: (exit, onExit) => {
      if (Exit.isSuccess(exit)) return onExit(Number(exit.value))
      if (Cause.hasInterruptsOnly(exit.cause)) return onExit(codeOf(received ?? "SIGINT"))
      process.stderr.write(`keelson: this is a bug in Keelson.\n${Cause.pretty(exit.cause)}\n`)
      onExit(1)
    }
  })
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const signals: ReadonlyArray<Signal> = ["SIGINT", "SIGTERM", "SIGHUP"]

const sameWishMillis = 1_000

const onTerminal = (): boolean => [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY)

/** As a shell reports a process that a signal ended. */
const codeOf = (signal: Signal): number => 128 + constants.signals[signal]
