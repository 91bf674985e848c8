import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs"
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
        const unready = "ready" in body && body.ready === false
        response.writeHead(unready ? 503 : 200, { "content-type": "application/json" })
        response.end(JSON.stringify(body))
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(Effect.succeed({ port, close: () => void server.close() }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const ready = { ready: true, draining: false, halted: false, isolatedStreams: 0, checks: [] }
const broken = Effect.fail(
  new PolicyError({ problems: [{ file: "a.cedar", line: 3, detail: "no such tool" }], retryable: false })
)

/** A policy that names a tool which is not the service's own. */
const naming = { file: "a.cedar", line: 7, detail: 'there is no tool "deploy.service"', undeclared: "deploy.service" }

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
        ...ready,
        ready: false,
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

  it.live("names a data folder into which others than its owner may write, its group too", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      const { port } = yield* answering(ready)
      for (const [mode, state] of [
        [0o720, "missing"],
        [0o702, "missing"],
        [0o755, "ok"]
      ] as const) {
        chmodSync(folder, mode)
        assert.strictEqual(states((yield* doctor(port, folder)).out)["data folder"], state, mode.toString(8))
      }
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

  it.live("takes only an answer that is Keelson's for one", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      for (const body of [{}, { ready: true }, { ...ready, checks: [{ name: 5 }] }, { ...ready, halted: "no" }]) {
        const { port } = yield* answering(body)
        const { exitCode, out } = yield* doctor(port, folder)
        assert.strictEqual(exitCode, 1)
        assert.strictEqual(states(out)["service"], "missing", JSON.stringify(body))
        assert.include(out, "not Keelson's")
      }
    }).pipe(Effect.scoped)
  )

  it.live("finds what the system refuses it to look at, each in a line with what mends it, and goes on", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      chmodSync(folder, 0o700)
      writeFileSync(join(folder, "keys"), "no folder")
      writeFileSync(join(folder, "journal"), "no folder")
      symlinkSync("owner.token", join(folder, "owner.token"))
      const { port } = yield* answering(ready)
      const { exitCode, out } = yield* doctor(port, folder)
      assert.strictEqual(exitCode, 1)
      assert.deepStrictEqual(states(out), {
        keelson: "ok",
        profile: "ok",
        variables: "ok",
        "data folder": "ok",
        "owner's token": "missing",
        keys: "missing",
        store: "missing",
        policies: "ok",
        tools: "ok",
        service: "ok"
      })
      for (const { detail, remedy, state } of JSON.parse(out).findings) {
        assert.strictEqual(remedy === null, state === "ok", detail)
      }
      const file = join(folder, "keys")
      const inFile = yield* doctor(port, file)
      assert.include(inFile.out, `${file} is no folder`)
    }).pipe(Effect.scoped)
  )

  it.live("names a variable that its reader would refuse, with what was expected", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      const environment = { KEELSON_URL: "nowhere", OTEL_BSP_SCHEDULE_DELAY: "soon", VISUAL: "vi" }
      const { exitCode, out } = yield* doctor(1, folder, { policies: valid, environment })
      assert.strictEqual(exitCode, 1)
      assert.strictEqual(states(out)["variables"], "missing")
      for (const part of ["KEELSON_URL: expected an address", "OTEL_BSP_SCHEDULE_DELAY: expected a whole number"]) {
        assert.include(out, part)
      }
    }).pipe(Effect.scoped)
  )

  it.live("says what it is composed of, and fits its terminal, whatever it found", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      const problems = [{ file: "a.cedar", line: 3, detail: "unexpected token, ".repeat(20) }]
      const policies = Effect.fail(new PolicyError({ problems, retryable: false }))
      const args = ["doctor", "--data-folder", folder, "--policy-folder", folder, "--port", "1"]
      const { out } = yield* keelson(args, { policies, terminal: true })
      assert.match(out, /^ok +profile +a few values$/m)
      for (const line of out.split("\n")) assert.isAtMost(line.replaceAll(folder, "").length, 80, line)
      assert.match(out, /^ {20,}-> keelson policy check$/m)
    }).pipe(Effect.scoped)
  )

  it.live("calls it no fault that a policy names a tool which an agent may have declared", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      chmodSync(folder, 0o700)
      const by = (problems: PolicyError["problems"]) => ({
        policies: Effect.fail(new PolicyError({ problems, retryable: false }))
      })
      const { exitCode, out } = yield* doctor(1, folder, by([naming, { ...naming, line: 9 }]))
      assert.strictEqual(exitCode, 0)
      assert.strictEqual(states(out)["policies"], "note")
      const found = JSON.parse(out).findings.find(({ name }: { name: string }) => name === "policies")
      assert.include(found.detail, "a.cedar:9")
      assert.include(found.remedy, "have an agent declare deploy.service,")
      const more = yield* doctor(1, folder, by([naming, { file: "a.cedar", line: 3, detail: "no semicolon" }]))
      assert.strictEqual(states(more.out)["policies"], "missing")
    }).pipe(Effect.scoped)
  )
})
