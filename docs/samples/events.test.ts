/** What `docs/events.md` shows, executed: its blocks are the regions of `events.sh`, in order. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SampleScript from "#test/kit/sampleScript.ts"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const read = (path: string) => readFileSync(join(import.meta.dirname, "../..", path), "utf8")

/** Blocks of an id, perhaps a name, and one line of data; the last one breaks off where the reader did. */
const shape = /^(id: \d+\n(event: (?:heartbeat|halt)\n)?data: \{[^\n]*\}(\n\n|$))+$/

describe("docs/events.md", () => {
  it("shows what runs here, whole and in order", () => {
    const regions = [...read("docs/samples/events.sh").matchAll(/# #region (\w+)\n([\s\S]*?)# #endregion \1\n/g)]
    const blocks = [...read("docs/events.md").matchAll(/```(\w+)\n([\s\S]*?)```/g)]
    assert.deepStrictEqual(
      blocks.map(([, language, body]) => [language, body]),
      regions.map(([, , body]) => ["bash", body])
    )
  })

  it.live(
    "shows what a service does: each event once and in order, over a break",
    () =>
      Effect.scoped(
        Effect.flatMap(TemporaryFolder.make, (folder) =>
          Effect.promise(() =>
            Service.using({ folder }, async (service) => {
              const [wire = "", rest = ""] = (await SampleScript.run("events.sh", service, folder)).split("\n--\n")
              const [opened, ...lines] = wire.split("\n")
              assert.strictEqual(opened, "Open")
              assert.match(lines.join("\n"), shape)
              assert.match(lines.join("\n"), /\nevent: halt\ndata: \{"halted":false,/)
              const events = lines
                .filter((line) => line.startsWith('data: {"position":') && line.includes('"stream"'))
                .map((line): { position: number; stream: string; type: string } => JSON.parse(line.slice(6)))
              assert.deepStrictEqual(
                events.map(({ type }) => type),
                ["session.created", "session.touched"]
              )
              const [created, touched] = events.map(({ position }) => position)
              const [first, answer, ...after] = rest.trim().split("\n")
              assert.strictEqual(first, `${created} session.created`)
              assert.strictEqual(answer, "Open")
              const head = touched! + 1
              assert.deepStrictEqual(after, [
                `${touched} session.touched`,
                `${head} session.touched`,
                `after: 9007199254740991 is beyond the journal, which ends at ${head}`
              ])
            })
          )
        )
      ),
    60_000
  )
})
