/** Every event, by position: hash, canonical text, columns, place in journal and stream. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import { Envelope, genesis } from "#src/kernel/Envelope.ts"
import type { Hash } from "#src/kernel/Ids.ts"
import * as Sealed from "#src/kernel/Sealed.ts"
import type { Walk } from "./SqlVerify.ts"
import type { SignedWalk } from "./VerifyCheckpoint.ts"
import type { Rebuilding } from "./VerifyRows.ts"

/** Fills `verify_subject` with everybody under whose key words of an event are sealed. */
export const walk = Effect.fnUntraced(function* (on: Walk, rebuilding: Rebuilding | null, signed: SignedWalk | null) {
  yield* on.ask(`CREATE TEMPORARY TABLE verify_subject (subject text COLLATE "C" PRIMARY KEY) ON COMMIT DROP`)
  const total = Number((yield* on.ask<{ n: bigint }>(`SELECT count(*) AS n FROM ${on.schema}.event`))[0]?.n ?? 0)
  let events = 0
  let streams = 0
  let position = 0
  for (;;) {
    const page = yield* on.ask<Stored>(pageText(on.schema), [
      BigInt(position),
      Bounds.readLimitMax,
      Bounds.batchBytesMax
    ])
    if (page.length === 0) break
    if (signed !== null) yield* signed.take(page)
    const subjects = new Set<string>()
    for (const row of page) {
      const here = Number(row.position)
      if (here !== position + 1) {
        const missing =
          here === position + 2 ? `position ${position + 1} is` : `positions ${position + 1} to ${here - 1} are`
        on.report({ ...placeOf(row), what: `${missing} missing before it` })
      }
      position = here
      if (row.version === 1) streams += 1
      const envelope = check(on, row)
      for (const subject of Sealed.subjects(envelope?.payload)) subjects.add(subject)
      if (rebuilding !== null && envelope !== null) {
        yield* rebuilding.take({ position, envelope, text: row.body, hash: row.hash as Hash })
      }
    }
    yield* on.ask(`INSERT INTO verify_subject SELECT jsonb_array_elements_text($1::jsonb) ON CONFLICT DO NOTHING`, [
      JSON.stringify([...subjects])
    ])
    events += page.length
    yield* on.progress("events", events, total)
  }
  return { events, streams }
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

interface Stored {
  readonly position: bigint
  readonly stream: string
  readonly version: number
  readonly event_id: string
  readonly type: string
  readonly occurred_at: string
  readonly actor_kind: string
  readonly actor_id: string
  readonly command_id: string
  readonly correlation_id: string
  readonly prev_hash: string
  readonly hash: string
  readonly body: string
  /** Of the event before it in its stream; null where there is none. */
  readonly before_hash: string | null
  readonly before_position: bigint | null
}

const pageText = (s: string): string => `
  SELECT e.*, b.hash AS before_hash, b.position AS before_position FROM (
    SELECT *, sum(octet_length(body)) OVER (ORDER BY position) - octet_length(body) AS before FROM (
      SELECT * FROM ${s}.event WHERE position > $1 ORDER BY position LIMIT $2
    ) page
  ) e LEFT JOIN ${s}.event b ON b.stream = e.stream AND b.version = e.version - 1
  WHERE e.before <= $3 ORDER BY e.position`

const placeOf = (row: Stored) =>
  ({
    table: "event",
    position: Number(row.position),
    stream: row.stream,
    version: row.version,
    eventId: row.event_id
  }) as const

const decodeEnvelope = Schema.decodeUnknownSync(Envelope, { onExcessProperty: "error" })

/** Reports everything that is wrong with one event; answers its envelope where it has one. */
const check = (on: Walk, row: Stored): Envelope | null => {
  const report = (what: string) => on.report({ ...placeOf(row), what })
  if (on.sha256(row.body) !== row.hash) report("its text does not have its hash")
  const envelope = parse(row.body)
  if (envelope === null) {
    report("its text is not the canonical text of an event")
    return null
  }
  for (const [column, stored, said] of columns(row, envelope)) {
    if (stored !== said) report(`column ${column} differs from its text`)
  }
  if (row.version === 1) {
    if (row.prev_hash !== genesis) report("the first of its stream, but prevHash is not the genesis")
  } else if (row.before_hash === null) {
    report(`version ${row.version - 1} of its stream is missing`)
  } else {
    if (row.prev_hash !== row.before_hash) report("prevHash is not the hash of the event before it in its stream")
    if (Number(row.before_position) >= Number(row.position)) report("it stands before its predecessor in the stream")
  }
  return envelope
}

const parse = (text: string): Envelope | null => {
  try {
    const json = Canonical.decode(text)
    return Canonical.encode(json) === text ? decodeEnvelope(json) : null
  } catch {
    return null
  }
}

const columns = (
  row: Stored,
  envelope: Envelope
): ReadonlyArray<readonly [column: string, stored: unknown, said: unknown]> => [
  ["stream", row.stream, envelope.stream],
  ["version", row.version, envelope.version],
  ["event_id", row.event_id, envelope.eventId],
  ["type", row.type, envelope.type],
  ["occurred_at", row.occurred_at, envelope.occurredAt],
  ["actor_kind", row.actor_kind, envelope.actor.kind],
  ["actor_id", row.actor_id, envelope.actor.id],
  ["command_id", row.command_id, envelope.commandId],
  ["correlation_id", row.correlation_id, envelope.correlationId],
  ["prev_hash", row.prev_hash, envelope.prevHash]
]
