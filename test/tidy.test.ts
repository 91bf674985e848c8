/** House law. The tree is tidy, and each rule is seen to fall on a known-bad example and to spare a good one. */
import { assert, describe, it, onTestFinished } from "@effect/vitest"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { anchorsOf, ruleNames, untidy } from "./house/tidy.ts"
import { longFunctions, untidyHere } from "./house/tree.ts"

interface Example {
  readonly rule: string
  readonly path: string
  readonly bad: string
  readonly good: string
  /** Another path, where the good text stands; the same where it is left out. */
  readonly goodPath?: string
}

const lines = (count: number) => "/** Long. */\n".padEnd(count + 12, "\n")

/** Ways to read a variable of the environment: an undeclared one, and one that is declared. */
const waysToVariables: ReadonlyArray<readonly [bad: string, good: string]> = [
  ["export const { KEELSON_COLOUR } = process.env", "export const { KEELSON_URL, PATH: path } = process.env"],
  [
    "const { PATH, KEELSON_COLOUR: colour } = options.environment",
    "const { PATH, KEELSON_URL: url } = options.environment"
  ],
  ['const { "KEELSON_COLOUR": colour } = env', 'const { "KEELSON_URL": url } = env'],
  [
    'const name = "KEELSON_COLOUR"\nconst { [name]: colour } = env',
    'const name = "KEELSON_URL"\nconst { [name]: url } = env'
  ],
  [
    "export const colour = ({ KEELSON_COLOUR }: Variables.Environment) => KEELSON_COLOUR",
    "export const colour = ({ KEELSON_URL }: Variables.Environment) => KEELSON_URL"
  ],
  ["const { env: vars } = process", "const { env, execPath } = process"],
  ["const { env: { KEELSON_COLOUR } } = process", "const { env: { KEELSON_URL } } = process"],
  ['import { env as vars } from "node:process"', 'import { env } from "node:process"'],
  ["const vars = process.env", "const environment = process.env"],
  [
    'const name = "KEELSON_COLOUR"\nexport const a = environment[name]',
    'const name = "KEELSON_URL"\nexport const a = environment[name]'
  ],
  ["export const a = (name) => process.env[name]", "export const a = (environment, name) => environment[name]"],
  [
    'export const a = Config.Literals(["a", "b"], "KEELSON_COLOUR")',
    'export const a = Config.Literals(["a", "b"], "OTEL_SERVICE_NAME")'
  ],
  [
    'export const a = Config.schema(\n  Schema.Literals(["a", "b"]),\n  "KEELSON_COLOUR"\n)',
    'export const a = Config.schema(Schema.Literals(["a", "b"]), "OTEL_SERVICE_NAME").pipe(Config.withDefault("a"))'
  ],
  [
    'const name = "KEELSON_COLOUR"\nexport const a = Config.String(name)',
    'const name = "OTEL_SERVICE_NAME"\nexport const a = Config.String(name)'
  ]
]

const examples: ReadonlyArray<Example> = [
  ...waysToVariables.map(([bad, good]) => ({
    rule: "undeclared variable",
    path: "layers/a/B.ts",
    bad: `/** A. */\n${bad}\n`,
    good: `/** A. */\n${good}\n`
  })),
  { rule: "size", path: "src/a/B.ts", bad: lines(401), good: lines(400) },
  { rule: "size", path: "layers/a/B.ts", bad: lines(501), good: lines(500) },
  { rule: "size", path: "test/a/b.test.ts", bad: lines(401), good: lines(400) },
  { rule: "file name", path: "test/kit/helpers.ts", bad: "", good: "", goodPath: "test/kit/service.ts" },
  {
    rule: "file name",
    path: "layers/a/StoreLive.ts",
    bad: "/** A. */\n",
    good: "/** A. */\n",
    goodPath: "layers/a/Alive.ts"
  },
  {
    rule: "declared name",
    path: "bench/a.ts",
    bad: "export class SessionManager {}\n",
    good: "export class Sessions {}\n"
  },
  { rule: "declared name", path: "bench/a.ts", bad: "const storeImpl = 1\n", good: "const lives = 1\n" },
  { rule: "docblock", path: "src/a/B.ts", bad: 'import "./C.ts"\n', good: '/** Owns B. */\nimport "./C.ts"\n' },
  {
    rule: "undeclared variable",
    path: "layers/a/B.ts",
    bad: '/** A. */\nexport const a = environment["KEELSON_COLOUR"]\n',
    good: '/** A. */\n// Not environment["KEELSON_COLOUR"].\nexport const a = environment["KEELSON_URL"]\n'
  },
  {
    rule: "undeclared variable",
    path: "deploy/launcher/a.mjs",
    bad: "/** A. */\nexport const a = process.env.LAUNCHER\n",
    good: "/** A. */\nexport const a = process.env.PATH\n"
  },
  {
    rule: "undeclared variable",
    path: "layers/a/B.ts",
    bad: '/** A. */\nexport const a = Config.String("KEELSON_COLOUR")\n',
    good: '/** A. */\nexport const a = Config.String("OTEL_SERVICE_NAME")\n'
  },
  { rule: "work put off", path: "README.md", bad: "TODO: say more\n", good: "What is to do stands in the issues.\n" },
  {
    rule: "silencer",
    path: "bench/a.ts",
    bad: "// @ts-ignore\n",
    good: "// @ts-expect-error: a string is no number.\n"
  },
  {
    rule: "any",
    path: "layers/a/B.ts",
    bad: "/** A. */\nf(x as any)\n",
    good: "/** As any other, of kind: any. */\nf(x as unknown)\n"
  },
  ...['import * as D from "effect/DateTime"', "Effect.clockWith(f)", "Effect.runSync(f)", 'f.constructor("x")()'].map(
    (sin) => ({
      rule: "world in src",
      path: "src/a/B.ts",
      bad: `/** A. */\n${sin}\n`,
      good: "/** Effect.runSync would. */\nclass A {\n  constructor() {}\n}\n"
    })
  ),
  {
    rule: "require",
    path: "layers/a/B.ts",
    bad: "/** A. */\nconst r = createRequire(import.meta.url)\n",
    good: "/** createRequire is not used. */\n"
  },
  {
    rule: "room",
    path: "src/memory.ts",
    bad: '/** A. */\nexport * from "./gateway/Session.ts"\n',
    good: "/** A. */\n",
    goodPath: "src/kernel/Memory.ts"
  },
  { rule: "chosen test", path: "test/a.test.ts", bad: 'it.only("runs", f)\n', good: 'it("runs alone only", f)\n' },
  {
    rule: "chosen test",
    path: "test/a.test.ts",
    bad: 'describe.skip("runs", f)\n',
    good: "it.effect.skipIf(no)(t, f)\n"
  },
  {
    rule: "sleep in a test",
    path: "test/a.test.ts",
    bad: "yield* Effect.sleep(10)\n",
    good: "yield* TestClock.adjust(10)\n"
  },
  {
    rule: "sleep in a test",
    path: "test/a.test.ts",
    bad: "setTimeout(f, 10)\n",
    good: "setTimeout(f, 10)\n",
    goodPath: "test/kit/wait.ts"
  },
  { rule: "title", path: "test/a.test.ts", bad: 'it("should hold", f)\n', good: 'it("holds", f)\n' },
  {
    rule: "title",
    path: "test/a.test.ts",
    bad: "it.effect(`one should win`, f)\n",
    good: "it.effect(`one wins`, f)\n"
  },
  {
    rule: "link",
    path: "docs/a.md",
    bad: "[a](b.md)\n",
    good: "[a](a.md), [b](../docs), [c](https://example.org/x)\n"
  },
  {
    rule: "link",
    path: "docs/a.md",
    bad: "# One two\n[a](#one-three)\n",
    good: "# One, two\n[a](#one-two) `[x](y)`\n"
  },
  { rule: "machine", path: "docs/a.md", bad: "in /home/anna/code\n", good: "in ~/code or ./home/anna/code\n" },
  {
    rule: "machine",
    path: "package-lock.json",
    bad: '"resolved": "https://host/x"\n',
    good: '"integrity": "sha512-"\n'
  },
  { rule: "machine", path: ".npmrc", bad: "registry=https://registry.example.org\n", good: "audit=false\n" },
  {
    rule: "exact version",
    path: "package.json",
    bad: '{ "dependencies": { "effect": "^4.1.0" } }',
    good: '{ "dependencies": { "effect": "4.1.0" }, "devDependencies": { "a": "1.0.0-beta.17" } }'
  },
  {
    rule: "permit",
    path: "src/a/B.ts",
    bad: "/** A. */\nPermit.redeem\n",
    good: "/** To redeem. */\nPermit.spend(a)\n"
  },
  { rule: "permit", path: "layers/a/B.ts", bad: '/** A. */\nimport("#src/kernel/Permit.ts")\n', good: "/** A. */\n" },
  {
    rule: "dynamic import",
    path: "src/a/B.ts",
    bad: '/** A. */\nimport("./C.ts")\n',
    good: '/** A. */\nimport "./C.ts"\n'
  }
]

const rulesOn = (file: string, text: string) => untidy([{ path: file, text }]).map((one) => one.rule)

describe("tidy", () => {
  it("finds nothing in this project", () => {
    assert.deepStrictEqual(untidyHere(), [])
  })

  for (const { bad, good, goodPath, path: file, rule } of examples) {
    it(`names the rule "${rule}" for ${JSON.stringify(bad.trim().slice(0, 60) || file)}, and spares what is right`, () => {
      assert.include(rulesOn(file, bad), rule)
      assert.notInclude(rulesOn(goodPath ?? file, good), rule)
    })
  }

  it("has an example of every rule", () => {
    assert.deepStrictEqual([...new Set(examples.map((one) => one.rule))].sort(), [...ruleNames].sort())
  })

  it("names file and line", () => {
    const [found] = untidy([{ path: "a/b.md", text: "one\n\nTODO\n" }])
    assert.deepInclude(found, { path: "a/b.md", line: 3, rule: "work put off" })
  })

  it("names headings as a web page of them does", () => {
    assert.deepStrictEqual(anchorsOf("# `a` and B's\n\n## 1. Two-three ##\n"), ["a-and-bs", "1-two-three"])
  })

  it("counts a function's own lines, and not those of the functions inside it", () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "keelson-long-"))
    onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }))
    const inner = (name: string, count: number) => `  const ${name} = () => {\n${"    f()\n".repeat(count)}  }\n`
    fs.writeFileSync(
      path.join(folder, "Maker.ts"),
      `export const make = () => {\n${inner("a", 60)}${inner("b", 60)}}\n`
    )
    fs.writeFileSync(path.join(folder, "Long.ts"), `\nexport const make = () => {\n${inner("a", 69)}}\n`)
    assert.deepStrictEqual(longFunctions(folder, ["."]), [
      { rule: "function", path: "Long.ts", line: 3, detail: "71 lines of its own, of 70 at most" }
    ])
  })
})
