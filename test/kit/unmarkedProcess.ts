/** `chaos/service.ts` as a program that does not mark the place that it restores into: the control of what a killed restore leaves. */
import { resolve } from "node:path"
import * as Mutants from "../simulation/mutants.ts"

const name = "restore-unmarked"
const isLoaded = Mutants.becomeOne(
  name,
  {
    about: "a restore does not say that it is not whole yet",
    file: "layers/profiles/Backups.ts",
    find: `  yield* store.setCell(SqlBackup.restoringCell, null, path)\n`,
    replace: ""
  },
  resolve(import.meta.dirname, "../..")
)
await import("#chaos/service.ts")
if (!isLoaded()) throw new Error(`the file of the mutant ${name} was never loaded`)
