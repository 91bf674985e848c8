/**
 * A signer in a folder: a secret and a public file per version.
 *
 *   <folder>          0700
 *     signing-1.key   0600, the secret: created once, never replaced or removed by this program
 *     signing-1.pub   what anybody may have: `<name>+<id>+<base64>`
 *     signing-2.key   the newest signs
 *
 * Owns the files and their versions. Does not own backups. A secret that is no longer the newest may be taken away; its
 * public file may not, or what it signed can't be judged any more.
 *
 * Invariants: nothing secret is held between two signatures, so another process's rotation is seen by the next one; a
 * file or folder that others can read or write stops every operation; a first key is made only where the caller knows
 * that nothing was ever signed (`createIfEmpty`) and the folder is empty too.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { hash } from "node:crypto"
import { join } from "node:path"
import * as Checkpoint from "#src/kernel/Checkpoint.ts"
import { Digest } from "#src/ports/Digest.ts"
import { damaged, type PrivateFileError, PrivateFiles } from "#src/ports/PrivateFiles.ts"
import { type PublishedKey, Signer, SignerError } from "#src/ports/Signer.ts"
import * as Ed25519 from "./Ed25519.ts"

export interface Options {
  readonly folder: string
  /** Say true only where no checkpoint of this journal was ever signed. */
  readonly createIfEmpty: boolean
}

export const make = Effect.fnUntraced(function* ({ folder, createIfEmpty }: Options) {
  const files = yield* PrivateFiles
  const { sha256OfHex } = yield* Digest

  const list = Effect.map(files.list(folder, "ToReaders"), (names) => ({
    secret: versions(names, "key"),
    published: versions(names, "pub")
  }))

  const secret = Effect.fnUntraced(function* (version: number) {
    const name = fileName(version, "key")
    const held = secretOf(yield* files.read(folder, name), version)
    return held ?? (yield* damaged(join(folder, name), "restore it from a backup"))
  })

  const publish = (version: number, key: Checkpoint.PublicKey) =>
    files.create(folder, fileName(version, "pub"), `${Checkpoint.keyText(key)}\n`).pipe(
      // Another process has published it meanwhile: the same.
      Effect.catchIf(
        (error) => error.reason === "Exists",
        () => Effect.void
      )
    )

  const published = Effect.fnUntraced(function* (version: number) {
    const name = fileName(version, "pub")
    const key = Checkpoint.parseKey(sha256OfHex, (yield* files.read(folder, name)).trim())
    return key === null ? yield* damaged(join(folder, name), "restore it from a backup") : { ...key, version }
  })

  /** The secret first: a public key whose secret was never written would promise signatures that nobody can make. */
  const add = (version: number, name: string | null): Effect.Effect<number, PrivateFileError> =>
    Effect.suspend(() => {
      const seed = Ed25519.freshSeed()
      const bytes = Ed25519.publicBytes(seed)
      const key = Checkpoint.publicKey(sha256OfHex, name ?? nameFor(bytes), bytes)
      const text = newFile(version, key.name, seed)
      return files.create(folder, fileName(version, "key"), text).pipe(
        Effect.andThen(publish(version, key)),
        Effect.as(version),
        Effect.catchIf(
          (error) => error.reason === "Exists",
          () => add(version + 1, name)
        )
      )
    })

  const publicKeys = Effect.gen(function* () {
    const found = yield* list
    for (const version of found.secret) {
      // A process was killed between the two files.
      if (found.published.includes(version)) continue
      const { name, seed } = yield* secret(version)
      yield* publish(version, Checkpoint.publicKey(sha256OfHex, name, Ed25519.publicBytes(seed)))
    }
    const all = [...new Set([...found.secret, ...found.published])].sort((one, other) => one - other)
    return yield* Effect.forEach(all, published)
  })

  const newest = Effect.gen(function* () {
    const found = yield* list
    const version = found.secret.at(-1)
    // An older secret must not sign in the place of one that was lost.
    if (version === undefined || version < (found.published.at(-1) ?? 0)) return yield* noKey(folder)
    return { ...(yield* secret(version)), version }
  })

  const prepare = Effect.gen(function* () {
    yield* files.ensureFolder(folder, "ToReaders")
    yield* files.removeStale(folder)
    if (createIfEmpty && (yield* files.list(folder, "ToReaders")).length === 0) yield* add(1, null)
    yield* newest
    yield* publicKeys
  })
  yield* Effect.mapError(prepare, asSignerError)

  return Signer.of({
    sign: (text) =>
      Effect.mapError(
        Effect.map(newest, ({ name, seed }) => {
          const { id } = Checkpoint.publicKey(sha256OfHex, name, Ed25519.publicBytes(seed))
          const bytes = Ed25519.sign(seed, text)
          seed.fill(0)
          return { name, id, bytes }
        }),
        asSignerError
      ),
    verify: Ed25519.verify,
    publicKeys: Effect.mapError(publicKeys, asSignerError),
    rotate: Effect.mapError(
      Effect.flatMap(newest, ({ name, version }) => add(version + 1, name)),
      asSignerError
    )
  })
})

export const layer = (options: Options): Layer.Layer<Signer, SignerError, PrivateFiles | Digest> =>
  Layer.effect(Signer, make(options))

/** The public keys in a folder, for whoever only judges: no secret is read, nothing is made. */
export const published = Effect.fnUntraced(function* (folder: string) {
  const files = yield* PrivateFiles
  const { sha256OfHex } = yield* Digest
  const found = versions(yield* Effect.mapError(files.list(folder, "ToReaders"), asSignerError), "pub")
  const keys = yield* Effect.forEach(found, (version) =>
    Effect.mapError(files.read(folder, fileName(version, "pub")), asSignerError)
  )
  return keys.flatMap((text, index): ReadonlyArray<PublishedKey> => {
    const key = Checkpoint.parseKey(sha256OfHex, text.trim())
    return key === null ? [] : [{ ...key, version: found[index]! }]
  })
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const File = Schema.fromJsonString(
  Schema.Struct({
    kind: Schema.Literal("keelson signing key"),
    version: Schema.Int,
    name: Schema.String.check(Schema.isPattern(/^[!-*,-~]{1,200}$/)),
    /** The seed, base64url, 32 bytes. */
    key: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{43}$/)),
    /** Tells a file that was cut, garbled or renamed; no secret follows from it. */
    checksum: Schema.String
  })
)
const decodeFile = Schema.decodeUnknownOption(File)
const encodeFile = Schema.encodeSync(File)

/** Of its first key: nobody else's journal has that name. */
const nameFor = (bytes: string): string => `keelson.journal/${bytes.slice(0, 32)}`

const fileName = (version: number, kind: "key" | "pub"): string => `signing-${version}.${kind}`

/** Ascending. */
const versions = (names: ReadonlyArray<string>, kind: "key" | "pub"): ReadonlyArray<number> =>
  names
    .flatMap((name) => {
      const match = /^signing-([1-9][0-9]{0,8})\.(key|pub)$/.exec(name)
      return match !== null && match[2] === kind ? [Number(match[1])] : []
    })
    .sort((one, other) => one - other)

const checksum = (version: number, name: string, key: string): string =>
  hash("sha256", `keelson signing key\n${version}\n${name}\n${key}\n`)

/** Overwrites the seed. */
const newFile = (version: number, name: string, seed: Buffer): string => {
  const key = seed.toString("base64url")
  seed.fill(0)
  const file = { kind: "keelson signing key", version, name, key, checksum: checksum(version, name, key) } as const
  return `${encodeFile(file)}\n`
}

/** Null where the text is not a whole file of this very version. */
const secretOf = (text: string, version: number): { readonly name: string; readonly seed: Buffer } | null => {
  const file = Option.getOrUndefined(decodeFile(text))
  if (file === undefined || file.version !== version) return null
  if (file.checksum !== checksum(version, file.name, file.key)) return null
  return { name: file.name, seed: Buffer.from(file.key, "base64url") }
}

const noKey = (folder: string) =>
  new SignerError({
    reason: "KeyMissing",
    detail: `the newest signing key is not in ${folder}: restore its signing-*.key files from a backup, or move that folder and the checkpoints away to begin anew`,
    retryable: false
  })

const reasons = {
  Missing: "KeyMissing",
  Exists: "Unavailable",
  Insecure: "Insecure",
  Damaged: "KeyDamaged",
  Unavailable: "Unavailable"
} as const

const asSignerError = (error: PrivateFileError | SignerError): SignerError => {
  if (error instanceof SignerError) return error
  const { detail, reason, retryable } = error
  return new SignerError({ reason: reasons[reason], detail, retryable })
}
