/**
 * What a path inside the workspace may look like. Pure: touches no file.
 *
 * A path is relative, its parts divided by `/`; `.` alone is the workspace itself. Refused are all spellings that
 * lead out (`..`, absolute), that mean different things on different systems (back slashes, drive letters, trailing
 * dots and spaces) or that look like something else to the person who must allow them (control, format and
 * bidirectional characters, text that is not in Unicode's normal form NFC).
 */
import * as Result from "effect/Result"
import * as Bounds from "#src/kernel/Bounds.ts"

/** The parts from the workspace's root to the file; none for the root itself. */
export type Parts = ReadonlyArray<string>

/** Why a path is refused, as a sentence that says what to write instead. */
export type PathFault = string

/** Names that the workspace keeps for its own unfinished writes. */
export const ownPrefix = ".keelson-"

export const parse = (path: string): Result.Result<Parts, PathFault> => {
  if (path === ".") return Result.succeed([])
  const fault = pathFault(path)
  if (fault !== null) return Result.fail(fault)
  const parts = path.split("/")
  for (const part of parts) {
    const partFault = nameFault(part)
    if (partFault !== null) return Result.fail(partFault)
  }
  return Result.succeed(parts)
}

/** Why a file name can't be part of a path, or null. Also decides which names a listing gives. */
export const nameFault = (name: string): PathFault | null => {
  if (name === "") return "has an empty part; write a/b, not a//b or a/"
  if (name === "." || name === "..") return "has a part . or ..; write the path from the workspace's root"
  if (Buffer.byteLength(name) > nameBytesMax) return `has a part of more than ${nameBytesMax} bytes`
  if (/[. ]$/u.test(name) || name.startsWith(" ")) return "has a part that starts or ends in a space, or ends in a dot"
  if (name.toLowerCase().startsWith(ownPrefix)) return `has a part that starts with ${ownPrefix}, which is kept`
  return textFault(name)
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** What the common file systems take for one name. */
const nameBytesMax = 255

const pathFault = (path: string): PathFault | null => {
  if (path === "") return "is empty; write . for the workspace itself"
  if (path.length > Bounds.pathUnitsMax) return `has more than ${Bounds.pathUnitsMax} characters`
  if (path.startsWith("/")) return "is absolute; write it relative to the workspace"
  if (/^[A-Za-z]:/.test(path)) return "starts with a drive letter; write it relative to the workspace"
  return null
}

/**
 * Controls, formats (bidirectional and zero-width among them), half surrogates, private and unassigned characters, line
 * ends, and what a screen may leave out: fillers, joiners, variation selectors.
 */
const unseen = /\p{C}|\p{Zl}|\p{Zp}|\p{Default_Ignorable_Code_Point}/u

const textFault = (name: string): PathFault | null => {
  if (name.includes("\\")) return "has a back slash; parts are divided by /"
  if (unseen.test(name)) return "has a character that can't be seen"
  if (name.normalize("NFC") !== name) return "is not in Unicode's normal form NFC"
  return null
}
