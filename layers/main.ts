/** The program `keelson`. */
import { fileURLToPath } from "node:url"
import * as Program from "#layers/profiles/Program.ts"

Program.runMain({ file: fileURLToPath(import.meta.url) })
