/**
 * The tree of RFC 6962 against the vectors of Certificate Transparency's own tests, against the RFC's recursive words,
 * and against forgeries.
 */
import { assert, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import { sha256OfHex } from "#layers/digest/NodeDigest.ts"
import { Hash } from "#src/kernel/Ids.ts"
import * as Merkle from "#src/kernel/Merkle.ts"
import { lots } from "#test/kit/randomAppends.ts"

/** The eight leaves of the known vectors. */
const known = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]

const knownRoots = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
]

const knownInclusion: ReadonlyArray<readonly [index: number, size: number, path: ReadonlyArray<string>]> = [
  [0, 1, []],
  [
    0,
    8,
    [
      "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
    ]
  ],
  [
    5,
    8,
    [
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
    ]
  ],
  [2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]],
  [
    1,
    5,
    [
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
    ]
  ]
]

const knownConsistency: ReadonlyArray<readonly [from: number, to: number, path: ReadonlyArray<string>]> = [
  [1, 1, []],
  [
    1,
    8,
    [
      "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
    ]
  ],
  [
    6,
    8,
    [
      "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
    ]
  ],
  [
    2,
    5,
    [
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
    ]
  ]
]

const leaves = (data: ReadonlyArray<string>) => data.map((hex) => Merkle.leaf(sha256OfHex, hex))

const treeOf = (hashes: ReadonlyArray<Hash>) => Merkle.grow(sha256OfHex, Merkle.empty, hashes)
const rootOf = (hashes: ReadonlyArray<Hash>) => Merkle.root(sha256OfHex, treeOf(hashes))

/** The roots of ranges, from leaves that come in pieces of `piece`. */
const gathered = (ranges: ReadonlyArray<Merkle.Range>, hashes: ReadonlyArray<Hash>, piece = 3) => {
  const roots = Merkle.gather(sha256OfHex, ranges)
  for (let at = 0; at < hashes.length; at += piece) roots.take(hashes.slice(at, at + piece))
  return roots.roots()
}
const inclusion = (index: number, hashes: ReadonlyArray<Hash>, piece?: number) =>
  gathered(Merkle.inclusionRanges(index, hashes.length), hashes, piece)
const consistency = (from: number, hashes: ReadonlyArray<Hash>, piece?: number) =>
  gathered(Merkle.consistencyRanges(from, hashes.length), hashes, piece)

// The RFC's own words, as recursive as they stand there, over bytes.
const sha = (...parts: ReadonlyArray<Uint8Array>) =>
  parts.reduce((h, part) => h.update(part), createHash("sha256")).digest()
const largestBelow = (n: number) => 2 ** Math.ceil(Math.log2(n) - 1)
const mth = (d: ReadonlyArray<string>): Buffer => {
  if (d.length === 0) return sha()
  if (d.length === 1) return sha(Buffer.from([0]), Buffer.from(d[0]!, "hex"))
  const k = largestBelow(d.length)
  return sha(Buffer.from([1]), mth(d.slice(0, k)), mth(d.slice(k)))
}
const path = (m: number, d: ReadonlyArray<string>): ReadonlyArray<Buffer> => {
  if (d.length <= 1) return []
  const k = largestBelow(d.length)
  return m < k ? [...path(m, d.slice(0, k)), mth(d.slice(k))] : [...path(m - k, d.slice(k)), mth(d.slice(0, k))]
}
const subproof = (m: number, d: ReadonlyArray<string>, whole: boolean): ReadonlyArray<Buffer> => {
  if (m === d.length) return whole ? [] : [mth(d)]
  const k = largestBelow(d.length)
  return m <= k
    ? [...subproof(m, d.slice(0, k), whole), mth(d.slice(k))]
    : [...subproof(m - k, d.slice(k), false), mth(d.slice(0, k))]
}
const hex = (hashes: ReadonlyArray<Buffer>) => hashes.map((hash) => hash.toString("hex"))

const data = (count: number) => Array.from({ length: count }, (_, index) => index.toString(16).padStart(8, "0"))

describe("the Merkle tree", () => {
  it("gives the known roots, inclusion proofs and consistency proofs", () => {
    knownRoots.forEach((root, size) => assert.strictEqual(rootOf(leaves(known.slice(0, size))), root, `size ${size}`))
    for (const [index, size, proof] of knownInclusion) {
      assert.deepStrictEqual(inclusion(index, leaves(known.slice(0, size))), proof as ReadonlyArray<Hash>)
    }
    for (const [from, to, proof] of knownConsistency) {
      assert.deepStrictEqual(consistency(from, leaves(known.slice(0, to))), proof as ReadonlyArray<Hash>)
    }
  })

  it("says what the RFC says, for every leaf of every tree up to 40, and for each pair of them", () => {
    for (let size = 1; size <= 40; size++) {
      const words = data(size)
      const hashes = leaves(words)
      assert.strictEqual(rootOf(hashes), mth(words).toString("hex"))
      assert.strictEqual(treeOf(hashes).peaks.length, Merkle.peakCount(size))
      for (let index = 0; index < size; index++) {
        assert.deepStrictEqual<ReadonlyArray<string>>(inclusion(index, hashes, 7), hex(path(index, words)))
        const older = index + 1
        assert.deepStrictEqual<ReadonlyArray<string>>(
          consistency(older, hashes, 5),
          hex(subproof(older, words, true)),
          `${older} in ${size}`
        )
      }
    }
  })

  it("is the same tree however it grew", () => {
    const { pick } = lots(7)
    for (let round = 0; round < 50; round++) {
      const hashes = leaves(data(1 + pick(300)))
      let tree = Merkle.empty
      for (let at = 0; at < hashes.length;) {
        const piece = 1 + pick(40)
        tree = Merkle.grow(sha256OfHex, tree, hashes.slice(at, at + piece))
        at += piece
      }
      assert.deepStrictEqual(tree, treeOf(hashes))
    }
  })

  it("finds any proof of its own true, and any with a bit changed, a hash more or a hash less false", () => {
    const { pick } = lots(11)
    const flipped = (hash: Hash): Hash => {
      const at = pick(64)
      const digit = (Number.parseInt(hash[at]!, 16) ^ (1 << pick(4))).toString(16)
      return Hash.make(hash.slice(0, at) + digit + hash.slice(at + 1))
    }
    const forged = (proof: ReadonlyArray<Hash>) => [
      ...proof.map((hash, at) => proof.with(at, flipped(hash))),
      [...proof, flipped(rootOf([]))],
      ...(proof.length > 0 ? [proof.slice(1), proof.slice(0, -1)] : [])
    ]
    for (let round = 0; round < 120; round++) {
      const size = 1 + pick(200)
      const hashes = leaves(data(size))
      const tree = { size, root: rootOf(hashes) }
      const index = pick(size)
      const at = { index, leaf: hashes[index]!, path: inclusion(index, hashes) }
      assert.isTrue(Merkle.includes(sha256OfHex, at, tree))
      for (const proof of forged(at.path)) assert.isFalse(Merkle.includes(sha256OfHex, { ...at, path: proof }, tree))
      assert.isFalse(Merkle.includes(sha256OfHex, { ...at, leaf: flipped(at.leaf) }, tree))
      assert.isFalse(Merkle.includes(sha256OfHex, at, { ...tree, root: flipped(tree.root) }))
      if (size > 1) assert.isFalse(Merkle.includes(sha256OfHex, { ...at, index: (index + 1) % size }, tree))
      for (const wrong of [-1, size, 0.5, Number.NaN]) {
        assert.isFalse(Merkle.includes(sha256OfHex, { ...at, index: wrong }, tree))
      }

      const from = 1 + pick(size)
      const older = { size: from, root: rootOf(hashes.slice(0, from)) }
      const proof = consistency(from, hashes)
      assert.isTrue(Merkle.extendsTree(sha256OfHex, older, tree, proof))
      for (const other of forged(proof)) assert.isFalse(Merkle.extendsTree(sha256OfHex, older, tree, other))
      assert.isFalse(Merkle.extendsTree(sha256OfHex, { ...older, root: flipped(older.root) }, tree, proof))
      assert.isFalse(Merkle.extendsTree(sha256OfHex, older, { ...tree, root: flipped(tree.root) }, proof))
      for (const wrong of [0, -1, size + 1, Number.NaN]) {
        assert.isFalse(Merkle.extendsTree(sha256OfHex, { ...older, size: wrong }, tree, proof))
      }
    }
  })

  it("believes no path that is that of a smaller tree, or of a larger one, whose root it leads to", () => {
    const hashes = leaves(data(8))
    const root = rootOf(hashes)
    const at = { index: 0, leaf: hashes[0]!, path: inclusion(0, hashes) }
    assert.isTrue(Merkle.includes(sha256OfHex, at, { size: 8, root }))
    for (const size of [4, 16, 32]) assert.isFalse(Merkle.includes(sha256OfHex, at, { size, root }), `${size}`)
    const older = { size: 4, root: rootOf(hashes.slice(0, 4)) }
    const path = consistency(4, hashes)
    assert.isTrue(Merkle.extendsTree(sha256OfHex, older, { size: 8, root }, path))
    for (const size of [4, 16, 32]) assert.isFalse(Merkle.extendsTree(sha256OfHex, older, { size, root }, path))
  })

  it("tells two leaves that changed places, a leaf that is a node, and a tree whose last leaf is doubled", () => {
    const hashes = leaves(data(6))
    assert.notStrictEqual(rootOf([hashes[1]!, hashes[0]!, ...hashes.slice(2)]), rootOf(hashes))
    const inner = `${hashes[0]}${hashes[1]}`
    assert.notStrictEqual(Merkle.leaf(sha256OfHex, inner), Merkle.node(sha256OfHex, hashes[0]!, hashes[1]!))
    assert.notStrictEqual(rootOf(hashes.slice(0, 5)), rootOf([...hashes.slice(0, 5), hashes[4]!]))
  })

  it("counts beyond 32 bits", () => {
    const size = 2 ** 40 + 5
    assert.deepStrictEqual(Merkle.inclusionRanges(size - 1, size), [
      { start: 2 ** 40, end: 2 ** 40 + 4 },
      { start: 0, end: 2 ** 40 }
    ])
    assert.strictEqual(Merkle.peakCount(size), 3)
    assert.strictEqual(Merkle.consistencyRanges(2 ** 33 + 1, size).at(-1)!.start, 2 ** 40)
  })
})
