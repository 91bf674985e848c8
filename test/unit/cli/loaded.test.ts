/** What a command loads before it knows what it is asked. */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { resolve } from "node:path"

const root = resolve(import.meta.dirname, "../../..")

/** Every module that a process loads for `module`, by its URL. */
const loadedFor = (module: string): ReadonlyArray<string> => {
  const script = `
    import { registerHooks } from "node:module"
    const loaded = []
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
    await import(${JSON.stringify(resolve(root, module))})
    console.log(JSON.stringify(loaded))`
  const flags = ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", script]
  return JSON.parse(execFileSync(process.execPath, flags, { encoding: "utf8", cwd: root }))
}

/** What only a service needs: databases, policies, sockets, and the rooms of Keelson that work. */
const ofAService = /pglite|sql-pg|cedar|node_modules\/ws\/|layers\/(actors|event-store|gateway|sql-client\/P)/

describe("the command line", () => {
  it("loads no database, no policies and no sockets before a command asks for them", () => {
    assert.deepStrictEqual(
      loadedFor("layers/profiles/Program.ts").filter((url) => ofAService.test(url)),
      []
    )
  })

  it("loads them with what a command does in a place of its own", () => {
    const loaded = loadedFor("layers/profiles/OwnPlace.ts").filter((url) => ofAService.test(url))
    for (const part of ["pglite", "sql-pg", "cedar", "layers/event-store"]) {
      assert.isTrue(
        loaded.some((url) => url.includes(part)),
        part
      )
    }
  })
})
