/** A disk of a few megabytes (tmpfs): needs root, and is unmounted with its scope. */
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** True where a disk can be mounted; says SKIP otherwise. */
export const available = (): boolean => {
  const can = process.platform === "linux" && process.getuid?.() === 0
  if (!can) console.warn("SKIP small disk: sudo -E npm test (mounting a tmpfs needs root)")
  return can
}

export interface SmallDisk {
  readonly folder: string
  /** Leaves this many bytes free. */
  readonly fill: (leaveBytes: number) => Effect.Effect<void>
  readonly free: Effect.Effect<void>
}

export const make = (megabytes: number) =>
  Effect.acquireRelease(
    Effect.sync((): SmallDisk => {
      const folder = fs.mkdtempSync(join(tmpdir(), "keelson-test-disk-"))
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,mode=0711`, "keelson-test", folder])
      const filler = join(folder, "filler")
      return {
        folder,
        fill: (leaveBytes) =>
          Effect.sync(() => {
            const { bavail, bsize } = fs.statfsSync(folder)
            const file = fs.openSync(filler, "a")
            for (let left = bavail * bsize - leaveBytes; left > 0;) {
              left -= fs.writeSync(file, Buffer.alloc(Math.min(left, 1024 * 1024)))
            }
            fs.closeSync(file)
          }),
        free: Effect.sync(() => fs.rmSync(filler, { force: true }))
      }
    }),
    ({ folder }) =>
      Effect.sync(() => {
        execFileSync("umount", ["-l", folder])
        fs.rmdirSync(folder)
      })
  )
