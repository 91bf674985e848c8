/**
 * Policy files on disk: reading a folder of them, and giving a new installation its first ones.
 *
 * Owns which files count: regular files (or links to such) named `*.cedar`, directly in the folder; names that begin
 * with a dot are ignored. What looks meant but would not be read (`x.CEDAR`, a folder) is a problem, because a
 * forbid that nobody reads protects nobody. Does not own what the files say.
 */
import { findPackageJSON } from "node:module"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Bounds from "#src/kernel/Bounds.ts"
import { PolicyError } from "#src/ports/PolicyEngine.ts"
import type { PolicyFile, Problem } from "./CedarPolicyText.ts"

/** Every policy file of the folder, by name. Fails with all that stands in the way of reading them. */
export const readFolder = Effect.fnUntraced(function* (folder: string) {
  const fileSystem = yield* FileSystem.FileSystem
  const names = yield* fileSystem
    .readDirectory(folder)
    .pipe(
      Effect.mapError((error) => refused([{ file: folder, line: null, detail: sentence("The policy folder", error) }]))
    )
  const visible = names.filter((name) => !name.startsWith(".")).sort()
  if (visible.length > Bounds.policyFilesMax) {
    const detail = `the folder holds ${visible.length} entries; at most ${Bounds.policyFilesMax}`
    return yield* refused([{ file: folder, line: null, detail }])
  }
  const read = yield* Effect.forEach(visible, (name) => readEntry(fileSystem, folder, name))
  const problems = read.filter((one) => one !== null && "detail" in one)
  if (problems.length > 0) return yield* refused(problems)
  return read.filter((one) => one !== null && "text" in one)
})

/**
 * Copies the starter set that ships with the package into a folder that does not exist yet, whole or not at all.
 * True if it did; false if the folder is there, whatever it holds: an emptied folder permits nothing, and stays so.
 */
export const installStarterSet = Effect.fnUntraced(
  function* (folder: string) {
    const fileSystem = yield* FileSystem.FileSystem
    if (yield* fileSystem.exists(folder)) return false
    const source = starterFolder()
    const parent = Path.dirname(folder)
    yield* fileSystem.makeDirectory(parent, { recursive: true })
    const draft = yield* fileSystem.makeTempDirectoryScoped({ directory: parent, prefix: ".policies-" })
    // One level down, so that the scope may delete the draft's folder after its content has moved away.
    const filled = Path.join(draft, "filled")
    yield* fileSystem.makeDirectory(filled, { mode: 0o700 })
    for (const name of yield* fileSystem.readDirectory(source)) {
      if (name.endsWith(".cedar")) {
        const bytes = yield* fileSystem.readFile(Path.join(source, name))
        const file = yield* fileSystem.open(Path.join(filled, name), { flag: "wx", mode: 0o600 })
        yield* file.writeAll(bytes)
        yield* file.sync
      }
    }
    return yield* fileSystem.rename(filled, folder).pipe(
      Effect.as(true),
      // Another process was faster: its folder stays.
      Effect.catch((error) =>
        Effect.flatMap(fileSystem.exists(folder), (there) => (there ? Effect.succeed(false) : Effect.fail(error)))
      )
    )
  },
  Effect.scoped,
  (installing, folder) =>
    Effect.mapError(installing, (error: PlatformError) =>
      refused([{ file: folder, line: null, detail: sentence("The starter policies", error) }])
    )
)

/** Where the package keeps its starter set: `policies/` beside the nearest package.json, from source and from a build. */
export const starterFolder = (): string => {
  const manifest = findPackageJSON("..", import.meta.url)
  return Path.join(manifest === undefined ? "." : Path.dirname(manifest), "policies")
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const refused = (problems: ReadonlyArray<Problem>): PolicyError => new PolicyError({ problems, retryable: false })

const sentence = (what: string, error: PlatformError): string => {
  switch (error.reason._tag) {
    case "NotFound":
      return `${what} can't be read: there is no such file or folder`
    case "PermissionDenied":
      return `${what} can't be read or written: permission denied`
    default:
      return `${what} can't be read or written: ${error.message}`
  }
}

/** The file, a problem, or null for what is no policy and does not look like one. */
const readEntry = Effect.fnUntraced(
  function* (fileSystem: FileSystem.FileSystem, folder: string, name: string) {
    const path = Path.join(folder, name)
    const info = yield* fileSystem.stat(path)
    const problem = (detail: string): Problem => ({ file: path, line: null, detail })
    if (info.type === "Directory") return problem("is a folder; policies are read from one folder only")
    if (!name.endsWith(".cedar")) {
      return name.toLowerCase().endsWith(".cedar") ? problem("is not read: its name must end in .cedar") : null
    }
    if (info.type !== "File") return problem("is no regular file")
    if (Number(info.size) > Bounds.policyFileBytesMax) {
      return problem(`the file holds ${Number(info.size)} bytes; at most ${Bounds.policyFileBytesMax}`)
    }
    const bytes = yield* fileSystem.readFile(path)
    try {
      // A byte order mark is kept: every byte counts for the set's hash, and Cedar names the mark as a problem.
      const file: PolicyFile = {
        file: name,
        text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
      }
      return file
    } catch {
      return problem("is not UTF-8 text")
    }
  },
  (reading, _fileSystem, folder, name) =>
    Effect.catch(reading, (error: PlatformError): Effect.Effect<Problem> =>
      Effect.succeed({ file: Path.join(folder, name), line: null, detail: sentence("The file", error) })
    )
)
