/**
 * A process that swaps, as fast as it can, a directory and a file of a workspace for symbolic links that lead outside,
 * and back. Arguments: the workspace, the outside. Prints a line when it has begun; runs until it is killed.
 */
import { renameSync, symlinkSync, unlinkSync, writeSync } from "node:fs"
import { join } from "node:path"

const [inside = "", outside = ""] = process.argv.slice(2)

const swap = (name: string, target: string) => {
  const path = join(inside, name)
  const held = join(inside, `held-${name}`)
  renameSync(path, held)
  symlinkSync(target, path)
  unlinkSync(path)
  renameSync(held, path)
}

for (let round = 0; ; round++) {
  swap("d", outside)
  swap("f", join(outside, "secret.txt"))
  if (round === 0) writeSync(1, "begun\n")
}
