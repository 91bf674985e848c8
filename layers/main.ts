/** The program `keelson`. */
import { findPackageJSON } from "node:module"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import * as CompileCache from "#layers/profiles/CompileCache.ts"

const manifest = findPackageJSON(import.meta.url)
if (manifest !== undefined) CompileCache.enable(dirname(manifest))
const Program = await import("#layers/profiles/Program.ts")

Program.runMain({ file: fileURLToPath(import.meta.url) })
