/** `docs/checkpoints.md`: its blocks run, and its checker of other people's language agrees with ours, also where nothing holds. */
import { execFile, execFileSync } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Proofs from "#layers/profiles/Proofs.ts"
import * as Settings from "#layers/profiles/Settings.ts"
import * as Tamper from "#test/integration/tamper-kit.ts"
import * as Programs from "#test/kit/programs.ts"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const root = join(import.meta.dirname, "../..")
const read = (path: string) => readFileSync(join(root, path), "utf8")
const samples = import.meta.dirname
const example = (name: string) => join(samples, "checkpoints", name)
const checker = join(samples, "check_proof.py")

const hasPython = Programs.has("python3")

const check = (file: string, from: string | null = null, keys = example("public-keys.txt")) =>
  Proofs.check(Settings.defaults, file, { from, keys })

/** The same proof with one character changed, for every `step`th of them. */
const changed = (text: string, step: number): ReadonlyArray<string> =>
  Array.from({ length: Math.ceil(text.length / step) }, (_, index) => {
    const at = index * step
    return text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1)
  })

describe("docs/checkpoints.md", () => {
  it("shows what runs here, whole and in order", () => {
    const regions = [...read("docs/samples/checkpoints.sh").matchAll(/# #region (\w+)\n([\s\S]*?)# #endregion \1\n/g)]
    const blocks = [...read("docs/checkpoints.md").matchAll(/```bash\n([\s\S]*?)```/g)].map(([, body]) => body)
    assert.deepStrictEqual(
      blocks,
      regions.map(([, , body]) => body)
    )
  })

  it.live.skipIf(!hasPython)(
    "is true of a service, from the first checkpoint to a proof that somebody else's program checks",
    () =>
      Effect.scoped(
        Effect.flatMap(TemporaryFolder.make, (folder) =>
          Effect.promise(() =>
            Service.using({ folder, flags: { "checkpoint-interval-millis": 100 } }, async (service) => {
              for (const key of ["a", "b", "c"]) await service.post("/v1/sessions", key, {})
              const newest = join(folder, "data/checkpoints/0000000000000004.checkpoint")
              await Tamper.until(() => existsSync(newest))
              const script = (name: string, body: string) => {
                writeFileSync(join(folder, name), `#!/usr/bin/env bash\n${body}\n`)
                chmodSync(join(folder, name), 0o755)
                return join(folder, name)
              }
              script("keelson", `exec '${process.execPath}' '${join(root, "layers/main.ts")}' "$@"`)
              const post = `curl -sS -X POST -H 'Authorization: Bearer ${service.token}' -H 'Idempotency-Key: more'`
              const stop = script(
                "stop",
                `${post} -H 'Content-Type: application/json' -d '{}' ${service.url}/v1/sessions > '${folder}/more'
                kill -TERM ${service.pid}; while kill -0 ${service.pid} 2> /dev/null; do sleep 0.1; done`
              )
              mkdirSync(join(folder, "elsewhere"))
              const { stdout } = await promisify(execFile)("bash", ["-eu", join(samples, "checkpoints.sh")], {
                cwd: folder,
                env: {
                  ...process.env,
                  PATH: `${folder}:${process.env["PATH"]}`,
                  KEELSON_DATA_FOLDER: join(folder, "data"),
                  STOP_SERVICE: stop,
                  samples
                },
                timeout: 100_000
              })
              const said = stdout.replace(/\s+/g, " ")
              assert.include(said, "Signed: the first 4 events are the very ones that the checkpoint covers.")
              assert.match(said, /It holds: evt_\w+, session\.created of session:ses_\w+, stands at position 3 of/)
              assert.match(said, /It holds: the first 4 of the 5 events/)
              assert.match(said, /holds: evt_\w+ stands at position 3 of the 5 events that/)
              assert.match(said, /holds: the first 4 of the 5 events that \S+ signed are the same in both checkpoints/)
            })
          )
        )
      ),
    120_000
  )
})

describe("the example proofs", () => {
  it.effect("hold, and no longer where any character of them is changed", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      const proofs: ReadonlyArray<readonly [string, string | null]> = [
        ["event.tlog-proof", null],
        ["growth.proof", example("old.checkpoint")]
      ]
      for (const [name, from] of proofs) {
        assert.isString(yield* check(example(name), from))
        for (const text of changed(readFileSync(example(name), "utf8"), 2)) {
          writeFileSync(join(folder, "changed"), text)
          assert.isTrue((yield* Effect.flip(check(join(folder, "changed"), from))).wrong, text)
        }
      }
      for (const text of changed(readFileSync(example("old.checkpoint"), "utf8"), 1)) {
        writeFileSync(join(folder, "changed"), text)
        assert.isTrue((yield* Effect.flip(check(example("growth.proof"), join(folder, "changed")))).wrong)
      }
      // A checkpoint that is signed, but of another size.
      assert.isTrue(
        (yield* Effect.flip(check(example("growth.proof"), join(folder, "none")))).detail.includes("ENOENT")
      )
    })
  )

  it.skipIf(!hasPython)(
    "hold for the checker in Python too, and no longer where a character of them is changed",
    () => {
      const python = (...args: ReadonlyArray<string>) =>
        execFileSync("python3", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })
      const keys = example("public-keys.txt")
      assert.match(python(checker, keys, example("event.tlog-proof")), /^holds: evt_\w+ stands at position 3 of the 5/)
      assert.match(
        python(checker, keys, example("growth.proof"), example("old.checkpoint")),
        /^holds: the first 1 of the 5/
      )
      assert.match(python(checker, keys, example("old.checkpoint")), /^holds: \S+ signed 1 events/)
      assert.throws(() => python(checker, keys, example("growth.proof")), /the older checkpoint is needed/)
      assert.throws(() => python(checker, keys), /Command failed/)

      // One process for all of them: it says which ones it takes for true.
      const harness = `
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("check_proof", sys.argv[1])
checker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(checker)
keys, old = checker.read_keys(checker.read(sys.argv[2])), checker.read(sys.argv[3])
believed = []
for text in json.load(open(sys.argv[4])):
    try:
        believed.append(checker.check(keys, text, old))
    except (checker.Wrong, ValueError, KeyError, TypeError):
        pass
print(json.dumps(believed))
`
      const believes = (texts: ReadonlyArray<string>): ReadonlyArray<string> => {
        const folder = execFileSync("mktemp", ["-d"], { encoding: "utf8" }).trim()
        writeFileSync(join(folder, "texts"), JSON.stringify(texts))
        const args = ["-c", harness, checker, keys, example("old.checkpoint"), join(folder, "texts")]
        const out = python(...args)
        execFileSync("rm", ["-r", folder])
        return JSON.parse(out) as ReadonlyArray<string>
      }
      const event = readFileSync(example("event.tlog-proof"), "utf8")
      const growth = readFileSync(example("growth.proof"), "utf8")
      assert.strictEqual(believes([event, growth]).length, 2)
      assert.deepStrictEqual(believes([...changed(event, 17), ...changed(growth, 7)]), [])
    },
    120_000
  )
})
