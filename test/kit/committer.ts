/**
 * The sample of a tool that runs elsewhere (`docs/samples/remote.ts`), played: a repository with a change that waits
 * to be committed, the agent as a process of its own, and what a person and a proposer say to the service.
 */
import { assert } from "@effect/vitest"
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Service from "./service.ts"

const samples = join(import.meta.dirname, "../../docs/samples")

/** What stands between the marks of a region. */
export const regionOf = (name: string, file: string) =>
  new RegExp(`// #region ${name}\\n([\\s\\S]*?)// #endregion`).exec(readFileSync(join(samples, file), "utf8"))?.[1]

/** What agents run elsewhere waits for a person; the rest as in `Service.askPolicies`. */
export const policies = `${Service.askPolicies}${regionOf("policy", "remote.cedar")}`

/** A repository with one commit, and a change that waits to be committed. */
export const repository = (folder: string) => {
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

/** The agent's token, from the owner of the service. */
export const admitted = async (service: Service.Service): Promise<string> => {
  const made = await service.post("/v1/principals", "bot", { principalId: "committer", kind: "AGENT" })
  return made.body.token
}

/** @param program a Node and the sample, in place of this one and the sources */
export const agent = (
  service: Service.Service,
  token: string,
  path: string,
  [node, sample]: readonly [node: string, sample: string] = [process.execPath, join(samples, "remote.ts")]
): ChildProcess => {
  const child = spawn(node, [sample], {
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
export const declared = (service: Service.Service) =>
  until(
    () => service.get("/v1/tools"),
    ({ body }) => body.items.some((tool: { name: string }) => tool.name === "git.commit")
  )

/** A commit that is wished for, and waits. */
export const propose = async (service: Service.Service, key: string, message: string) => {
  const session = await service.post("/v1/sessions", `session-${key}`, {})
  const { body } = await service.post(`/v1/sessions/${session.body.sessionId}/actions`, `action-${key}`, {
    tool: "git.commit",
    arguments: { message }
  })
  assert.strictEqual(body.status, "Pending", JSON.stringify(body))
  return { actionId: String(body.actionId), confirmationId: String(body.confirmationId) }
}

export const approve = (service: Service.Service, confirmationId: string) =>
  service.post(`/v1/confirmations/${confirmationId}/approve`, `yes-${confirmationId}`, {})

export const ended = async (service: Service.Service, actionId: string) =>
  (await service.get(`/v1/actions/${actionId}?waitMillis=20000`)).body
