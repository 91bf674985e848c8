import { assert, describe, it } from "@effect/vitest"
import * as Tracer from "effect/Tracer"
import * as Trace from "#src/kernel/Trace.ts"

const spans = Array.from({ length: 20 }, (_, index) =>
  Tracer.externalSpan({ traceId: "1".repeat(32), spanId: String(index + 1).padStart(16, "0") })
)

describe("work that serves several callers at once", () => {
  it("is a child of the first one's span, linked to sixteen of the others", () => {
    const { links, parent } = Trace.together(spans)
    assert.strictEqual(parent, spans[0])
    assert.deepStrictEqual(
      links.map(({ span }) => span),
      spans.slice(1, 17)
    )
  })

  it("stands alone where nobody is traced", () => assert.deepStrictEqual(Trace.together([]), { links: [] }))
})
