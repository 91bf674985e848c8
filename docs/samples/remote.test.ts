/** What `docs/remote-tools.md` shows, executed: a real agent process, a real service, a real program. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")
const regionOf = (name: string, text: string) =>
  new RegExp(`// #region ${name}\\n([\\s\\S]*?)// #endregion`).exec(text)?.[1]

const policy = regionOf("policy", read("docs/samples/remote.cedar"))!

/** A repository with one commit, and a change that waits to be committed. */
const repository = (folder: string) => {
  const path = join(folder, "repository")
  mkdirSync(path)
  const git = (...words: ReadonlyArray<string>) => execFileSync("git", ["-C", path, ...words], { encoding: "utf8" })
  git("init", "--quiet")
  git("config", "user.name", "an agent")
  git("config", "user.email", "agent@example.org")
  writeFileSync(join(path, "list.txt"), "bread\n")
  git("add", ".")
  git("commit", "--quiet", "--message", "first")
  writeFileSync(join(path, "list.txt"), "bread, milk\n")
  return { path, subjects: () => git("log", "--format=%s").trim().split("\n") }
}

const agent = (service: Service.Service, token: string, path: string): ChildProcess => {
  const child = spawn(process.execPath, [new URL("remote.ts", import.meta.url).pathname], {
    env: { ...process.env, KEELSON_URL: service.url, KEELSON_TOKEN: token, REPOSITORY: path },
    stdio: ["ignore", "inherit", "inherit"]
  })
  process.once("exit", () => child.kill("SIGKILL"))
  return child
}

const until = async <A>(ask: () => Promise<A>, holds: (found: A) => boolean): Promise<A> => {
  for (;;) {
    const found = await ask()
    if (holds(found)) return found
    await Service.untilClock(Date.now() + 50)
  }
}

/** The tool, once the agent has declared it. */
const declared = (service: Service.Service) =>
  until(
    () => service.get("/v1/tools"),
    ({ body }) => body.items.some((tool: { name: string }) => tool.name === "git.commit")
  )

const propose = async (service: Service.Service, key: string, message: string) => {
  const session = await service.post("/v1/sessions", `session-${key}`, {})
  const { body } = await service.post(`/v1/sessions/${session.body.sessionId}/actions`, `action-${key}`, {
    tool: "git.commit",
    arguments: { message }
  })
  assert.strictEqual(body.status, "Pending", JSON.stringify(body))
  return { actionId: String(body.actionId), confirmationId: String(body.confirmationId) }
}

const ended = async (service: Service.Service, actionId: string) =>
  (await service.get(`/v1/actions/${actionId}?waitMillis=20000`)).body

describe("docs/remote-tools.md", () => {
  it("shows the code and the policy that are executed here", () => {
    const blocks = [...read("docs/remote-tools.md").matchAll(/```(\w+)\n([\s\S]*?)```/g)].map(([, kind, text]) => [
      kind,
      text
    ])
    assert.deepStrictEqual(blocks, [
      ["ts", regionOf("agent", read("docs/samples/remote.ts"))],
      ["cedar", policy]
    ])
  })

  it.live(
    "puts a program behind the gate: nothing is committed before a person agrees, and once after, agents and services killed or not",
    () =>
      Effect.scoped(
        Effect.flatMap(TemporaryFolder.make, (folder) =>
          Effect.promise(() =>
            Service.using({ folder, policies: Service.askPolicies + policy }, async (service) => {
              const { path, subjects } = repository(folder)
              const made = await service.post("/v1/principals", "bot", { principalId: "committer", kind: "AGENT" })
              const first = agent(service, made.body.token, path)
              await declared(service)
              const { actionId, confirmationId } = await propose(service, "one", "milk was added")
              assert.deepStrictEqual(subjects(), ["first"])
              await service.post(`/v1/confirmations/${confirmationId}/approve`, "yes", {})
              const done = await ended(service, actionId)
              assert.strictEqual(done.status, "Executed", JSON.stringify(done))
              assert.match(done.output.commit, /^[0-9a-f]{40}$/)
              assert.deepStrictEqual(subjects(), ["milk was added", "first"])

              // Nothing to commit: the program says no, and the answer says so.
              const empty = await propose(service, "two", "nothing")
              await service.post(`/v1/confirmations/${empty.confirmationId}/approve`, "yes-2", {})
              assert.deepInclude(await ended(service, empty.actionId), { status: "Failed", code: "GitFailed" })

              // What is approved while the agent is dead waits for the next one, and runs once.
              first.kill("SIGKILL")
              await once(first, "exit")
              writeFileSync(join(path, "list.txt"), "bread, milk, eggs\n")
              const later = await propose(service, "three", "eggs were added")
              await service.post(`/v1/confirmations/${later.confirmationId}/approve`, "yes-3", {})
              const second = agent(service, made.body.token, path)
              assert.strictEqual((await ended(service, later.actionId)).status, "Executed")
              assert.deepStrictEqual(subjects(), ["eggs were added", "milk was added", "first"])
              second.kill("SIGKILL")
              await once(second, "exit")
            })
          )
        )
      ),
    120_000
  )
})
