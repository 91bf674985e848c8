/**
 * A key ring in memory, for tests and for stores that forget as well: with the process go the wrapping
 * keys, and with them everything sealed. Seeded, its keys and nonces are the same in every run.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { createHmac } from "node:crypto"
import { KeyRing } from "#src/ports/KeyRing.ts"
import * as AesSubjectKey from "./AesSubjectKey.ts"
import * as AesWrappingKey from "./AesWrappingKey.ts"
import type { WrappingKey } from "./AesWrappingKey.ts"
import * as Wrapping from "./Wrapping.ts"

export interface Seed {
  /** Names the simulated run. Wrapping keys come from it alone, so that a simulated restart finds them again. */
  readonly seed: string
  /** Which life of the simulated process this is; data keys and nonces differ between lives. Default 0. */
  readonly life?: number
}

/** Without a seed everything is drawn from the platform's generator. */
export const make = (options?: Seed) =>
  Effect.sync(() => {
    const randomness =
      options === undefined
        ? AesSubjectKey.systemRandomness()
        : AesSubjectKey.seededRandomness(`${options.seed}/${options.life ?? 0}`)
    const wrappingKey = (version: number): WrappingKey =>
      AesWrappingKey.make(
        version,
        options === undefined
          ? randomness.key()
          : createHmac("sha256", options.seed).update(`keelson/seeded/wrapping/${version}`).digest()
      )
    const keys = [wrappingKey(1)]
    return Wrapping.make(
      {
        newest: Effect.sync(() => keys[keys.length - 1]!),
        find: (version) => Effect.sync(() => keys[version - 1] ?? null),
        rotate: Effect.sync(() => keys.push(wrappingKey(keys.length + 1))),
        versions: Effect.sync(() => keys.map((key) => key.version))
      },
      randomness
    )
  })

export const layer: Layer.Layer<KeyRing> = Layer.effect(KeyRing, make())

export const layerSeeded = (options: Seed): Layer.Layer<KeyRing> => Layer.effect(KeyRing, make(options))
