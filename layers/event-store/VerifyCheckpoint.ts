/**
 * The journal against a checkpoint: is what was signed still there, all of it, each event in its place?
 *
 *   signed leaves known:  each event against the leaf of its position --> changed, or moved, and from where
 *   only the root known:  the tree of what is there against the root  --> the same or not
 *   either way:           positions that were signed and are not there --> cut, or taken out
 *
 * Owns the comparison and its sentences. Does not own whether the checkpoint is signed: it is handed what is believed.
 */
import * as Effect from "effect/Effect"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Checkpoint from "#src/kernel/Checkpoint.ts"
import type { Hash } from "#src/kernel/Ids.ts"
import * as Merkle from "#src/kernel/Merkle.ts"
import type { Walk } from "./SqlVerify.ts"

/** What is believed to have been signed. */
export interface Signed {
  /** Positions 1 to this one. */
  readonly size: number
  readonly root: Hash
  /** Hashes of leaves from an index on, whose root is `root`; null where only that is known. */
  readonly leaves: ((first: number, count: number) => Effect.Effect<ReadonlyArray<Hash>>) | null
}

/** An event as it stands in its table. */
export interface Row {
  readonly position: bigint
  readonly stream: string
  readonly version: number
  readonly event_id: string
  readonly hash: string
}

export interface SignedWalk {
  /** Takes the events in order of position, page by page. */
  readonly take: (page: ReadonlyArray<Row>) => Effect.Effect<void>
  /** Reports what is wrong, the first event first. */
  readonly finish: () => void
}

export const begin = (on: Walk, signed: Signed): SignedWalk => {
  const sha = on.sha256OfHex
  const leafOf = (position: number, hash: string) => Merkle.leaf(sha, Checkpoint.leafData(position, hash as Hash))
  let tree = Merkle.empty
  let last = 0
  const gone: Array<Gap> = []
  const differing: Array<Differing> = []
  let differences = 0

  const differs = (row: Row, kept: Hash) => {
    differences += 1
    if (differing.length < Bounds.checkpointDifferencesMax) differing.push({ row, kept })
  }

  const take = Effect.fnUntraced(function* (page: ReadonlyArray<Row>) {
    const covered = page.filter(({ position }) => Number(position) <= signed.size)
    const first = Number(covered[0]?.position ?? 0)
    const kept = covered.length === 0 ? [] : yield* keptFrom(signed, first, Number(covered.at(-1)!.position))
    const leaves: Array<Hash> = []
    for (const row of covered) {
      const position = Number(row.position)
      if (position > last + 1) gone.push({ from: last + 1, to: position - 1 })
      last = position
      const leaf = leafOf(position, row.hash)
      leaves.push(leaf)
      const was = kept[position - first]
      if (was !== undefined && was !== leaf) differs(row, was)
    }
    tree = Merkle.grow(sha, tree, leaves)
  })

  /** Where an event stood when it was signed, among the places that hold another one now. */
  const signedAt = ({ row }: Differing): number | null => {
    const place = differing.find(({ kept, row: other }) => leafOf(Number(other.position), row.hash) === kept)
    return place === undefined ? null : Number(place.row.position)
  }

  const finish = () => {
    const report = (position: number, what: string) => on.report({ table: "checkpoint", position, what })
    for (const one of differing) {
      const from = signedAt(one)
      on.report({
        ...placeOf(one.row),
        what:
          from === null
            ? "it is not the event that was signed at this position"
            : `it was signed at position ${from}: somebody moved it`
      })
    }
    if (differences > differing.length) {
      report(signed.size, `${differences - differing.length} more events are not the ones that were signed`)
    }
    for (const { from, to } of gone) report(from, `${positions(from, to)} signed and taken out`)
    if (last < signed.size) {
      report(last + 1, `the journal was cut at position ${last}: ${positions(last + 1, signed.size)} signed`)
    }
    const whole = gone.length === 0 && last === signed.size
    if (whole && differences === 0 && Merkle.root(sha, tree) !== signed.root) {
      report(signed.size, `the first ${signed.size} events are not the ones that were signed: ${hidden}`)
    }
  }

  return { take, finish }
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Positions, both included. */
interface Gap {
  readonly from: number
  readonly to: number
}

interface Differing {
  readonly row: Row
  readonly kept: Hash
}

const hidden =
  "one of them was changed, replaced or moved, and what follows from it made anew. " +
  "Which one only the leaves that are kept beside a checkpoint can tell"

const positions = (from: number, to: number): string =>
  from === to ? `position ${from} was` : `positions ${from} to ${to} were`

const placeOf = (row: Row) =>
  ({
    table: "checkpoint",
    position: Number(row.position),
    stream: row.stream,
    version: row.version,
    eventId: row.event_id
  }) as const

const keptFrom = ({ leaves }: Signed, first: number, last: number) =>
  // Far apart where much was taken out between them: then no more than a page is looked at.
  leaves === null ? Effect.succeed([]) : leaves(first - 1, Math.min(last - first + 1, 64 * Bounds.readLimitMax))
