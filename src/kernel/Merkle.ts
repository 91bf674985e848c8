/**
 * The Merkle tree of RFC 6962, section 2.1: one hash that stands for a whole list, and short proofs of what is in it.
 *
 *   leaf = SHA-256(0x00 || data)      node = SHA-256(0x01 || left || right)
 *
 *   size 6:        root
 *                 /    \
 *               o        \
 *             /   \       \
 *            o     o       o        peaks of size 6: the root of leaves 0..3, the root of leaves 4..5
 *           / \   / \     / \
 *          0   1 2   3   4   5
 *
 * Owns trees as their peaks (at most one for each bit of the size), which parts of a tree a proof is made of, and
 * judging proofs. Does not own hashing: bytes are named by hex digits, and `sha256OfHex` is handed in. Does not own
 * what a leaf holds (`Checkpoint.leafData`).
 *
 * Invariants: growing leaf by leaf and growing in parts give the same tree; a judge answers, whatever it is given.
 */
import type { Hash } from "./Ids.ts"

/** SHA-256 of the bytes that hex digits name. */
export type Sha256OfHex = (hex: string) => Hash

/** The roots of the largest whole subtrees, from the left: all that is needed to grow. */
export interface Tree {
  readonly size: number
  readonly peaks: ReadonlyArray<Hash>
}

export const empty: Tree = { size: 0, peaks: [] }

export const leaf = (sha: Sha256OfHex, data: string): Hash => sha(`00${data}`)

export const node = (sha: Sha256OfHex, left: Hash, right: Hash): Hash => sha(`01${left}${right}`)

/** The tree with these leaf hashes behind its own. */
export const grow = (sha: Sha256OfHex, tree: Tree, leaves: ReadonlyArray<Hash>): Tree => {
  const peaks = [...tree.peaks]
  let { size } = tree
  for (const added of leaves) {
    let peak = added
    // Each low bit that is set is a peak of the same height as what was just made.
    for (let rest = size; rest % 2 === 1; rest = (rest - 1) / 2) peak = node(sha, peaks.pop()!, peak)
    peaks.push(peak)
    size += 1
  }
  return { size, peaks }
}

/** The hash that stands for all leaves; SHA-256 of nothing where there are none. */
export const root = (sha: Sha256OfHex, { peaks }: Tree): Hash => {
  const last = peaks.at(-1)
  if (last === undefined) return sha("")
  return peaks.slice(0, -1).reduceRight((right, left) => node(sha, left, right), last)
}

/** How many peaks a tree of this size has. */
export const peakCount = (size: number): number => {
  let count = 0
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2
  return count
}

/** Leaves from `start` (counted from 0) to before `end`. */
export interface Range {
  readonly start: number
  readonly end: number
}

/**
 * The subtrees whose roots prove that leaf `index` is in a tree of `size`, in the order of the proof: from the leaf's
 * sibling to the root's child (PATH of RFC 6962, 2.1.1). `0 <= index < size`.
 */
export const inclusionRanges = (index: number, size: number): ReadonlyArray<Range> => {
  const ranges: Array<Range> = []
  let start = 0
  let end = size
  while (end - start > 1) {
    const middle = start + split(end - start)
    if (index < middle) {
      ranges.push({ start: middle, end })
      end = middle
    } else {
      ranges.push({ start, end: middle })
      start = middle
    }
  }
  return ranges.reverse()
}

/**
 * The subtrees whose roots prove that a tree of size `from` is the beginning of one of size `to`, in the order of the
 * proof (PROOF of RFC 6962, 2.1.2). `0 < from <= to`; none where the sizes are the same.
 */
export const consistencyRanges = (from: number, to: number): ReadonlyArray<Range> => {
  const ranges: Array<Range> = []
  let start = 0
  let end = to
  // Ends at the subtree whose last leaf is the old tree's last one. Where it begins at 0 it is the old tree itself.
  while (end !== from) {
    const middle = start + split(end - start)
    if (from <= middle) {
      ranges.push({ start: middle, end })
      end = middle
    } else {
      ranges.push({ start, end: middle })
      start = middle
    }
  }
  if (start > 0) ranges.push({ start, end })
  return ranges.reverse()
}

/** The roots of ranges that don't overlap, from leaves that come once, in order. */
export const gather = (sha: Sha256OfHex, ranges: ReadonlyArray<Range>) => {
  const trees = new Map<Range, Tree>()
  const inOrder = [...ranges].sort((one, other) => one.start - other.start)
  let index = 0
  let at = 0
  return {
    take: (leaves: ReadonlyArray<Hash>): void => {
      const end = index + leaves.length
      for (let range = inOrder[at]; range !== undefined && range.start < end; range = inOrder[at]) {
        const part = leaves.slice(Math.max(0, range.start - index), range.end - index)
        trees.set(range, grow(sha, trees.get(range) ?? empty, part))
        if (range.end > end) break
        at += 1
      }
      index = end
    },
    /** In the order of the ranges. Those whose leaves did not all come give the root of what came. */
    roots: (): ReadonlyArray<Hash> => ranges.map((range) => root(sha, trees.get(range) ?? empty))
  }
}

/** Whether the path proves that the leaf hash stands at `index` of the tree with this size and root (RFC 9162, 2.1.3.2). */
export const includes = (
  sha: Sha256OfHex,
  at: { readonly index: number; readonly leaf: Hash; readonly path: ReadonlyArray<Hash> },
  tree: { readonly size: number; readonly root: Hash }
): boolean => {
  if (!isCount(at.index) || !isCount(tree.size) || at.index >= tree.size) return false
  let here = at.index
  let last = tree.size - 1
  let hash = at.leaf
  for (const sibling of at.path) {
    if (last === 0) return false
    if (here % 2 === 1 || here === last) {
      hash = node(sha, sibling, hash)
      while (here % 2 === 0 && here !== 0) {
        here /= 2
        last = half(last)
      }
    } else {
      hash = node(sha, hash, sibling)
    }
    here = half(here)
    last = half(last)
  }
  return last === 0 && hash === tree.root
}

/** Whether the path proves that the older tree is the beginning of the newer one (RFC 9162, 2.1.4.2). */
export const extendsTree = (
  sha: Sha256OfHex,
  older: { readonly size: number; readonly root: Hash },
  newer: { readonly size: number; readonly root: Hash },
  path: ReadonlyArray<Hash>
): boolean => {
  if (!isCount(older.size) || !isCount(newer.size) || older.size === 0 || older.size > newer.size) return false
  if (older.size === newer.size) return path.length === 0 && older.root === newer.root
  let here = older.size - 1
  let last = newer.size - 1
  while (here % 2 === 1) {
    here = half(here)
    last = half(last)
  }
  // An older tree that is one whole subtree is its own first step.
  const steps = here === 0 ? [older.root, ...path] : path
  const [first, ...rest] = steps
  if (first === undefined) return false
  let old = first
  let grown = first
  for (const step of rest) {
    if (last === 0) return false
    if (here % 2 === 1 || here === last) {
      old = node(sha, step, old)
      grown = node(sha, step, grown)
      while (here % 2 === 0 && here !== 0) {
        here = half(here)
        last = half(last)
      }
    } else {
      grown = node(sha, grown, step)
    }
    here = half(here)
    last = half(last)
  }
  return last === 0 && old === older.root && grown === newer.root
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** The largest power of two smaller than a size of at least 2. */
const split = (size: number): number => {
  let power = 1
  while (power * 2 < size) power *= 2
  return power
}

/** Sizes outgrow 32 bits, so no bit operators. */
const half = (number: number): number => Math.floor(number / 2)

const isCount = (number: number): boolean => Number.isSafeInteger(number) && number >= 0
