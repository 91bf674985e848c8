/**
 * Spans in a file of the data folder: the newest ones, for whoever looks when something was slow or went wrong.
 *
 *   push --> waiting (bounded) --once a second--> trace.jsonl --full--> trace.1.jsonl --> … --> gone
 *
 * Owns the buffer, the files and their bounds. Does not own what of a span may be written (`TidyTracer`).
 *
 * Invariants: `push` does no I/O and never fails: what finds no room is dropped and counted; no file grows beyond
 * its bound, and there are never more of them than `traceFilesMax`; only the service's user reads them; a disk that is
 * full, slow or gone costs spans, nothing else; the journal's last space is not taken.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as OtlpResource from "effect/observability/OtlpResource"
import type * as Scope from "effect/Scope"
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import { join } from "node:path"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as SystemCode from "#src/kernel/SystemCode.ts"
import type { Ended } from "./TidyTracer.ts"
import * as TraceLine from "./TraceLine.ts"

export interface Options {
  /** Made with mode 0700 when the first span is written. */
  readonly folder: string
  /** Of one file. */
  readonly fileBytesMax: number
  readonly resource: OtlpResource.Resource
  readonly waitingMax?: number
  /** Adds a text to the file, and sets the file aside first where it would outgrow its bound. */
  readonly append?: (text: string) => Promise<void>
}

export interface TraceFile {
  readonly push: (span: Ended) => void
  /** Writes what waits. */
  readonly flush: Effect.Effect<void>
}

export const written = Metric.counter("trace_spans_written_total", {
  description: "Spans written to the local trace file.",
  incremental: true
})
export const dropped = Metric.counter("trace_spans_dropped_total", {
  description: "Spans that found no room or no disk.",
  incremental: true
})
export const failing = Metric.gauge("trace_file_failing", {
  description: "1 while the local trace file can't be written."
})

export const fileName = "trace.jsonl"

/** Writes until its scope ends, and then what still waits, for at most `Bounds.telemetryFlushMillis`. */
export const make = Effect.fnUntraced(function* (options: Options): Effect.fn.Return<TraceFile, never, Scope.Scope> {
  const context = yield* Effect.context<never>()
  const waitingMax = options.waitingMax ?? Bounds.traceSpansWaitingMax
  const append = options.append ?? appendTo(options.folder, options.fileBytesMax)
  const line = TraceLine.make(options.resource)
  let waiting: Array<Ended> = []
  let broken = false
  // Writes stand in a row, also behind one whose waiter gave up.
  let last: Promise<void> = Promise.resolve()

  const count = (metric: Metric.Counter<number>, spans: number) => metric.updateUnsafe(spans, context)
  failing.updateUnsafe(0, context)
  count(written, 0)
  count(dropped, 0)

  /** Counted when it is done, whether or not somebody still waits for it. */
  const write = (text: string, spans: number): Effect.Effect<void, unknown> =>
    Effect.tryPromise(
      () =>
        (last = last
          .catch(() => undefined)
          .then(() => append(text))
          .then(
            () => count(written, spans),
            (error: unknown) => {
              count(dropped, spans)
              throw error
            }
          ))
    )

  const noted = Effect.fnUntraced(function* (error: unknown) {
    failing.updateUnsafe(error === null ? 0 : 1, context)
    if ((error !== null) === broken) return
    broken = error !== null
    yield* error === null
      ? Effect.logInfo("the trace file is written again")
      : Effect.logWarning(`the trace file can't be written (${codeOf(error)}): spans are dropped until it can`)
  })

  /** Takes no more than it encodes at once, so that a stop in the middle leaves the rest to the last flush. */
  const chunk = (most: number) => {
    let text = ""
    let spans = 0
    while (spans < most && text.length < chunkUnits) text += line(waiting[spans++]!)
    waiting = waiting.slice(spans)
    return { text, spans }
  }

  const flush = Effect.gen(function* () {
    // What comes meanwhile is for the next time: that bounds what traces cost.
    for (let left = waiting.length; left > 0;) {
      const { spans, text } = chunk(left)
      left -= spans
      const error = yield* write(text, spans).pipe(
        Effect.as(null),
        Effect.catch((error) => Effect.succeed(error))
      )
      yield* noted(error)
      // Others go first: encoding is work of this thread.
      yield* Effect.yieldNow
    }
  })

  const lastFlush = Effect.andThen(
    flush,
    Effect.promise(() => last.catch(() => undefined))
  )

  yield* Effect.addFinalizer(() => Effect.asVoid(Effect.timeoutOption(Effect.interruptible(lastFlush), patience)))
  yield* Effect.sleep(Duration.millis(Bounds.traceFlushMillis)).pipe(
    Effect.andThen(flush),
    Effect.forever,
    Effect.forkScoped
  )

  return {
    push: (span) => {
      if (waiting.length < waitingMax) waiting.push(span)
      else count(dropped, 1)
    },
    flush
  }
})

/** Appends to `trace.jsonl` in a folder, and moves it on to `trace.1.jsonl` and so forth where it would grow too large. */
export const appendTo =
  (folder: string, fileBytesMax: number) =>
  async (text: string): Promise<void> => {
    const bytes = Buffer.from(text)
    await fs.mkdir(folder, { recursive: true, mode: 0o700 })
    const { bavail, bsize } = await fs.statfs(folder)
    if (bavail * bsize < spaceKept) throw Object.assign(new Error("the disk is almost full"), { code: "ENOSPC" })
    const path = join(folder, fileName)
    const size = await fs.lstat(path).then(
      ({ size }) => size,
      () => 0
    )
    if (size > 0 && size + bytes.length > fileBytesMax) await setAside(folder)
    const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = constants
    const file = await fs.open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600)
    try {
      const { mode } = await file.stat()
      if ((mode & 0o077) !== 0) await file.chmod(0o600)
      await file.appendFile(bytes)
    } finally {
      await file.close()
    }
  }

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Encoded in one go, and written together: about a millisecond of this thread, and far less than a file. */
const chunkUnits = 64 * 1024

/** The journal stops at its own reserve; traces stop long before that. */
const spaceKept = 2 * Bounds.journalReserveBytes

const patience = Duration.millis(Bounds.telemetryFlushMillis)

const codeOf = (error: unknown): string => {
  const cause = error instanceof Error && "cause" in error ? error.cause : error
  return SystemCode.of(cause) ?? "unknown"
}

const nameOf = (age: number): string => (age === 0 ? fileName : `trace.${age}.jsonl`)

const setAside = async (folder: string): Promise<void> => {
  for (let age = Bounds.traceFilesMax - 2; age >= 0; age--) {
    await fs.rename(join(folder, nameOf(age)), join(folder, nameOf(age + 1))).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error
    })
  }
}
