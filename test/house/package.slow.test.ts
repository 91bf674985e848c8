/** The package as `npm pack` ships it: what is in it, and an app of a stranger's that installs, types and runs it. */
import { assert, afterAll, describe, it } from "@effect/vitest"
import { once } from "node:events"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Committer from "#test/kit/committer.ts"
import * as Service from "#test/kit/service.ts"
import * as FreshApp from "./freshApp.ts"
import { packagesNamedIn } from "./packageImports.ts"

const { manifest, root, run } = FreshApp

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "keelson-package-"))
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

const tarball = await FreshApp.pack(folder)
const unpacked = await FreshApp.unpack(tarball)
const app = path.join(folder, "app")
const isInstalled = await FreshApp.install(app, tarball)
const keelson = path.join(app, "node_modules/keelson/bin/keelson.mjs")

const nodes = [
  { major: 24, executable: isInstalled ? await FreshApp.node("node24") : null },
  { major: 26, executable: isInstalled ? await FreshApp.node("node") : null }
]

/** The samples that need no service, with what each prints. */
const alone = {
  app: "[ 'Pending', 'Approved' ]",
  agent: `{"before":[],"after":["1.4.2"],"answer":"The deployment: Executed."}`
}

/** A sample as the README says an app writes it: the same modules, by the package's names. */
const outside = (name: string): string => {
  const source = fs.readFileSync(path.join(root, "docs/samples", name), "utf8")
  const text = source.replaceAll(/"#(?:src\/|(?=layers\/))([\w/-]+)\.ts"/gi, '"keelson/$1"')
  assert.notInclude(text, '"#')
  return text
}

const program = `import type { Envelope } from "keelson/kernel/Envelope"
  import * as Stamps from "keelson/layers/stamps/NodeStamps"
  export const position = (envelope: Envelope): string => envelope.type
  // @ts-expect-error: a layer is no number, and not of any type either.
  export const wrong: number = Stamps.layer\n`

if (isInstalled) {
  const samples = fs
    .readdirSync(path.join(root, "docs/samples"))
    .filter((name) => /^(?!quote)[a-z]+\.m?[jt]s$/.test(name))
  for (const name of samples) fs.writeFileSync(path.join(app, name.replace(/\.ts$/, ".mts")), outside(name))
  fs.writeFileSync(path.join(app, "program.mts"), program)
  const options = { noEmit: true, strict: true, target: "esnext", module: "nodenext", types: ["node"] }
  fs.writeFileSync(path.join(app, "tsconfig.json"), JSON.stringify({ compilerOptions: options, include: ["*.mts"] }))
}

describe("package", () => {
  const files = fs.readdirSync(path.join(unpacked, "dist"), { recursive: true, encoding: "utf8" })

  it("holds no source, no test and no tool", () => {
    assert.deepStrictEqual(fs.readdirSync(unpacked).sort(), [
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "SECURITY.md",
      "bin",
      "dist",
      "package.json"
    ])
    assert.deepStrictEqual(
      files.filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts")),
      []
    )
    assert.include(files, path.join("policies", "agents.cedar"))
  })

  it("declares every package that it imports or takes types from, and no other", () => {
    const modules = files.filter((name) => /\.(js|d\.ts)$/.test(name))
    assert.isAbove(modules.length, 100)
    const texts = modules.map((name) => fs.readFileSync(path.join(unpacked, "dist", name), "utf8"))
    const named = new Set(texts.flatMap(packagesNamedIn))
    assert.deepStrictEqual([...named].sort(), Object.keys(manifest.dependencies).sort())
  })

  it("is read for every way to name a package", () => {
    const module = `import * as Effect from "effect/Effect"; import WebSocket from 'ws'
      import type {
        Pool
      } from "pg"
      import "side-effect"
      export * from "@scope/exported/deep"
      export declare const late: import("typed").Late
      const lazy = await import("lazy"), old = require("old"), where = import.meta.resolve("resolved/package.json")
      import * as fs from "node:fs"; import { own } from "#layers/own.ts"; import { near } from "./near.js"
/// <reference types="referred" />
      declare module "augmented" {}`
    const found = ["@scope/exported", "augmented", "effect", "lazy", "old", "pg", "referred", "resolved"]
    assert.deepStrictEqual(packagesNamedIn(module), [...found, "side-effect", "typed", "ws"].sort())
  })
})

describe.skipIf(!isInstalled)("package, installed by npm into an app outside", () => {
  it("brings one Effect, and no tool of this repository but the compiler that the app asked for", () => {
    const has = (name: string) => fs.existsSync(path.join(app, "node_modules", name))
    assert.deepStrictEqual(Object.keys(manifest.devDependencies).filter(has), FreshApp.compilers)
    const lock = fs.readFileSync(path.join(app, "package-lock.json"), "utf8")
    const { packages } = JSON.parse(lock) as { packages: object }
    assert.deepStrictEqual(
      Object.keys(packages).filter((name) => name.endsWith("node_modules/effect")),
      ["node_modules/effect"]
    )
  })

  it("is typed for the samples and for a program, libraries included, by the app's own compiler", async () => {
    const compiled = await run(process.execPath, ["node_modules/typescript/bin/tsc"], app)
    assert.deepStrictEqual(compiled, { status: 0, stdout: "", stderr: "" })
  })
})

// Not inside of the other: Vitest counts no skipped test below a skipped group.
for (const { executable, major } of nodes) {
  describe.skipIf(executable === null)(`package, in that app under Node ${major}`, () => {
    const node = (...argv: ReadonlyArray<string>) => run(executable!, argv, app)
    const served = <A>(folder: string, work: (service: Service.Service) => Promise<A>) =>
      Service.using({ folder, policies: Committer.policies, program: [executable!, keelson] }, work)

    it("runs its command, which knows its version and what it can do", async () => {
      assert.match((await node("--version")).stdout, new RegExp(`^v${major}\\.`))
      const version = { status: 0, stdout: `keelson ${manifest.version}\n`, stderr: "" }
      assert.deepStrictEqual(await node(keelson, "--version"), version)
      assert.isAbove(fs.readdirSync(path.join(app, "node_modules/.keelson")).length, 0, "what Node compiled is kept")
      const { status, stderr, stdout } = await node(keelson, "--help")
      assert.deepStrictEqual([status, stderr], [0, ""])
      for (const command of ["start", "demo", "verify"]) assert.match(stdout, new RegExp(`^ +${command}\\b`, "m"))
    })

    it("gives each of its rooms to an import, and keeps the rest to itself", async () => {
      const names = [
        ...["kernel/Envelope", "ports/EventStore", "gateway/Protocol", "layers/profiles/Volatile"],
        ...["client", "client/RemoteTool", "client/Live"]
      ]
      const script = `for (const name of ${JSON.stringify(names)}) console.log(Object.keys(await import("keelson/" + name)).length > 0)
        await import("keelson/dist/src/kernel/Ids.js").catch((error) => console.log(error.code))`
      const { stderr, stdout } = await node("--input-type=module", "-e", script)
      assert.deepStrictEqual(
        stdout.trim().split("\n"),
        [...names.map(() => "true"), "ERR_PACKAGE_PATH_NOT_EXPORTED"],
        stderr
      )
    })

    it("runs the sample apps: own tool, own policy, own responder", async () => {
      for (const [name, said] of Object.entries(alone)) {
        const { status, stderr, stdout } = await node(`${name}.mts`)
        assert.deepStrictEqual([status, stdout.trim()], [0, said], stderr)
      }
    })

    it("serves the sample of a tool that runs elsewhere", () =>
      served(path.join(folder, `remote-${major}`), async (service) => {
        const { path: repository, subjects } = Committer.repository(path.join(folder, `remote-${major}`))
        const sample = path.join(app, "remote.mts")
        const token = await Committer.admitted(service)
        const agent = Committer.agent(service, token, repository, [executable!, sample])
        await Committer.declared(service)
        const { actionId, confirmationId } = await Committer.propose(service, "one", "milk was added")
        await Committer.approve(service, confirmationId)
        assert.strictEqual((await Committer.ended(service, actionId)).status, "Executed")
        assert.deepStrictEqual(subjects(), ["milk was added", "first"])
        agent.kill("SIGKILL")
        await once(agent, "exit")
      }))

    it("serves the samples of a WebSocket, by hand and by the typed client", () =>
      served(path.join(folder, `socket-${major}`), async (service) => {
        const env = { PATH: process.env["PATH"], KEELSON_URL: service.url, KEELSON_TOKEN: service.token }
        const byHand = await run(executable!, ["socket.mjs"], app, env)
        assert.match(
          byHand.stdout,
          /^\d+ session\.created\n[^]*\d+ action\.executed\n[^]*\d+ turn\.completed\n$/,
          byHand.stderr
        )
        const typed = await run(executable!, ["live.mts"], app, env)
        assert.match(typed.stdout, /session\.created[^]*turn\.completed/, typed.stderr)
      }))

    it("plays its demo, killed and started again, to the proof", async () => {
      const { status, stderr, stdout } = await node(keelson, "demo")
      assert.deepStrictEqual([status, /The proof stands/.test(stdout)], [0, true], `${stdout}${stderr}`)
    })
  })
}
