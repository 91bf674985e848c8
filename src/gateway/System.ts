/**
 * Keelson itself as an actor: expiries, leases, the turn's own progress.
 */
import { PrincipalId } from "../kernel/Ids.ts"
import type { Actor } from "../kernel/Stamp.ts"

export const system: Actor = { kind: "SYSTEM", id: PrincipalId.make("system") }
