/**
 * Appends for stores, as an actor would hand them over: chained, hashed, with receipt and rows.
 *
 * Everything derives from what a test says, so the same words give the same bytes.
 */
import { derive, sha256 } from "#layers/digest/NodeDigest.ts"
import type { Append, Guard, Receipt, RowChange, WrappedKey } from "#src/kernel/Append.ts"
import type { Json } from "#src/kernel/Canonical.ts"
import { assemble, genesis, type SealedEvent } from "#src/kernel/Envelope.ts"
import { CommandId, CommandKey, EventId, type Hash, PrincipalId, StreamId, SubjectId } from "#src/kernel/Ids.ts"

/** A place in a stream: what an append expects, and what it leaves. */
export interface Head {
  readonly stream: StreamId
  readonly version: number
  readonly hash: Hash
}

export const start = (stream: string): Head => ({ stream: StreamId.make(stream), version: 0, hash: genesis })

export interface Words {
  /** The caller's key; names the command. */
  readonly key?: string
  readonly by?: string
  /** Payloads of the events, or how many there are. 1 unless told. */
  readonly events?: number | ReadonlyArray<{ readonly [field: string]: Json }>
  /** False leaves the receipt out. */
  readonly receipt?: boolean
  readonly rows?: ReadonlyArray<RowChange>
  readonly guards?: ReadonlyArray<Guard>
  readonly keys?: ReadonlyArray<WrappedKey>
  readonly shred?: ReadonlyArray<SubjectId>
  /** 1_000 unless told. */
  readonly atMillis?: number
}

export interface Made {
  readonly append: Append
  readonly next: Head
}

/** An append on top of a head. */
export const on = (head: Head, words: Words = {}): Made => {
  const by = PrincipalId.make(words.by ?? "owner")
  const key = CommandKey.make(words.key ?? `${head.stream}@${head.version}`)
  const commandId = CommandId.make(derive("cmd", by, key))
  const { events = 1, atMillis = 1_000 } = words
  const payloads = typeof events === "number" ? Array.from({ length: events }, (_, index) => ({ index })) : events
  const sealed: Array<SealedEvent> = []
  let { version, hash } = head
  for (const payload of payloads) {
    version += 1
    const event = assemble({
      draft: { type: "thing.happened", payload },
      schemaVersion: 1,
      stamp: {
        atMillis,
        actor: { kind: "HUMAN", id: by },
        key,
        commandId,
        correlationId: commandId,
        causationId: null,
        traceparent: null
      },
      occurredAt: new Date(atMillis).toISOString(),
      stream: head.stream,
      version,
      prevHash: hash,
      eventId: EventId.make(derive("evt", head.stream, String(version), commandId)),
      seal: () => {
        throw new Error("nothing here is sealed")
      },
      sha256
    })
    hash = event.hash
    sealed.push(event)
  }
  const next: Head = { stream: head.stream, version, hash }
  const append: Append = {
    stream: head.stream,
    expectedVersion: head.version,
    expectedHash: head.hash,
    events: sealed,
    receipt: words.receipt === false ? null : receipt(next, by, key, commandId, atMillis),
    rows: words.rows ?? [],
    guards: words.guards ?? [],
    keys: words.keys ?? [],
    shred: words.shred ?? []
  }
  return { append, next }
}

/** Several appends of one stream, each on top of the one before. */
export const chain = (from: Head, all: ReadonlyArray<Words>): { appends: ReadonlyArray<Append>; next: Head } => {
  let head = from
  const appends = all.map((words) => {
    const made = on(head, words)
    head = made.next
    return made.append
  })
  return { appends, next: head }
}

export const subject = (name: string): SubjectId => SubjectId.make(name)

export const wrappedKey = (name: string, wrapped: string = sha256(`wrapped ${name}`)): WrappedKey => ({
  subject: SubjectId.make(name),
  wrappingVersion: 1,
  wrapped
})

const receipt = (
  after: Head,
  principal: PrincipalId,
  key: CommandKey,
  commandId: CommandId,
  recordedAtMillis: number
): Receipt => ({
  principal,
  key,
  commandId,
  stream: after.stream,
  version: after.version,
  subject: SubjectId.make(after.stream),
  digest: sha256(`body of ${key}`),
  answer: Buffer.from(`answer to ${key}`).toString("base64url"),
  recordedAtMillis
})
