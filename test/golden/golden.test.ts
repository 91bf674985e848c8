import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { sha256 } from "#layers/digest/NodeDigest.ts"
import { events as registry } from "#src/gateway/Events.ts"
import { decode, encode } from "#src/kernel/Canonical.ts"
import type { Envelope, StoredEvent } from "#src/kernel/Envelope.ts"
import { Hash } from "#src/kernel/Ids.ts"
import { history, line, rowsDigest } from "./history.ts"

const folders = readdirSync(import.meta.dirname).filter((name) => /^v\d+$/.test(name))

/** Reads a golden line; throws where text and hash do not belong together. */
const read = (text: string): StoredEvent => {
  const [position, hash, ...rest] = text.split(" ")
  const canonical = rest.join(" ")
  const envelope = decode(canonical) as unknown as Envelope
  assert.strictEqual(sha256(canonical), hash, `position ${position}: the hash is not that of the text`)
  assert.strictEqual(encode(decode(canonical)), canonical, `position ${position}: the text is not canonical`)
  return { position: Number(position), hash: Hash.make(hash!), text: canonical, envelope }
}

const readFile = (name: string): ReadonlyArray<StoredEvent> =>
  readFileSync(join(import.meta.dirname, name), "utf8")
    .trimEnd()
    .split("\n")
    .map(read)

describe.each(folders)("the golden history of %s", (version) => {
  const events = readFile(`${version}/gateway.txt`)

  it("replays through today's code to the rows it made then", () =>
    assert.strictEqual(
      rowsDigest(events),
      readFileSync(join(import.meta.dirname, `${version}/gateway.digest`), "utf8").trim()
    ))

  it("is chained, stream by stream, from version 1 without a gap", () => {
    const heads = new Map<string, { readonly version: number; readonly hash: string }>()
    for (const { envelope, hash } of events) {
      const head = heads.get(envelope.stream) ?? { version: 0, hash: "0".repeat(64) }
      assert.strictEqual(envelope.version, head.version + 1)
      assert.strictEqual(envelope.prevHash, head.hash)
      heads.set(envelope.stream, { version: envelope.version, hash })
    }
  })

  it("is refused once a byte of it is changed", () => {
    const [first] = readFileSync(join(import.meta.dirname, `${version}/gateway.txt`), "utf8").split("\n")
    assert.throws(() => read(first!.replace("owner", "awner")), /the hash is not that of the text/)
  })
})

describe("the history of today's code", () => {
  it.live("holds every event type of the gateway", () =>
    Effect.map(history, (events) => {
      const seen = new Set(events.map(({ envelope }) => envelope.type))
      assert.deepStrictEqual(
        [...registry.keys()].filter((type) => !seen.has(type)),
        []
      )
    })
  )

  it.live("is the same to the byte in every run, and the newest golden one until a version changes it", () =>
    Effect.gen(function* () {
      const first = (yield* history).map(line)
      assert.deepStrictEqual((yield* history).map(line), first)
      const newest = folders.sort((a, b) => Number(a.slice(1)) - Number(b.slice(1))).at(-1)
      assert.deepStrictEqual(first, readFile(`${newest}/gateway.txt`).map(line))
    })
  )
})
