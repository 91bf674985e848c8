/**
 * One thread of the simulation: becomes a mutant first, where it is told to, then loads the program and runs seeds.
 */
import { parentPort, workerData } from "node:worker_threads"
import { resolve } from "node:path"
import * as Mutants from "./mutants.ts"

export type Asked =
  | { readonly ask: "stretch"; readonly first: number; readonly count: number }
  | { readonly ask: "short"; readonly seed: number }

const { mutant } = workerData as { readonly mutant: string | null }
const isLoaded = mutant === null ? () => true : Mutants.becomeNamed(mutant, resolve(import.meta.dirname, "../.."))
const Seeds = await import("./seeds.ts")
if (!isLoaded()) throw new Error(`the file of the mutant ${mutant} was never loaded`)

const seeds = Seeds.make()
parentPort!.on("message", (asked: Asked) => {
  parentPort!.postMessage(asked.ask === "stretch" ? seeds.stretch(asked.first, asked.count) : seeds.short(asked.seed))
})
