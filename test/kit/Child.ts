/**
 * A real child process of a test: the same Node, one line of JSON per message, killed with its scope.
 *
 * Lines a child writes are kept in order; a reader waits for the one it wants.
 */
import * as Effect from "effect/Effect"
import { type ChildProcess, spawn } from "node:child_process"
import { createInterface } from "node:readline"

export interface Child<Line> {
  readonly pid: number
  /** Everything said so far. */
  readonly lines: ReadonlyArray<Line>
  /** The first line that satisfies the wish, said already or later. Fails where the child ends before it. */
  readonly said: (wish: (line: Line) => boolean) => Effect.Effect<Line, Error>
  /** Waits until at least so many lines were said. */
  readonly count: (many: number) => Effect.Effect<void, Error>
  /** Writes a line to its standard input. */
  readonly tell: (line: string) => Effect.Effect<void>
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** Exit code, or null where a signal ended it. */
  readonly ended: Effect.Effect<number | null>
  readonly stderr: () => string
}

/** Starts `program` (a TypeScript file) with arguments. */
export const start = <Line>(program: string, args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => make<Line>(spawn(process.execPath, [program, ...args], { stdio: ["pipe", "pipe", "pipe"] }))),
    (child) => child.kill("SIGKILL")
  )

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const make = <Line>(process: ChildProcess): Child<Line> => {
  const lines: Array<Line> = []
  const watchers = new Set<() => void>()
  let errors = ""
  let exit: { readonly code: number | null } | undefined
  const changed = () => {
    for (const watch of [...watchers]) watch()
  }
  createInterface({ input: process.stdout! }).on("line", (line) => {
    lines.push(JSON.parse(line) as Line)
    changed()
  })
  process.stderr!.on("data", (data: Buffer) => (errors += data.toString()))
  process.on("close", (code) => {
    exit = { code }
    changed()
  })

  const until = <A>(look: () => A | undefined): Effect.Effect<A, Error> =>
    Effect.callback((resume) => {
      const watch = () => {
        const found = look()
        if (found === undefined && exit === undefined) return
        watchers.delete(watch)
        resume(
          found === undefined
            ? Effect.fail(new Error(`the child ended (${exit?.code}): ${errors}`))
            : Effect.succeed(found)
        )
      }
      watchers.add(watch)
      watch()
      return Effect.sync(() => void watchers.delete(watch))
    })

  const ended = Effect.callback<number | null>((resume) => {
    const watch = () => {
      if (exit === undefined) return
      watchers.delete(watch)
      resume(Effect.succeed(exit.code))
    }
    watchers.add(watch)
    watch()
  })

  return {
    pid: process.pid!,
    lines,
    said: (wish) => until(() => lines.find(wish)),
    count: (many) => until(() => (lines.length >= many ? true : undefined)).pipe(Effect.asVoid),
    tell: (line) => Effect.sync(() => void process.stdin?.write(`${line}\n`)),
    kill: (signal) =>
      Effect.suspend(() => (exit === undefined ? (process.kill(signal), Effect.asVoid(ended)) : Effect.void)),
    ended,
    stderr: () => errors
  }
}
