/**
 * Looks for a text in everything below a folder, as raw bytes and in the forms in which words like to hide.
 *
 * Plant a text that exists nowhere else, do what should make it go away, then `find` it: an empty answer means that
 * none of the forms stands in any file or file name. What is compressed or encrypted is not looked into: plant short
 * texts, which databases store as they are.
 */
import { type FileHandle, open, readdir } from "node:fs/promises"
import { join } from "node:path"

export interface Hit {
  readonly file: string
  /** Byte offset in the file; -1 where the file's name holds it. */
  readonly offset: number
  readonly form: string
}

export interface Form {
  readonly name: string
  readonly bytes: Buffer
}

/** Shorter texts turn up by chance in their shortened base64 forms. */
export const lengthMin = 8

/** Every form that is looked for, without repetitions. */
export const forms = (text: string): ReadonlyArray<Form> => {
  if (text.length < lengthMin) throw new Error(`a canary needs ${lengthMin} characters`)
  const utf8 = Buffer.from(text, "utf8")
  const utf16 = Buffer.from(text, "utf16le")
  const hex = utf8.toString("hex")
  const units = Array.from({ length: text.length }, (_, index) => text.charCodeAt(index).toString(16).padStart(4, "0"))
  const named: ReadonlyArray<readonly [name: string, bytes: Buffer | string]> = [
    ["utf-8", utf8],
    ["utf-16le", utf16],
    ["utf-16be", Buffer.from(utf16).swap16()],
    ["hex", hex],
    ["HEX", hex.toUpperCase()],
    ["percent", encodeURIComponent(text)],
    ["json", JSON.stringify(text).slice(1, -1)],
    ["json in json", JSON.stringify(JSON.stringify(text).slice(1, -1)).slice(1, -1)],
    ["json \\u", units.map((unit) => `\\u${unit}`).join("")],
    ["json \\U", units.map((unit) => `\\u${unit.toUpperCase()}`).join("")],
    ...[0, 1, 2].flatMap((shift) =>
      (["base64", "base64url"] as const).map(
        (encoding) => [`${encoding}+${shift}`, inner(utf8, shift, encoding)] as const
      )
    )
  ]
  const seen = new Set<string>()
  return named
    .map(([name, bytes]) => ({ name, bytes: Buffer.from(bytes) }))
    .filter(({ bytes }) => {
      const key = bytes.toString("latin1")
      if (seen.has(key)) return false
      seen.add(key)
      return true
    })
}

/** Hits in bytes that a test holds itself: an answer, a frame, a log. */
export const inBytes = (text: string, bytes: Buffer | string, name = "(bytes)"): ReadonlyArray<Hit> => {
  const buffer = Buffer.from(bytes)
  return forms(text).flatMap((form) =>
    offsets(buffer, form.bytes).map((offset) => ({ file: name, offset, form: form.name }))
  )
}

/** Hits below the folder, hidden files included; links are not followed. Sorted by file, then offset. */
export const find = async (text: string, folder: string): Promise<ReadonlyArray<Hit>> => {
  const looked = forms(text)
  const hits: Array<Hit> = []
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name)
    if (entry.name.includes(text)) hits.push({ file, offset: -1, form: "file name" })
    if (entry.isFile()) hits.push(...(await inFile(file, looked)))
  }
  return hits.sort((left, right) =>
    left.file < right.file ? -1 : left.file > right.file ? 1 : left.offset - right.offset
  )
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const chunkBytes = 4 * 1024 * 1024

/** The base64 characters that depend on the text alone when it stands `shift` bytes into a group of three. */
const inner = (utf8: Buffer, shift: number, encoding: "base64" | "base64url"): string =>
  Buffer.concat([Buffer.alloc(shift), utf8])
    .toString(encoding)
    .slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + utf8.length) * 8) / 6))

const offsets = (bytes: Buffer, wanted: Buffer): ReadonlyArray<number> => {
  const found: Array<number> = []
  for (let at = bytes.indexOf(wanted); at !== -1; at = bytes.indexOf(wanted, at + 1)) found.push(at)
  return found
}

/** Reads in chunks that overlap by the longest form, so nothing hides at an edge. */
const inFile = async (file: string, looked: ReadonlyArray<Form>): Promise<ReadonlyArray<Hit>> => {
  const overlap = Math.max(...looked.map(({ bytes }) => bytes.length)) - 1
  const handle = await open(file, "r").catch((error: NodeJS.ErrnoException) => {
    // A living database removes files while we walk; what is gone holds nothing.
    if (error.code === "ENOENT") return null
    throw error
  })
  if (handle === null) return []
  try {
    const hits = new Map<string, Hit>()
    const buffer = Buffer.alloc(chunkBytes + overlap)
    for (let start = 0; ; start += chunkBytes) {
      const length = await fill(handle, buffer, start)
      const chunk = buffer.subarray(0, length)
      for (const { name, bytes } of looked) {
        for (const at of offsets(chunk, bytes)) {
          hits.set(`${name}@${start + at}`, { file, offset: start + at, form: name })
        }
      }
      if (length < buffer.length) return [...hits.values()]
    }
  } finally {
    await handle.close()
  }
}

const fill = async (handle: FileHandle, buffer: Buffer, start: number): Promise<number> => {
  let length = 0
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, start + length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return length
}
