/**
 * The ledger of erasures: who was forgotten, outside of the database, so that a restored backup forgets them again.
 *
 *   <folder>/erasures.jsonl   {"position":42,"eventId":"evt_...","subject":"session:ses_...","at":"..."}   a line an erasure
 *
 * Owns the file. It holds no words and no keys. It only grows, and each line is on the disk before the next look.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as fs from "node:fs/promises"
import { join } from "node:path"

export const fileName = "erasures.jsonl"

export const Erasure = Schema.Struct({
  position: Schema.Int,
  eventId: Schema.String,
  /** Also the name of the stream that was erased. */
  subject: Schema.String,
  at: Schema.String
})
export type Erasure = typeof Erasure.Type

export class ErasureLedgerError extends Schema.TaggedError<ErasureLedgerError>()("ErasureLedgerError", {
  detail: Schema.String,
  retryable: Schema.Boolean
}) {
  override get message() {
    return this.detail
  }
}

/** All of them; none where there is no ledger. A last line that was cut never counted; any other wrong one is an error. */
export const read = (folder: string): Effect.Effect<ReadonlyArray<Erasure>, ErasureLedgerError> =>
  attempt(folder, async () => {
    const text = await fs.readFile(join(folder, fileName), "utf8").catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return ""
      throw cause
    })
    const lines = text.split("\n").slice(0, -1)
    return lines.map((line, index) => {
      const erasure = Option.getOrNull(decode(line))
      if (erasure === null) throw wrong(`${join(folder, fileName)} is damaged in line ${index + 1}`)
      return erasure
    })
  })

/** Adds lines, and brings them to the disk. */
export const add = (folder: string, erasures: ReadonlyArray<Erasure>): Effect.Effect<void, ErasureLedgerError> =>
  attempt(folder, async () => {
    if (erasures.length === 0) return
    await fs.mkdir(folder, { recursive: true, mode: 0o700 })
    const file = await fs.open(join(folder, fileName), "a+", 0o600)
    try {
      await cutTorn(file)
      await file.appendFile(erasures.map((erasure) => `${encode(erasure)}\n`).join(""))
      await file.sync()
    } finally {
      await file.close()
    }
  })

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const Line = Schema.fromJsonString(Erasure)
const decode = Schema.decodeUnknownOption(Line)
const encode = Schema.encodeSync(Line)

/** What a crash left of a line would spoil the one behind it. */
const cutTorn = async (file: fs.FileHandle) => {
  const text = await file.readFile()
  const whole = text.lastIndexOf(0x0a) + 1
  if (whole < text.length) await file.truncate(whole)
}

const wrong = (detail: string) => new ErasureLedgerError({ detail, retryable: false })

const attempt = <A>(folder: string, work: () => Promise<A>): Effect.Effect<A, ErasureLedgerError> =>
  Effect.tryPromise({
    try: work,
    catch: (cause) =>
      cause instanceof ErasureLedgerError
        ? cause
        : new ErasureLedgerError({
            detail: `the ledger of erasures in ${folder} can't be used: ${cause instanceof Error ? cause.message : "unknown"}`,
            retryable: true
          })
  })
