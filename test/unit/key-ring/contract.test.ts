import { assert, describe, it } from "@effect/vitest"
import { inspect } from "node:util"
import { implementation, implementations, suite, visibleKey } from "../../contract/keyRing.ts"

for (const name of implementations.keys()) suite(name)

describe("the contract's inspector", () => {
  it("finds a key that lies open", () => {
    assert.match(inspect({ ring: { key: Buffer.alloc(32) } }), visibleKey)
    assert.match(
      inspect({
        ring: new (class {
          readonly bytes = new Uint8Array(32)
        })()
      }),
      visibleKey
    )
  })
})

describe("the contract's registry", () => {
  it("throws on a name it does not know", () => {
    assert.throws(() => implementation("vault-of-yesterday"), "known: volatile,seeded,file")
  })
})
