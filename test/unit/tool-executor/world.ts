/**
 * The least that a guarded executor stands on: rows in a map, one subject's real key, a clock in the test's hand,
 * and a list of the bypasses that were reported.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as AesSubjectKey from "#layers/key-ring/AesSubjectKey.ts"
import * as LocalHaltSwitch from "#layers/halt-switch/LocalHaltSwitch.ts"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as SeededStamps from "#layers/stamps/SeededStamps.ts"
import * as GuardedToolExecutor from "#layers/tool-executor/GuardedToolExecutor.ts"
import { layer as registryLayer, type RegisteredTool } from "#layers/tool-executor/ToolRegistry.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import * as Ids from "#src/kernel/Ids.ts"
import { digestInput, type PermitFields } from "#src/kernel/Permit.ts"
import type { Actor } from "#src/kernel/Stamp.ts"
import { EventStoreError, type Row, Rows } from "#src/ports/EventStore.ts"
import { Stamps } from "#src/ports/Stamps.ts"
import { type Bypass, Bypasses, ToolCatalog } from "#src/ports/ToolExecutor.ts"
import { Vault } from "#src/ports/Vault.ts"

export const actor: Actor = { kind: "AGENT", id: Ids.PrincipalId.make("ada") }

export const subject = Ids.SubjectId.make("session:ses_one")

/** Everything a test looks at or breaks. */
export interface World {
  readonly bypasses: Array<Bypass>
  readonly claims: Map<string, Row>
  readonly key: ReturnType<typeof AesSubjectKey.make>
  /** Set: the journal does not answer. */
  unavailable: boolean
}

export const makeWorld = (): World => ({
  bypasses: [],
  claims: new Map(),
  key: AesSubjectKey.make(subject, Buffer.alloc(AesSubjectKey.keyBytes, 7), AesSubjectKey.systemRandomness()),
  unavailable: false
})

const unused = Effect.die("not part of this world")

/** The ports a guarded executor asks, over this world. */
export const ports = (world: World) => {
  const rows = Layer.succeed(Rows, {
    get: (kind, key) =>
      world.unavailable
        ? Effect.fail(
            new EventStoreError({ reason: "Unavailable", operation: "get", detail: "no answer", retryable: true })
          )
        : Effect.succeed(kind === "claim" ? (world.claims.get(key) ?? null) : null),
    list: () => unused,
    counter: () => unused,
    counters: () => unused
  })
  const vault = Layer.succeed(Vault, {
    key: (asked) => Effect.succeed(asked === subject && !world.key.destroyed() ? world.key : null),
    create: () => unused,
    adopt: () => unused,
    scrub: () => unused,
    open: () => unused,
    openPayload: () => unused
  })
  const bypasses = Layer.succeed(Bypasses, {
    report: (bypass) => Effect.sync(() => void world.bypasses.push(bypass))
  })
  return Layer.mergeAll(rows, vault, bypasses, LocalHaltSwitch.layer, SeededStamps.layer({ seed: "tools" }))
}

/** Executor and catalog over these tools. */
export const layer = (world: World, tools: ReadonlyArray<RegisteredTool>) =>
  GuardedToolExecutor.layerWithCatalog(registryLayer(tools)).pipe(
    Layer.provideMerge(ports(world)),
    Layer.provide(NodeDigest.layer)
  )

/** What a claim committed, for a minute from now, with a digest under the subject's key. The claim's row stands. */
export const claim = Effect.fnUntraced(function* (
  world: World,
  tool: string,
  args: Canonical.Json,
  changed: Partial<PermitFields> = {}
) {
  const stamps = yield* Stamps
  const catalog = yield* ToolCatalog
  const now = yield* stamps.nowMillis
  const id = String(world.claims.size)
  const argumentsText = Canonical.encode(args)
  const toolHash = (yield* catalog.find(tool))?.hash ?? Ids.Hash.make("0".repeat(64))
  const fields: PermitFields = {
    permitId: NodeDigest.derive("pmt", id) as Ids.PermitId,
    claimId: NodeDigest.derive("clm", id) as Ids.ClaimId,
    actionId: NodeDigest.derive("act", id) as Ids.ActionId,
    sessionId: NodeDigest.derive("ses", "one") as Ids.SessionId,
    subject,
    actor,
    approvedBy: [],
    tool,
    toolHash,
    argumentsText,
    digest: world.key.hmac(digestInput(actor, tool, toolHash, argumentsText)),
    expiresAtMillis: now + 120_000,
    incarnation: stamps.incarnation,
    leaseUntilMillis: now + 60_000,
    ...changed
  }
  const { permitId, claimId, actionId, incarnation } = fields
  world.claims.set(permitId, { kind: "claim", key: permitId, body: { claimId, actionId, incarnation }, position: 1 })
  return fields
})
