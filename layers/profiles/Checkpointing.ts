/**
 * The follower that signs what the journal holds, over the deployment's store, key files and folder.
 *
 * Composes; the rules are `assurance/CheckpointFollower`.
 */
import { join, resolve } from "node:path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Supervisor from "#layers/actors/Supervisor.ts"
import * as NodeCheckpointFolder from "#layers/checkpoint-folder/NodeCheckpointFolder.ts"
import * as SqlJournalHashes from "#layers/event-store/SqlJournalHashes.ts"
import * as FileSigner from "#layers/signer/FileSigner.ts"
import * as CheckpointFollower from "#src/assurance/CheckpointFollower.ts"
import { Checkpoints } from "#src/assurance/Protocol.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { CheckpointFolder } from "#src/ports/CheckpointFolder.ts"
import type { Settings } from "./Settings.ts"
import * as StoreOutside from "./StoreOutside.ts"

/** The folder of signing keys: apart from the checkpoints, which are for giving away. */
export const keyFolder = ({ dataFolder }: Settings): string => join(resolve(dataFolder), "signing-keys")

/** Keys and the folder of what they signed. A first key is made only where nothing was ever signed. */
export const signer = (settings: Settings) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { sizes } = yield* CheckpointFolder
      return FileSigner.layer({ folder: keyFolder(settings), createIfEmpty: (yield* sizes).length === 0 })
    })
  ).pipe(Layer.provideMerge(NodeCheckpointFolder.layer({ folder: resolve(settings.checkpointFolder) })))

/** What a follower needs: who signs, where it is kept, and the journal's hashes. */
export const ports = (settings: Settings) =>
  signer(settings).pipe(
    Layer.provideMerge(
      SqlJournalHashes.layer({
        schema: StoreOutside.schemaOf(settings),
        timeoutMillis: settings.databaseUrl === null ? null : Bounds.queryTimeoutMillis
      })
    )
  )

/** Looks by itself for the life of the layer, and once more at its end. */
export const layer = (settings: Settings) =>
  Layer.effect(
    Checkpoints,
    Effect.gen(function* () {
      const { process, status, take } = yield* CheckpointFollower.make
      const { supervise } = yield* Supervisor.Supervisor
      // Registered before the process: the scope's end stops that first.
      yield* Effect.addFinalizer(() =>
        take.pipe(Effect.interruptible, Effect.timeoutOption(Duration.millis(Bounds.checkpointStopMillis)))
      )
      yield* supervise("checkpoint-follower", process(settings.checkpointIntervalMillis))
      return Checkpoints.of({ status, take })
    })
  ).pipe(Layer.provide(Layer.mergeAll(ports(settings), Supervisor.layer)))
