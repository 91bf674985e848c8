/** The walls of the house, held by the compiler and the linter: each known way through is planted and must be refused. */
import { assert, beforeAll, describe, it, onTestFinished } from "@effect/vitest"
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { promisify } from "node:util"
import { type Breach, breaches, outsideOfProject, rooms } from "./breaches.ts"

const root = path.resolve(import.meta.dirname, "../..")
const execFile = promisify(childProcess.execFile)

interface Finding {
  readonly file: string
  readonly by: string
}

/** A house of its own, with our configuration and our packages. */
const build = (files: { readonly [file: string]: string }): string => {
  const house = fs.mkdtempSync(path.join(os.tmpdir(), "keelson-walls-"))
  const copied = ["package.json", "tsconfig.base.json", ".oxlintrc.json", "src/tsconfig.json", "layers/tsconfig.json"]
  const write = (file: string, text: string) => {
    fs.mkdirSync(path.dirname(path.join(house, file)), { recursive: true })
    fs.writeFileSync(path.join(house, file), text)
  }
  for (const file of copied) write(file, fs.readFileSync(path.join(root, file), "utf8"))
  for (const [file, text] of Object.entries(files)) write(file, text)
  write("tsconfig.json", JSON.stringify({ files: [], references: [{ path: "src" }, { path: "layers" }] }))
  fs.symlinkSync(path.join(root, "node_modules"), path.join(house, "node_modules"), "junction")
  return house
}

/** Runs a tool of ours; a non-zero exit is an answer too. */
const tool = async (house: string, script: string, ...flags: ReadonlyArray<string>): Promise<string> => {
  const argv = [path.join(root, "node_modules", script), ...flags]
  try {
    return (await execFile(process.execPath, argv, { cwd: house, maxBuffer: 64 * 1024 * 1024 })).stdout
  } catch (error) {
    return (error as { readonly stdout: string }).stdout
  }
}

const compile = async (house: string): Promise<ReadonlyArray<Finding>> => {
  const output = await tool(house, "typescript/bin/tsc", "-b", "--pretty", "false")
  return [...output.matchAll(/^(\S+)\(\d+,\d+\): error (TS\d+)/gm)].map(([, file, by]) => ({
    file: String(file),
    by: String(by)
  }))
}

const lint = async (house: string): Promise<ReadonlyArray<Finding>> => {
  const report = JSON.parse(await tool(house, "oxlint/bin/oxlint", "--format", "json")) as {
    readonly diagnostics: ReadonlyArray<{ readonly code: string; readonly filename: string }>
  }
  return report.diagnostics.map((one) => ({ file: one.filename, by: one.code }))
}

const withBreaches = (planted: ReadonlyArray<Breach>) => ({
  ...rooms,
  ...Object.fromEntries(planted.map((one) => [one.file, one.text]))
})

const inspect = async (files: { readonly [file: string]: string }, look: typeof lint) => {
  const house = build(files)
  try {
    return await look(house)
  } finally {
    fs.rmSync(house, { recursive: true, force: true })
  }
}

describe("walls", () => {
  const found: { [guard in Breach["guard"]]: ReadonlyArray<Finding> } = { compiler: [], linter: [] }

  beforeAll(async () => {
    // A file from outside the project is all that the compiler then speaks of, so it has a house of its own.
    const [outside, inside] = [true, false].map((is) =>
      breaches.filter((one) => one.guard === "compiler" && (one.by === outsideOfProject) === is)
    )
    found.linter = await inspect(withBreaches(breaches.filter((one) => one.guard === "linter")), lint)
    found.compiler = [
      ...(await inspect(withBreaches(inside ?? []), compile)),
      ...(await inspect(withBreaches(outside ?? []), compile))
    ]
  })

  it("let the lawful house stand", async () => {
    assert.deepStrictEqual([await inspect(rooms, lint), await inspect(rooms, compile)], [[], []])
  })

  it("are tried with one breach a file, and no file of the lawful house", () => {
    assert.strictEqual(new Set(breaches.map((one) => one.file)).size, breaches.length)
    assert.isTrue(breaches.every((one) => rooms[one.file] === undefined))
  })

  for (const breach of breaches) {
    it(`refuse ${breach.sin} (${breach.file}, ${breach.guard})`, () => {
      const by = found[breach.guard].filter((one) => one.file === breach.file).map((one) => one.by)
      assert.include(by, breach.by)
    })
  }

  it("blame nobody but the breaches", () => {
    const planted = new Set(breaches.map((one) => one.file))
    const others = [...found.linter, ...found.compiler].filter((one) => !planted.has(one.file))
    assert.deepStrictEqual(others, [])
  })

  it("go down where a rule is taken out, so that the rule is what holds them", async () => {
    const house = build({ ...rooms, "src/kernel/Clock.ts": "export const a = new Date().getTime()\n" })
    onTestFinished(() => fs.rmSync(house, { recursive: true, force: true }))
    const file = path.join(house, ".oxlintrc.json")
    const config = JSON.parse(fs.readFileSync(file, "utf8")) as { overrides: unknown }
    fs.writeFileSync(file, JSON.stringify({ ...config, overrides: [] }))
    const blamed = (await lint(house)).map((one) => one.file)
    assert.notInclude(blamed, "src/kernel/Clock.ts")
  })
})
