/**
 * Appends as an actor makes them: sealed words, canonical text, hash, receipt and one row. Nothing is left out to be fast.
 */
import * as Effect from "effect/Effect"
import { derive, sha256 } from "#layers/digest/NodeDigest.ts"
import * as VolatileKeyRing from "#layers/key-ring/VolatileKeyRing.ts"
import { type Append, put } from "#src/kernel/Append.ts"
import { encode } from "#src/kernel/Canonical.ts"
import { assemble, genesis, receiptAad, type SealedEvent } from "#src/kernel/Envelope.ts"
import { CommandId, CommandKey, EventId, PrincipalId, StreamId, SubjectId } from "#src/kernel/Ids.ts"
import * as Sealed from "#src/kernel/Sealed.ts"
import type { SubjectKey } from "#src/ports/KeyRing.ts"
import { sealer } from "#src/ports/Vault.ts"

const principal = PrincipalId.make("bench")
const words = "What somebody said, at about the length of a sentence or two, as it is in an ordinary turn of a session."

/** Appends of one caller, one after the other, each on the one before. */
export interface Caller {
  readonly next: () => Append
}

/** Commands on one stream before a caller begins another: streams are short. */
const commandsPerStream = 50

export const caller = (name: string, eventsPerAppend: number): Effect.Effect<Caller> =>
  Effect.map(
    Effect.orDie(Effect.flatMap(VolatileKeyRing.make(), (ring) => ring.create(SubjectId.make(`session:${name}`)))),
    ({ key, wrapped }) => {
      let count = 0
      let head = { stream: StreamId.make(`session:${name}.0`), version: 0, hash: genesis }
      const next = (): Append => {
        if (count % commandsPerStream === 0) {
          head = { stream: StreamId.make(`session:${name}.${count}`), version: 0, hash: genesis }
        }
        const made = make(head, key, `${name}-${count}`, eventsPerAppend)
        const first = count++ === 0
        head = made.head
        return first ? { ...made.append, keys: [wrapped] } : made.append
      }
      return { next }
    }
  )

type Head = { readonly stream: StreamId; readonly version: number; readonly hash: SealedEvent["hash"] }

const make = (head: Head, key: SubjectKey, name: string, eventsPerAppend: number) => {
  const atMillis = Date.now()
  const commandKey = CommandKey.make(name)
  const commandId = CommandId.make(derive("cmd", principal, commandKey))
  const body = { _tag: "Bench", name, words }
  const digest = key.hmac(`command\n${encode(body)}`)
  const occurredAt = new Date(atMillis).toISOString()
  const stamp = {
    atMillis,
    actor: { kind: "HUMAN" as const, id: principal },
    key: commandKey,
    commandId,
    correlationId: commandId,
    causationId: null,
    traceparent: null
  }
  const events: Array<SealedEvent> = []
  let { version, hash } = head
  for (let index = 0; index < eventsPerAppend; index++) {
    version += 1
    const event = assemble({
      draft: { type: "bench.happened", payload: { index, said: Sealed.plain(words), atMillis } },
      schemaVersion: 1,
      stamp,
      occurredAt,
      stream: head.stream,
      version,
      prevHash: hash,
      eventId: EventId.make(derive("evt", head.stream, String(version), commandId)),
      seal: sealer(key),
      sha256
    })
    events.push(event)
    hash = event.hash
  }
  const answer = key.seal(
    receiptAad(head.stream, principal, commandKey),
    encode({ tag: "Accepted", body: { version } })
  )
  const append: Append = {
    stream: head.stream,
    expectedVersion: head.version,
    expectedHash: head.hash,
    events,
    receipt: {
      principal,
      key: commandKey,
      commandId,
      stream: head.stream,
      version,
      subject: key.subject,
      digest,
      answer,
      recordedAtMillis: atMillis
    },
    rows: [put("bench", head.stream, { version, status: "Open", atMillis })],
    guards: [],
    keys: [],
    shred: []
  }
  return { append, head: { stream: head.stream, version, hash } }
}
