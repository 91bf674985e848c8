/**
 * A backup as a file: gzip of lines, from a header to an end that says what came before.
 *
 *   keelson-backup {"format":1,"contract":1,"steps":4,"position":1204,"takenAt":"..."}
 *   event {...}                          and so on, as `event-store/SqlBackup` gives them
 *   end {"lines":5120,"digest":"...","whole":"..."}
 *
 * Owns the file: mode 0600, written beside its place, brought to the disk, renamed. Does not own the lines.
 *
 * Invariants: a file under its own name is whole; nothing of a file is believed before its end was read, so one that was
 * cut or changed is refused before anything is done with it. `digest` covers the lines between header and end: two
 * stores with the same are the same.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { createHash } from "node:crypto"
import { createReadStream, createWriteStream } from "node:fs"
import * as fs from "node:fs/promises"
import { dirname } from "node:path"
import { pipeline } from "node:stream/promises"
import { createGunzip, createGzip } from "node:zlib"
import * as SystemCode from "#src/kernel/SystemCode.ts"

/** `Exists`, `Unavailable`: the file can't be written or read. `Damaged`: it is no backup, or not the one that was written. */
export class BackupFileError extends Schema.TaggedError<BackupFileError>()("BackupFileError", {
  reason: Schema.Literals(["Exists", "Unavailable", "Damaged"]),
  detail: Schema.String,
  retryable: Schema.Literal(false)
}) {
  override get message() {
    return this.detail
  }
}

export const Header = Schema.Struct({
  format: Schema.Literal(1),
  /** The contract of the program that wrote it. */
  contract: Schema.Int,
  /** Steps that made the tables. */
  steps: Schema.Int,
  position: Schema.Int,
  takenAt: Schema.String
})
export type Header = typeof Header.Type

const End = Schema.Struct({ lines: Schema.Int, digest: Schema.String, whole: Schema.String })
export type End = typeof End.Type

export interface Writer {
  readonly lines: (lines: ReadonlyArray<string>) => Effect.Effect<void, BackupFileError>
  /** Writes the end and gives the file its name. */
  readonly finish: Effect.Effect<End, BackupFileError>
  /** Takes away what was begun. */
  readonly abandon: Effect.Effect<void>
}

/** Begins a file; nothing has its name before `finish`. */
export const create = (path: string, header: Header): Effect.Effect<Writer, BackupFileError> =>
  attempt(path, async () => {
    if (await exists(path)) throw failure("Exists", `${path} is there already; a backup overwrites nothing`)
    const partial = `${path}.partial`
    await fs.rm(partial, { force: true })
    const out = createWriteStream(partial, { flags: "wx", mode: 0o600, flush: true })
    const gzip = createGzip()
    const written = pipeline(gzip, out)
    written.catch(() => undefined)
    const sums = summing()
    const put = (text: string) =>
      Promise.race([
        new Promise<void>((done, fail) => gzip.write(text, (error) => (error ? fail(error) : done()))),
        written
      ])
    const first = `${headerName} ${JSON.stringify(header)}`
    sums.frame(first)
    await put(`${first}\n`)
    return {
      lines: (lines) =>
        attempt(path, async () => {
          for (const line of lines) sums.line(line)
          await put(lines.map((line) => `${line}\n`).join(""))
        }),
      finish: attempt(path, async () => {
        const end = sums.end()
        gzip.end(`${endName} ${JSON.stringify(end)}\n`)
        await written
        if (await exists(path)) throw failure("Exists", `${path} is there already; a backup overwrites nothing`)
        await fs.rename(partial, path)
        const folder = await fs.open(dirname(path))
        try {
          await folder.sync()
        } finally {
          await folder.close()
        }
        return end
      }),
      abandon: Effect.promise(async () => {
        gzip.destroy()
        await written.catch(() => undefined)
        await fs.rm(partial, { force: true })
      })
    }
  })

/** Reads a file to its end and judges it: header and end where it is whole. */
export const check = (path: string): Effect.Effect<Header & End, BackupFileError> =>
  attempt(path, async () => {
    const sums = summing()
    let header: Header | null = null
    let end: End | null = null
    for await (const line of linesOf(path)) {
      if (end !== null) throw damaged(path, "something stands behind its end")
      if (header === null) {
        header = parse(Header, headerName, line)
        if (header === null) throw damaged(path, "it does not begin as a backup that this program knows")
        sums.frame(line)
      } else if (line.startsWith(`${endName} `)) {
        end = parse(End, endName, line)
        const is = sums.end()
        if (end === null || is.lines !== end.lines)
          throw damaged(path, `it holds ${is.lines} lines and not all of them`)
        if (is.whole !== end.whole || is.digest !== end.digest) throw damaged(path, "it is not what was written")
      } else sums.line(line)
    }
    if (header === null || end === null) throw damaged(path, "it was cut: it has no end")
    return { ...header, ...end }
  })

/** The lines between header and end, page by page; null at the end. Call `check` first. */
export const reader = (path: string): Effect.Effect<ReadonlyArray<string> | null, BackupFileError> => {
  const all = linesOf(path)
  return attempt(path, async () => {
    const page: Array<string> = []
    while (page.length < pageLines) {
      const next = await all.next()
      if (next.done === true) break
      if (!next.value.startsWith(`${headerName} `) && !next.value.startsWith(`${endName} `)) page.push(next.value)
    }
    return page.length === 0 ? null : page
  })
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const headerName = "keelson-backup"
const endName = "end"
const pageLines = 200

const failure = (reason: BackupFileError["reason"], detail: string) =>
  new BackupFileError({ reason, detail, retryable: false })

const damaged = (path: string, why: string) =>
  failure("Damaged", `${path} is damaged: ${why}. Nothing was done with it`)

const summing = () => {
  const digest = createHash("sha256")
  const whole = createHash("sha256")
  let lines = 0
  return {
    frame: (text: string): void => void whole.update(`${text}\n`),
    line: (text: string): void => {
      digest.update(`${text}\n`)
      whole.update(`${text}\n`)
      lines += 1
    },
    end: (): End => ({ lines, digest: digest.copy().digest("hex"), whole: whole.copy().digest("hex") })
  }
}

const parse = <A>(schema: Schema.Codec<A, unknown>, name: string, line: string): A | null => {
  if (!line.startsWith(`${name} `)) return null
  return Option.getOrNull(Schema.decodeUnknownOption(Schema.fromJsonString(schema))(line.slice(name.length + 1)))
}

async function* linesOf(path: string): AsyncGenerator<string, void> {
  const gunzip = createGunzip()
  const read = pipeline(createReadStream(path), gunzip)
  read.catch(() => undefined)
  gunzip.setEncoding("utf8")
  let rest = ""
  for await (const chunk of gunzip as AsyncIterable<string>) {
    const parts = (rest + chunk).split("\n")
    rest = parts.pop()!
    yield* parts
  }
  if (rest !== "") throw damaged(path, "its last line was cut")
}

const exists = (path: string): Promise<boolean> =>
  fs.lstat(path).then(
    () => true,
    () => false
  )

const attempt = <A>(path: string, work: () => Promise<A>): Effect.Effect<A, BackupFileError> =>
  Effect.tryPromise({
    try: work,
    catch: (cause) => {
      if (cause instanceof BackupFileError) return cause
      const code = SystemCode.of(cause) ?? "unknown"
      // What zlib says of bytes that it can't unpack.
      if (code.startsWith("Z_")) return damaged(path, `it can't be unpacked (${code})`)
      return failure("Unavailable", `${path} can't be used (${code})`)
    }
  })
