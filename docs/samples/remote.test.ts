/** What `docs/remote-tools.md` shows, executed: a real agent process, a real service, a real program. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Committer from "#test/kit/committer.ts"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

describe("docs/remote-tools.md", () => {
  it("shows the code and the policy that are executed here", () => {
    const page = readFileSync(join(import.meta.dirname, "../remote-tools.md"), "utf8")
    const blocks = [...page.matchAll(/```(\w+)\n([\s\S]*?)```/g)].map(([, kind, text]) => [kind, text])
    assert.deepStrictEqual(blocks, [
      ["ts", Committer.regionOf("agent", "remote.ts")],
      ["cedar", Committer.regionOf("policy", "remote.cedar")],
      ["ts", Committer.regionOf("wait", "wait.ts")]
    ])
  })

  it.live(
    "puts a program behind the gate: nothing is committed before a person agrees, and once after, agents and services killed or not",
    () =>
      Effect.scoped(
        Effect.flatMap(TemporaryFolder.make, (folder) =>
          Effect.promise(() =>
            Service.using({ folder, policies: Committer.policies }, async (service) => {
              const { path, subjects } = Committer.repository(folder)
              const token = await Committer.admitted(service)
              const first = Committer.agent(service, token, path)
              await Committer.declared(service)
              const { actionId, confirmationId } = await Committer.propose(service, "one", "milk was added")
              assert.deepStrictEqual(subjects(), ["first"])
              await Committer.approve(service, confirmationId)
              const done = await Committer.ended(service, actionId)
              assert.strictEqual(done.status, "Executed", JSON.stringify(done))
              assert.match(done.output.commit, /^[0-9a-f]{40}$/)
              assert.deepStrictEqual(subjects(), ["milk was added", "first"])

              // Nothing to commit: the program says no, and the answer says so.
              const empty = await Committer.propose(service, "two", "nothing")
              await Committer.approve(service, empty.confirmationId)
              const refused = await Committer.ended(service, empty.actionId)
              assert.deepInclude(refused, { status: "Failed", code: "GitFailed" })

              // What is approved while the agent is dead waits for the next one, and runs once.
              first.kill("SIGKILL")
              await once(first, "exit")
              writeFileSync(join(path, "list.txt"), "bread, milk, eggs\n")
              const later = await Committer.propose(service, "three", "eggs were added")
              await Committer.approve(service, later.confirmationId)
              const second = Committer.agent(service, token, path)
              assert.strictEqual((await Committer.ended(service, later.actionId)).status, "Executed")
              assert.deepStrictEqual(subjects(), ["eggs were added", "milk was added", "first"])
              second.kill("SIGKILL")
              await once(second, "exit")
            })
          )
        )
      ),
    120_000
  )

  it.live(
    "waits in each of the three ways for what a person approves in a session that is not the agent's",
    () =>
      Effect.scoped(
        Effect.flatMap(TemporaryFolder.make, (folder) =>
          Effect.promise(() =>
            Service.using({ folder, policies: Committer.policies }, async (service) => {
              const token = await Committer.admitted(service)
              const properties = { message: { type: "string" } }
              const inputSchema = { type: "object", properties, additionalProperties: false }
              await service.post("/v1/tools", "tool", { name: "git.commit", description: "", inputSchema }, token)
              const { actionId, confirmationId } = await Committer.propose(service, "one", "milk was added")
              const env = { ...process.env, KEELSON_URL: service.url, KEELSON_TOKEN: token }
              const child = spawn(process.execPath, [join(import.meta.dirname, "wait.ts")], {
                env,
                timeout: 40_000,
                stdio: ["ignore", "pipe", "inherit"]
              })
              let said = ""
              for await (const text of child.stdout.setEncoding("utf8")) {
                if (!said.includes("waiting for 1") && `${said}${text}`.includes("waiting for 1")) {
                  await Committer.approve(service, confirmationId)
                }
                said += text
              }
              for (const way of ["over a WebSocket", "as an event", "by a long poll"]) {
                assert.include(said, `${way}: action:${actionId}`)
              }
            })
          )
        )
      ),
    60_000
  )
})
