/**
 * Backups of a deployment's journal: taken, also while it works, and restored into an empty place.
 *
 *   taking:     PostgreSQL: one snapshot beside the service; embedded: by the service, which alone may open the folder
 *   restoring:  judge the file -> mark -> all tables at once -> erase again -> verify, checkpoint -> take the mark away
 *
 * Composes; the lines are `event-store/SqlBackup`'s, the file `backup-file/NodeBackupFile`'s.
 *
 * Invariants: a journal with the mark is not served (`refuseUnfinished`); keys of whoever the ledger of erasures knows
 * are never written; the folder of keys is in no backup.
 */
import { existsSync, statSync } from "node:fs"
import * as fs from "node:fs/promises"
import { join, resolve } from "node:path"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Supervisor from "#layers/actors/Supervisor.ts"
import * as NodeBackupFile from "#layers/backup-file/NodeBackupFile.ts"
import * as NodeCheckpointFolder from "#layers/checkpoint-folder/NodeCheckpointFolder.ts"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as FileErasureLedger from "#layers/erasure-ledger/FileErasureLedger.ts"
import * as SqlBackup from "#layers/event-store/SqlBackup.ts"
import { FolderLocked } from "#layers/sql-client/FolderLock.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { CONTRACT_VERSION } from "#src/kernel/Contract.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import * as BackupRequests from "./BackupRequests.ts"
import * as Erasures from "./Erasures.ts"
import * as Folders from "./Folders.ts"
import * as Journal from "./Journal.ts"
import type { Settings } from "./Settings.ts"
import * as StoreOutside from "./StoreOutside.ts"
import * as Verification from "./Verification.ts"

/** What is asked can't be done, and why. */
export class BackupRefused extends Schema.TaggedError<BackupRefused>()("BackupRefused", {
  detail: Schema.String,
  retryable: Schema.Literal(false)
}) {
  override get message() {
    return this.detail
  }
}

export interface Taken {
  readonly file: string
  readonly position: number
  readonly lines: number
  /** SHA-256 of all lines: the same for two stores that hold the same. */
  readonly digest: string
}

export interface Restored extends Taken {
  /** Sessions that the ledger knows and the backup did not. */
  readonly erasedAgain: number
  /** Events that a checkpoint vouched for; null where none covers no more than the backup. */
  readonly signed: number | null
  /** Where checkpoints went that speak of events behind the backup; null where there were none. */
  readonly movedAside: string | null
  readonly withoutKeys: boolean
}

/** Takes a backup into a file, or into a folder under a name of its own. */
export const take = Effect.fnUntraced(function* (settings: Settings, target: string) {
  const path = yield* fileFor(target)
  return yield* StoreOutside.using(settings, write(settings, path)).pipe(
    Effect.catchIf(isHeld, ({ holderPid }) => asked(settings, path, holderPid))
  )
}, Effect.scoped)

/** What a restore has done so far, each before the next begins: where it may be killed. */
export const moments = [
  "the place was marked",
  "the lines were loaded",
  "the forgotten were erased again",
  "the journal was verified",
  "checkpoints were moved aside",
  "the mark was taken away"
] as const
export type Moment = (typeof moments)[number]

export interface RestoreOptions {
  readonly withoutKeys: boolean
  /** Called at each moment: it goes on, or ends the process. For tests. */
  readonly pass?: (moment: Moment) => Effect.Effect<void>
}

/** Restores a file into a store that holds nothing. */
export const restore = Effect.fnUntraced(function* (
  settings: Settings,
  file: string,
  { pass = () => Effect.void, withoutKeys }: RestoreOptions
) {
  const path = resolve(file)
  const backup = yield* NodeBackupFile.check(path)
  const schema = StoreOutside.schemaOf(settings)
  yield* judge(settings, path, backup, withoutKeys)
  yield* Folders.begin(settings.dataFolder)
  const erasures = yield* Erasures.known(settings)
  const forgotten = new Set(erasures.map(({ subject }) => subject))
  yield* Effect.provide(fill(schema, path, backup.position, forgotten, pass), opened(settings))
  yield* pass("the lines were loaded")
  // Opened anew: a store keeps in mind where its journal ended.
  const erasedAgain =
    erasures.length === 0
      ? 0
      : yield* Effect.provide(Erasures.apply(erasures), Layer.provideMerge(Erasures.actors, opened(settings)))
  yield* pass("the forgotten were erased again")
  const folder = resolve(settings.checkpointFolder)
  const sizes = yield* NodeCheckpointFolder.over(folder).sizes
  const size = sizes.filter((one) => one <= backup.position).at(-1)
  const checkpoint = size === undefined ? null : join(folder, `${String(size).padStart(16, "0")}.checkpoint`)
  const { problemCount, problems, signed } = yield* Verification.verify(settings, { checkpoint, problemsMax: 1 })
  const [problem] = problems
  if (problemCount > 0 && problem !== undefined) {
    return yield* refused(
      `${path} was restored, and is not as it was written: ${problem.table} ` +
        `${problem.position ?? problem.name ?? ""}: ${problem.what}. It will not be served; see keelson verify`
    )
  }
  yield* pass("the journal was verified")
  const movedAside = (sizes.at(-1) ?? 0) > backup.position ? yield* moveAside(folder, backup.position) : null
  yield* pass("checkpoints were moved aside")
  yield* StoreOutside.using(settings, SqlBackup.finish(schema))
  yield* pass("the mark was taken away")
  const { digest, lines, position } = backup
  return { file: path, position, lines, digest, erasedAgain, signed, movedAside, withoutKeys } satisfies Restored
}, Effect.scoped)

/** Fails where a restore into this journal was begun and not ended. */
export const refuseUnfinished = Effect.gen(function* () {
  if (yield* Erasures.unfinished(SqlBackup.restoringCell)) {
    return yield* refused(
      "a restore into this journal was begun and not ended, so it may hold half of a backup: " +
        "empty its place (the folder journal, or the schema) and restore again"
    )
  }
})

/** While the service lives: the ledger of erasures, and backups that are asked for beside an embedded journal. */
export const layer = (settings: Settings) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const look = yield* Erasures.follower(settings)
      const { supervise } = yield* Supervisor.Supervisor
      const requests = resolve(settings.dataFolder, BackupRequests.folderName)
      yield* Effect.addFinalizer(() =>
        look.pipe(
          Effect.interruptible,
          Effect.timeoutOption(Duration.millis(Bounds.checkpointStopMillis)),
          Effect.ignore
        )
      )
      const pause = Effect.sleep(Duration.millis(Bounds.erasureLookMillis))
      yield* supervise("erasure-ledger", Effect.forever(Effect.andThen(look, pause)))
      if (settings.databaseUrl !== null) return
      const serve = BackupRequests.serve(requests, (path) => write(settings, path))
      yield* supervise("backups", Effect.forever(Effect.andThen(serve, pause)))
    })
  ).pipe(Layer.provide(Supervisor.layer))

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const refused = (detail: string) => Effect.fail(new BackupRefused({ detail, retryable: false }))

/** Another process has the folder open. */
const isHeld = (error: unknown): error is FolderLocked & { readonly holderPid: number } =>
  error instanceof FolderLocked && error.holderPid !== null

const opened = (settings: Settings) => Layer.provideMerge(Journal.journal(settings), NodeDigest.layer)

const fileFor = Effect.fnUntraced(function* (target: string) {
  const path = resolve(target)
  if (!existsSync(path) || !statSync(path).isDirectory()) return path
  const now = new Date(yield* Clock.currentTimeMillis)
  return join(path, `keelson-${now.toISOString().replace(/[:.]/g, "-")}.backup`)
})

/** One snapshot of the store at hand. */
const write = Effect.fnUntraced(function* (settings: Settings, path: string) {
  const takenAt = new Date(yield* Clock.currentTimeMillis).toISOString()
  let position = 0
  let writer: NodeBackupFile.Writer | null = null
  const begin = (moment: SqlBackup.Moment) => {
    position = moment.position
    const header = { format: 1 as const, contract: CONTRACT_VERSION, ...moment, takenAt }
    return Effect.tap(NodeBackupFile.create(path, header), (made) => Effect.sync(() => (writer = made)))
  }
  const taken = Effect.gen(function* () {
    const { finish } = yield* SqlBackup.dump(StoreOutside.schemaOf(settings), begin, (to, lines) => to.lines(lines))
    const { digest, lines } = yield* finish
    return { file: path, position, lines, digest } satisfies Taken
  })
  return yield* Effect.onError(taken, () => Effect.suspend(() => writer?.abandon ?? Effect.void))
})

/** By the service that has the folder: nobody else may open it. */
const asked = Effect.fnUntraced(function* (settings: Settings, path: string, holderPid: number) {
  const folder = resolve(settings.dataFolder, BackupRequests.folderName)
  const answer = yield* BackupRequests.ask(folder, path, holderPid)
  return "refused" in answer ? yield* refused(answer.refused) : answer
})

const judge = Effect.fnUntraced(function* (
  settings: Settings,
  path: string,
  backup: NodeBackupFile.Header,
  withoutKeys: boolean
) {
  const steps = SqlBackup.stepsKnown(StoreOutside.schemaOf(settings))
  if (backup.contract !== CONTRACT_VERSION || backup.steps !== steps) {
    return yield* refused(
      `${path} is of contract ${backup.contract} with tables of step ${backup.steps}; this program has ` +
        `${CONTRACT_VERSION} and ${steps}: restore it with the version that wrote it`
    )
  }
  const keys = resolve(settings.dataFolder, "keys")
  if (!withoutKeys && !existsSync(keys)) {
    return yield* refused(
      `there are no wrapping keys in ${keys}: put that folder back first. ` +
        "Where it is lost, --without-keys restores what needs no key; nothing sealed can be read then"
    )
  }
})

const fill = Effect.fnUntraced(function* (
  schema: string,
  path: string,
  position: number,
  forgotten: ReadonlySet<string>,
  pass: (moment: Moment) => Effect.Effect<void>
) {
  if (!(yield* SqlBackup.isEmpty(schema))) {
    return yield* refused("the place is not empty: a backup is restored where there is no journal yet")
  }
  const store = yield* EventStore
  yield* store.setCell(SqlBackup.restoringCell, null, path)
  yield* pass("the place was marked")
  yield* SqlBackup.load(schema, position, NodeBackupFile.reader(path), forgotten)
})

/** The checkpoints stay as evidence. The ledger never leaves its place: a crash here must not make anybody unforgotten. */
const moveAside = Effect.fnUntraced(function* (folder: string, position: number) {
  const aside = `${folder}.before-restore-${position}-${yield* Clock.currentTimeMillis}`
  yield* Effect.promise(async () => {
    await fs.mkdir(aside, { mode: 0o700 })
    for (const name of await fs.readdir(folder)) {
      const move = name === FileErasureLedger.fileName ? fs.copyFile : fs.rename
      await move(join(folder, name), join(aside, name))
    }
  })
  return aside
})
