import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import type { Policies } from "#layers/cli/Deployment.ts"
import { Hash } from "#src/kernel/Ids.ts"
import { PolicyError } from "#src/ports/PolicyEngine.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"
import { keelson } from "./kit.ts"

/** A service that answers `/ready` as told. */
const answering = (body: object) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const server = createServer((_request, response) => {
        response.setHeader("content-type", "application/json")
        response.end(JSON.stringify(body))
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(Effect.succeed({ port, close: () => void server.close() }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const ready = { ready: true, halted: false, checks: [] }
const broken = Effect.fail(
  new PolicyError({ problems: [{ file: "a.cedar", line: 3, detail: "no such tool" }], retryable: false })
)

const valid = Effect.succeed<Policies>({
  folder: "/policies",
  set: { hash: Hash.make("ab".repeat(32)), policies: [] },
  tools: [],
  ask: () => Effect.die("nobody asks")
})

const doctor = (port: number, folder: string, more: Parameters<typeof keelson>[1] = { policies: valid }) =>
  keelson(["doctor", "--json", "--data-folder", folder, "--policy-folder", folder, "--port", String(port)], more)

const states = (out: string): { readonly [name: string]: string } =>
  Object.fromEntries(JSON.parse(out).findings.map(({ name, state }: { name: string; state: string }) => [name, state]))

describe("keelson doctor", () => {
  it.live("finds nothing missing where a service has been and is well", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      const { port } = yield* answering(ready)
      chmodSync(folder, 0o700)
      mkdirSync(join(folder, "journal", "pgdata"), { recursive: true })
      mkdirSync(join(folder, "keys"))
      writeFileSync(join(folder, "keys", "wrapping-1.key"), "")
      writeFileSync(join(folder, "owner.token"), "")
      const { exitCode, out } = yield* doctor(port, folder)
      assert.strictEqual(exitCode, 0)
      assert.deepStrictEqual(new Set(Object.values(states(out))), new Set(["ok"]))
    }).pipe(Effect.scoped)
  )

  it.live("calls a first start no fault: each thing that it will make is a note", () =>
    Effect.gen(function* () {
      const folder = join(yield* TemporaryFolder.make, "none")
      const { exitCode, out } = yield* doctor(1, folder, { policies: broken })
      assert.strictEqual(exitCode, 0)
      assert.deepInclude(states(out), { "data folder": "note", store: "note", policies: "note", service: "note" })
    }).pipe(Effect.scoped)
  )

  it.live("names what is missing, each with what mends it, and changes nothing", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      chmodSync(folder, 0o777)
      const { port } = yield* answering({
        ready: false,
        halted: false,
        checks: [{ name: "store", ready: false, reason: "Unavailable" }]
      })
      const { exitCode, out } = yield* doctor(port, folder, { policies: broken })
      assert.strictEqual(exitCode, 1)
      const { findings, well } = JSON.parse(out)
      assert.isFalse(well)
      const missing = findings.filter(({ state }: { state: string }) => state === "missing")
      assert.deepStrictEqual(
        missing.map(({ name }: { name: string }) => name),
        ["data folder", "policies", "service"]
      )
      assert.include(missing[0].remedy, "chmod 700")
      assert.include(missing[1].detail, "a.cedar:3")
      assert.include(missing[2].detail, "store: Unavailable")
      for (const { remedy } of missing) assert.isNotNull(remedy)
    }).pipe(Effect.scoped)
  )

  it.live("says that everything is stopped, and how to let it go on", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      const { port } = yield* answering({ ...ready, halted: true })
      const { out } = yield* doctor(port, folder)
      assert.strictEqual(states(out)["service"], "note")
      assert.include(out, "keelson resume")
    }).pipe(Effect.scoped)
  )
})
