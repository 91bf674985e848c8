/** The README's samples are regions of files that run here. */
import { execFile } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SampleScript from "#test/kit/sampleScript.ts"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const root = join(import.meta.dirname, "../..")
const read = (path: string) => readFileSync(join(root, path), "utf8")

/** `<!-- file#region -->` and the fenced block that follows it. */
const quoted = /<!-- (\S+)#(\S+) -->\n+```\w+\n([\s\S]*?)```/g

const region = (path: string, name: string): string => {
  const [, body] = new RegExp(`#region ${name}\\n([\\s\\S]*?)\\n[^\\n]*#endregion ${name}`).exec(read(path)) ?? []
  if (body === undefined) throw new Error(`${path} has no region ${name}`)
  return `${body}\n`
}

/** What a sample prints, run as the README says. */
const printedBy = async (name: string) =>
  (await promisify(execFile)(process.execPath, [join(import.meta.dirname, name)])).stdout

describe("the README", () => {
  const samples = [...read("README.md").matchAll(quoted)]

  it("shows three samples, each a region of a file that runs", () => {
    assert.lengthOf(samples, 3)
    for (const [, path, name, body] of samples) assert.strictEqual(body, region(path!, name!), `${path}#${name}`)
  })

  it("shows an app that asks before it acts", async () => {
    const printed = await printedBy("app.ts")
    assert.strictEqual(printed, "[ 'Pending', 'Approved' ]\n")
    assert.include(read("README.md"), `prints \`${printed.trim()}\``)
  })

  it("names an agent whose tool runs after a person's word, and whose turn then answers", async () => {
    assert.include(read("README.md"), "docs/samples/agent.ts")
    const seen = JSON.parse(await printedBy("agent.ts"))
    assert.deepStrictEqual(seen, { before: [], after: ["1.4.2"], answer: "The deployment: Executed." })
  })

  it.live(
    "shows a service with a tool of its own, which asks a person, runs once, and is there in every command",
    () =>
      Effect.scoped(
        Effect.flatMap(TemporaryFolder.make, (folder) =>
          Effect.promise(() => {
            const program = [process.execPath, join(import.meta.dirname, "service.ts")] as const
            const policies = `@id("ask") @gate("human") permit (principal, action == Action::"deploy", resource);`
            return Service.using({ folder, policies, program }, async (service) => {
              const { sessionId } = (await service.post("/v1/sessions", "s", {})).body
              const wish = { tool: "deploy", arguments: { version: "1.4.2" } }
              const asked = await service.post(`/v1/sessions/${sessionId}/actions`, "p", wish)
              assert.strictEqual(asked.body.status, "Pending")
              await service.post(`/v1/confirmations/${asked.body.confirmationId}/approve`, "a", {})
              const ran = await service.get(`/v1/actions/${asked.body.actionId}?waitMillis=10000`)
              assert.deepStrictEqual([ran.body.status, ran.body.output], ["Executed", { deployed: "1.4.2" }])
              const question = ["--tool", "deploy", "--input", JSON.stringify(wish.arguments), "--expect", "ask"]
              const said = await promisify(execFile)(program[0], [
                ...[program[1], "policy", "test", "--policy-folder", join(folder, "policies"), ...question]
              ])
              assert.include(said.stdout, "ask")
            })
          })
        )
      ),
    60_000
  )

  it.live(
    "shows an HTTP session that a service answers as it says",
    () =>
      Effect.scoped(
        Effect.flatMap(TemporaryFolder.make, (folder) =>
          Effect.promise(() =>
            Service.using({ folder }, async (service) => {
              // A stranger runs it twice.
              for (let time = 0; time < 2; time++) {
                const stdout = await SampleScript.run("readme.sh", service, folder)
                const lines = stdout.trim().split("\n")
                assert.match(
                  lines[0]!,
                  /^\{"content":"Hello from an agent\.","mode":"create","path":"hello-\d+\.txt"\}$/
                )
                assert.include(["Approved", "Claimed", "Executed"], lines[1])
                assert.strictEqual(lines[2], "Completed")
                assert.include(lines[3], "confirmation.requested confirmation.approved action.permitted action.claimed")
              }
              const written = readdirSync(service.workspace).filter((name) => name.startsWith("hello-"))
              assert.lengthOf(written, 2)
            })
          )
        )
      ),
    60_000
  )
})
