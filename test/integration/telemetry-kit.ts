/** The real service, looked at from outside: its trace files, and somebody who says things to it. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

export const traces = (folder: string) => join(folder, "data", "traces")

/** Spans of all files, oldest first; a line that is being written is not there yet. */
export const spansIn = (folder: string): ReadonlyArray<any> =>
  readdirSync(traces(folder))
    .sort()
    .reverse()
    .flatMap((name) =>
      readFileSync(join(traces(folder), name), "utf8")
        .split("\n")
        .slice(0, -1)
    )
    .map((line) => JSON.parse(line).resourceSpans[0].scopeSpans[0].spans[0])

/** Waits until the file holds so many spans of these names, in whatever trace. Spans are written once a second, in order. */
export const written = async (folder: string, wanted: { readonly [name: string]: number }): Promise<void> => {
  for (;;) {
    const there = existsSync(traces(folder)) ? spansIn(folder) : []
    const count = (name: string) => there.filter((span) => span.name === name).length
    if (Object.entries(wanted).every(([name, least]) => count(name) >= least)) return
    await new Promise((wake) => setImmediate(wake))
  }
}

/** A folder of its own for the work. */
export const scoped = <A>(work: (folder: string) => Promise<A>) =>
  Effect.scoped(Effect.flatMap(TemporaryFolder.make, (folder) => Effect.promise(() => work(folder))))

/** A turn that reads a file and writes one, which a person lets happen. */
export const speak = async (service: Service.Service, said: string) => {
  mkdirSync(service.workspace, { recursive: true })
  writeFileSync(join(service.workspace, "input.txt"), `from a file: ${said}`)
  const session = await service.post("/v1/sessions", "s", { title: said })
  const { sessionId } = session.body
  const turn = await service.post(`/v1/sessions/${sessionId}/turns`, "t", {
    input: `read input.txt\nsay {{1}} ${said}`
  })
  const ended = await service.get(`/v1/turns/${turn.body.turnId}?waitMillis=20000`)
  assert.strictEqual(ended.body.status, "Completed", JSON.stringify(ended.body))
  const asked = await service.post(`/v1/sessions/${sessionId}/actions`, "p", {
    tool: "file.write",
    arguments: { path: "out.txt", content: said, mode: "replace" }
  })
  await service.post(`/v1/confirmations/${asked.body.confirmationId}/approve`, "a", {})
  const done = await service.get(`/v1/actions/${asked.body.actionId}?waitMillis=20000`)
  assert.strictEqual(done.body.status, "Executed", JSON.stringify(done.body))
  return { sessionId, turnId: String(turn.body.turnId), actionId: String(asked.body.actionId) }
}
