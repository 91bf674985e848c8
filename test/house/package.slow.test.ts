/** The package as `npm pack` ships it: unpacked beside its dependencies, imported, typed, and run. */
import { assert, beforeAll, afterAll, describe, it } from "@effect/vitest"
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

const root = path.resolve(import.meta.dirname, "../..")
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "keelson-package-"))
const tsc = path.join(root, "node_modules/typescript/bin/tsc")
const unpacked = path.join(folder, "node_modules/keelson")

const run = (file: string, argv: ReadonlyArray<string>, cwd = folder) => {
  const { status, stderr, stdout } = childProcess.spawnSync(file, argv, { cwd, encoding: "utf8" })
  return { status, stdout, stderr }
}

const node = (...argv: ReadonlyArray<string>) => run(process.execPath, argv)

beforeAll(() => {
  const packed = run("npm", ["pack", "--silent", "--pack-destination", folder], root)
  assert.strictEqual(packed.status, 0, packed.stderr)
  fs.mkdirSync(unpacked, { recursive: true })
  const tarball = fs.readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? ""
  assert.strictEqual(run("tar", ["xzf", tarball, "-C", unpacked, "--strip-components=1"]).status, 0)
  for (const name of fs.readdirSync(path.join(root, "node_modules")))
    if (!name.startsWith("."))
      fs.symlinkSync(path.join(root, "node_modules", name), path.join(folder, "node_modules", name))
  fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify({ type: "module" }))
})

afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

describe("package", () => {
  it("runs its command, which knows its version", () => {
    const { version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")) as { version: string }
    const { status, stdout } = node(path.join(unpacked, "bin/keelson.mjs"), "--version")
    assert.deepStrictEqual([status, stdout.trim()], [0, `keelson ${version}`])
  })

  it("gives each of its rooms to an import, and keeps the rest to itself", () => {
    const names = [
      ...["kernel/Envelope", "ports/EventStore", "gateway/Protocol", "layers/profiles/Volatile"],
      ...["client", "client/RemoteTool"]
    ]
    const script = `for (const name of ${JSON.stringify(names)}) console.log(Object.keys(await import("keelson/" + name)).length > 0)
      await import("keelson/dist/src/kernel/Ids.js").catch((error) => console.log(error.code))`
    const { stderr, stdout } = node("--input-type=module", "-e", script)
    assert.deepStrictEqual(
      stdout.trim().split("\n"),
      [...names.map(() => "true"), "ERR_PACKAGE_PATH_NOT_EXPORTED"],
      stderr
    )
  })

  it("is typed for a program that imports it", () => {
    const program = `import type { Envelope } from "keelson/kernel/Envelope"
      import * as Stamps from "keelson/layers/stamps/NodeStamps"
      export const position = (envelope: Envelope): string => envelope.type
      // @ts-expect-error: a layer is no number, and not of any type either.
      export const wrong: number = Stamps.layer\n`
    fs.writeFileSync(path.join(folder, "program.mts"), program)
    const flags = ["--noEmit", "--strict", "--module", "nodenext", "--skipLibCheck", "program.mts"]
    assert.deepStrictEqual(node(tsc, ...flags), { status: 0, stdout: "", stderr: "" })
  })

  it("carries the sample apps, typed and run: own tool, own policy, own responder", () => {
    const samples = {
      app: "[ 'Pending', 'Approved' ]",
      agent: `{"before":[],"after":["1.4.2"],"answer":"The deployment: Executed."}`
    }
    for (const [name, said] of Object.entries(samples)) {
      const source = fs.readFileSync(path.join(root, `docs/samples/${name}.ts`), "utf8")
      // What the README says: the same modules, by the package's names.
      const outside = source.replaceAll(/"#(?:src\/|(?=layers\/))([\w/-]+)\.ts"/gi, '"keelson/$1"')
      assert.notInclude(outside, '"#')
      fs.writeFileSync(path.join(folder, `${name}.mts`), outside)
      const flags = ["--noEmit", "--strict", "--target", "esnext", "--module", "nodenext", "--skipLibCheck"]
      const types = ["--types", "node", "--typeRoots", path.join(root, "node_modules/@types")]
      assert.deepStrictEqual(node(tsc, ...flags, ...types, `${name}.mts`), { status: 0, stdout: "", stderr: "" })
      const { status, stderr, stdout } = node(`${name}.mts`)
      assert.deepStrictEqual([status, stdout.trim()], [0, said], stderr)
    }
  }, 60_000)

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
    const all = fs.readdirSync(path.join(unpacked, "dist"), { recursive: true, encoding: "utf8" })
    assert.deepStrictEqual(
      all.filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts")),
      []
    )
    assert.include(all, path.join("policies", "agents.cedar"))
  })
})
