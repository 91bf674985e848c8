/** A shell script of `docs/samples`, run as a reader would beside a started service; its standard output. */
import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import type { Service } from "./service.ts"

const samples = join(import.meta.dirname, "../../docs/samples")

export const run = async (name: string, { url }: Service, folder: string): Promise<string> => {
  const environment = { ...process.env, KEELSON_URL: url, KEELSON_DATA_FOLDER: join(folder, "data") }
  const script = join(samples, name)
  const { stdout } = await promisify(execFile)("bash", ["-eu", script], { env: environment, timeout: 60_000 })
  return stdout
}
