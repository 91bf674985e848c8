/**
 * A key ring in a folder: one file per version of the wrapping key.
 *
 *   <folder>           0700
 *     wrapping-1.key   0600, created once, never replaced or removed by this program
 *     wrapping-2.key   the newest wraps; older ones still unwrap
 *
 * Owns the files and their versions. Does not own backups: a lost file loses everything wrapped by it, which is
 * why a missing key is an error for ever and a first key is made only where the caller knows that nothing was
 * ever wrapped (`createIfEmpty`) and the folder is empty too.
 *
 * Invariants: another process's rotation is seen before the next data key is made; a file or folder that others
 * can read or write stops every operation that looks at it.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { hash } from "node:crypto"
import { join } from "node:path"
import { KeyRing, KeyRingError } from "#src/ports/KeyRing.ts"
import { damaged, type PrivateFileError, PrivateFiles } from "#src/ports/PrivateFiles.ts"
import * as AesSubjectKey from "./AesSubjectKey.ts"
import * as AesWrappingKey from "./AesWrappingKey.ts"
import type { WrappingKey } from "./AesWrappingKey.ts"
import * as Wrapping from "./Wrapping.ts"

export interface Options {
  readonly folder: string
  /** Say true only where the store holds no wrapped key. */
  readonly createIfEmpty: boolean
}

export const make = Effect.fnUntraced(function* ({ folder, createIfEmpty }: Options) {
  const files = yield* PrivateFiles
  const randomness = AesSubjectKey.systemRandomness()
  const one = yield* Semaphore.make(1)
  let held: ReadonlyMap<number, WrappingKey> = new Map()
  let state = ""
  yield* Effect.addFinalizer(() => Effect.sync(() => held.forEach((key) => key.destroy())))

  /** Two processes that rotate at once make two versions. */
  const add = (version: number): Effect.Effect<number, PrivateFileError> =>
    files.create(folder, fileName(version), newFile(version, randomness)).pipe(
      Effect.as(version),
      Effect.catchIf(
        (error) => error.reason === "Exists",
        () => add(version + 1)
      )
    )

  const readOne = Effect.fnUntraced(function* (name: string, version: number) {
    const bytes = keyOf(yield* files.read(folder, name), version)
    return bytes === null
      ? yield* damaged(join(folder, name), "restore it from a backup")
      : AesWrappingKey.make(version, bytes)
  })

  /** Reads every file again. `state` is taken first, so a change meanwhile is seen the next time. */
  const reread = one.withPermits(1)(
    Effect.gen(function* () {
      const before = yield* files.state(folder)
      const keys = new Map<number, WrappingKey>()
      for (const name of yield* files.list(folder, "ToReaders")) {
        const version = versionOf(name)
        if (version !== null) keys.set(version, yield* readOne(name, version))
      }
      held = keys
      state = before
    })
  )
  const refresh = Effect.flatMap(files.state(folder), (now) => (now === state ? Effect.void : reread))

  const newest = Effect.flatMap(Effect.mapError(refresh, asKeyRingError), () => {
    const key = held.get(Math.max(0, ...held.keys()))
    return key === undefined ? Effect.fail(noKey(folder)) : Effect.succeed(key)
  })

  const prepare = Effect.gen(function* () {
    yield* files.ensureFolder(folder, "ToReaders")
    yield* files.removeStale(folder)
    // Any other file, even one that is no key, says that this folder is not new.
    if (createIfEmpty && (yield* files.list(folder, "ToReaders")).length === 0) yield* add(1)
  })
  yield* Effect.mapError(prepare, asKeyRingError)
  yield* newest

  return Wrapping.make(
    {
      newest,
      find: (version) =>
        held.has(version)
          ? Effect.sync(() => held.get(version) ?? null)
          : Effect.map(Effect.mapError(reread, asKeyRingError), () => held.get(version) ?? null),
      rotate: Effect.flatMap(newest, ({ version }) =>
        add(version + 1).pipe(
          Effect.tap(() => reread),
          Effect.mapError(asKeyRingError)
        )
      ),
      versions: Effect.map(newest, () => [...held.keys()].sort((left, right) => left - right))
    },
    randomness
  )
})

export const layer = (options: Options): Layer.Layer<KeyRing, KeyRingError, PrivateFiles> =>
  Layer.effect(KeyRing, make(options))

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const File = Schema.fromJsonString(
  Schema.Struct({
    kind: Schema.Literal("keelson wrapping key"),
    version: Schema.Int,
    /** base64url, 32 bytes. */
    key: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{43}$/)),
    /** Tells a file that was cut, garbled or renamed; no secret follows from it. */
    checksum: Schema.String
  })
)
const decodeFile = Schema.decodeUnknownOption(File)
const encodeFile = Schema.encodeSync(File)

const fileName = (version: number): string => `wrapping-${version}.key`

const versionOf = (name: string): number | null => {
  const match = /^wrapping-([1-9][0-9]{0,8})\.key$/.exec(name)
  return match === null ? null : Number(match[1])
}

const checksum = (version: number, key: string): string => hash("sha256", `keelson wrapping key\n${version}\n${key}\n`)

const newFile = (version: number, randomness: AesSubjectKey.Randomness): string => {
  const bytes = randomness.key()
  const key = bytes.toString("base64url")
  bytes.fill(0)
  return `${encodeFile({ kind: "keelson wrapping key", version, key, checksum: checksum(version, key) })}\n`
}

/** Null where the text is not a whole file of this very version. */
const keyOf = (text: string, version: number): Buffer | null => {
  const file = Option.getOrUndefined(decodeFile(text))
  if (file === undefined || file.version !== version || file.checksum !== checksum(version, file.key)) return null
  return Buffer.from(file.key, "base64url")
}

const noKey = (folder: string) =>
  new KeyRingError({
    reason: "KeyMissing",
    subject: null,
    detail: `no wrapping key in ${folder}; restore its wrapping-*.key files from a backup`,
    retryable: false
  })

const reasons = {
  Missing: "KeyMissing",
  Exists: "Unavailable",
  Insecure: "Insecure",
  Damaged: "KeyDamaged",
  Unavailable: "Unavailable"
} as const

const asKeyRingError = ({ reason, detail, retryable }: PrivateFileError): KeyRingError =>
  new KeyRingError({ reason: reasons[reason], subject: null, detail, retryable })
