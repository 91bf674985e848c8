/** `docs/operations.md`: its blocks run, and its tables know every number and every span that the code has. */
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SampleScript from "#test/kit/sampleScript.ts"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const root = join(import.meta.dirname, "../..")
const read = (path: string) => readFileSync(join(root, path), "utf8")
const page = read("docs/operations.md")
const sources = globSync(["src/**/*.ts", "layers/**/*.ts"], { cwd: root }).map(read).join("\n")

/** Names in the first column of the table under a heading, without labels. */
const listed = (heading: string): ReadonlyArray<string> => {
  const [, section = ""] = page.split(`\n## ${heading}\n`)
  const rows = section
    .split("\n## ")[0]!
    .split("\n")
    .filter((line) => line.startsWith("| `"))
  return rows.flatMap((row) => [...row.split("|")[1]!.matchAll(/`([^`{]+)(\{[^`]*\})?`/g)].map(([, name]) => name!))
}

const unique = (names: Iterable<string>): ReadonlyArray<string> => [...new Set(names)].sort()

describe("docs/operations.md", () => {
  it("shows what runs here, whole and in order", () => {
    const regions = [...read("docs/samples/operations.sh").matchAll(/# #region (\w+)\n([\s\S]*?)# #endregion \1\n/g)]
    const blocks = [...page.matchAll(/```bash\n([\s\S]*?)```/g)].map(([, body]) => body)
    assert.deepStrictEqual(
      blocks,
      regions.map(([, , body]) => body)
    )
  })

  it("lists every number that is counted, and no other", () => {
    const counted = [...sources.matchAll(/Metric\.(?:counter|gauge|histogram)\(\s*"(\w+)"/g)].map(([, name]) => name!)
    assert.isAbove(counted.length, 20)
    assert.deepStrictEqual(unique(listed("Numbers")), unique(counted))
  })

  it("lists every span that has a name of its own", () => {
    const named = [...sources.matchAll(/(?:withSpan|Effect\.fn)\([^`]*?"([A-Z]\w+\.\w+)"/g)].map(([, name]) => name!)
    assert.isAbove(named.length, 8)
    const spans = listed("Traces")
    for (const name of named) assert.include(spans, name)
  })

  it.live("shows numbers and a trace that a service gives", () =>
    Effect.scoped(
      Effect.flatMap(TemporaryFolder.make, (folder) =>
        Effect.promise(() =>
          Service.using({ folder }, async (service) => {
            const stdout = await SampleScript.run("operations.sh", service, folder)
            for (const line of ["halted 0", "streams_isolated 0", 'process_down{of="dispatcher"} 0']) {
              assert.include(stdout, line)
            }
            for (const span of ["POST", "Gateway.createSession", "Actors.send", "Actor.decide", "EventStore.write"]) {
              assert.match(stdout, new RegExp(`^ *\\d+\\.\\d ms ${span}$`, "m"))
            }
          })
        )
      )
    )
  )
})
