/** The program `keelson`. */
import { fileURLToPath } from "node:url"
import * as CompileCache from "./CompileCache.ts"

CompileCache.enable(import.meta.dirname)
const Program = await import("#layers/profiles/Program.ts")

Program.runMain({ file: fileURLToPath(import.meta.url) })
