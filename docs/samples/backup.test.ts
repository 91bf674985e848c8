/** `docs/backup.md`: its blocks run, beside a service at work. */
import { execFile } from "node:child_process"
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const root = join(import.meta.dirname, "../..")
const script = readFileSync(join(root, "docs/samples/backup.sh"), "utf8")
const page = readFileSync(join(root, "docs/backup.md"), "utf8")

describe("docs/backup.md", () => {
  it("shows what runs here, whole and in order", () => {
    const regions = [...script.matchAll(/# #region (\w+)\n([\s\S]*?)# #endregion \1\n/g)].map(([, , body]) => body)
    const blocks = [...page.matchAll(/```bash\n([\s\S]*?)```/g)].map(([, body]) => body)
    assert.deepStrictEqual(blocks, regions)
  })

  it.live(
    "is true of a service at work, from the backup to a store that verifies clean",
    () =>
      Effect.scoped(
        Effect.flatMap(TemporaryFolder.make, (folder) =>
          Effect.promise(() =>
            Service.using(
              { folder, flags: { "checkpoint-folder": join(folder, "data/checkpoints") } },
              async (service) => {
                for (const key of ["a", "b", "c"]) await service.post("/v1/sessions", key, {})
                for (const name of ["elsewhere", "apart"]) mkdirSync(join(folder, name))
                const keelson = `#!/bin/sh\nexec '${process.execPath}' '${join(root, "layers/main.ts")}' "$@"\n`
                writeFileSync(join(folder, "keelson"), keelson)
                chmodSync(join(folder, "keelson"), 0o755)
                const { stdout } = await promisify(execFile)("bash", ["-euo", "pipefail", "-c", script], {
                  cwd: folder,
                  env: {
                    PATH: `${folder}:${process.env["PATH"]}`,
                    HOME: process.env["HOME"],
                    KEELSON_DATA_FOLDER: join(folder, "data")
                  }
                })
                const digests = [...stdout.matchAll(/digest ([0-9a-f]{64})/g)].map(([, digest]) => digest)
                assert.strictEqual(digests.length, 2)
                assert.strictEqual(digests[0], digests[1])
                assert.include(stdout, "Clean")
              }
            )
          )
        )
      ),
    120_000
  )
})
