/** `chaos/service.ts` as a program that does not mark what it restores into: the control of what a killed restore leaves. */
import { resolve } from "node:path"
import * as Mutants from "#test/simulation/mutants.ts"

const isLoaded = Mutants.become("restore-unmarked", Mutants.restoreUnmarked, resolve(import.meta.dirname, "../.."))
await import("#chaos/service.ts")
if (!isLoaded()) throw new Error("the file of the mutant was never loaded")
