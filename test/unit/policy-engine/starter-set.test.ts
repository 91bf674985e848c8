/** The starter set fits the tools that ship with it, lets agents look, and asks people before anything changes. */
import { readFileSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as CedarPolicyEngine from "#layers/policy-engine/CedarPolicyEngine.ts"
import { starterFolder } from "#layers/policy-engine/PolicyFolder.ts"
import * as StandardTools from "#layers/tool-executor/StandardTools.ts"
import * as ToolRegistry from "#layers/tool-executor/ToolRegistry.ts"
import { PolicyEngine } from "#src/ports/PolicyEngine.ts"
import { actor } from "#test/kit/decider.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"
import { person, question } from "./fixture.ts"

/** The engine as the service has it: starter policies, standard tools. */
const starter = Effect.gen(function* () {
  const root = yield* TemporaryFolder.make
  const tools = ToolRegistry.layerEffect(StandardTools.make({ workspace: { root } }))
  const catalog = ToolRegistry.layerCatalog.pipe(Layer.provide(tools), Layer.provideMerge(NodeDigest.layer))
  const engine = CedarPolicyEngine.layer({ folder: starterFolder() }).pipe(Layer.provide(catalog))
  return Context.get(yield* Layer.build(engine), PolicyEngine)
})

const read = (path: string) => question("file.read", { path })
const write = question("file.write", { path: "report.txt", content: "done", mode: "create" })
const list = question("file.list", { path: "." })
const run = (command: string, ...args: ReadonlyArray<string>) =>
  question("shell.run", { command, arguments: args, timeoutMillis: 1_000 })

describe("the starter set", () => {
  it.effect("decides as its comments say", () =>
    Effect.gen(function* () {
      const { decide } = yield* starter
      const stranger = { actor: actor("HUMAN", "bob") }
      const cases = [
        [read("notes.txt"), "Run"],
        [list, "Run"],
        [write, "Ask"],
        [run("echo", "hello"), "Ask"],
        [{ ...read("notes.txt"), actor: person }, "Run"],
        [{ ...write, actor: person }, "Run"],
        [{ ...read(".env"), actor: person }, "Run"],
        [{ ...run("echo"), actor: person }, "Ask"],
        [{ ...read("notes.txt"), ...stranger }, "Deny"],
        [{ ...write, ...stranger }, "Deny"],
        [{ ...run("echo"), ...stranger }, "Deny"],
        [{ ...read("notes.txt"), actor: actor("SYSTEM", "system") }, "Deny"],
        [read(".env"), "Deny"],
        [read("app/.env.production"), "Deny"],
        [read("keys/server.pem"), "Deny"],
        [run("sudo", "ls"), "Deny"],
        [{ ...run("sudo", "ls"), actor: person }, "Deny"],
        [run("mkfs.ext4", "/dev/sda"), "Deny"],
        [run("rm", "-rf", "/"), "Deny"],
        [run("rm", "-rf", "build"), "Ask"],
        [question("shell.run", { command: "rm" }), "Ask"]
      ] as const
      for (const [asked, effect] of cases) {
        const decision = yield* decide(asked)
        assert.strictEqual(decision.effect, effect, JSON.stringify(asked))
      }
    })
  )

  it("says of every policy what it is for", () => {
    for (const name of readdirSync(starterFolder())) {
      const text = readFileSync(join(starterFolder(), name), "utf8")
      const count = (pattern: RegExp) => text.match(pattern)?.length ?? 0
      assert.strictEqual(count(/^@description\("/gm), count(/^@id\("/gm), name)
    }
  })
})
