/** A command that works on a deployment's store by itself: its settings read, its failures told as refusals. */
import * as Effect from "effect/Effect"
import type { CommandRefused } from "./CommandRefused.ts"
import type { Deployment } from "./Deployment.ts"
import * as SettingsSource from "./SettingsSource.ts"
import type { BasicSettings } from "./SettingsSource.ts"

export const run = <S extends BasicSettings, E, V, A, R>(
  deployment: Deployment<S, E, V>,
  environment: SettingsSource.Environment,
  typed: SettingsSource.Typed,
  refusal: (error: unknown, settings: S) => CommandRefused,
  work: (settings: S) => Effect.Effect<A, unknown, R>
) =>
  Effect.flatMap(Effect.fromResult(SettingsSource.resolve(deployment.settings, typed, environment)), ({ settings }) =>
    Effect.scoped(Effect.mapError(work(settings), (error) => refusal(error, settings)))
  )
