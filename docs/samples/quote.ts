/** Copies every quoted region into the README: `node docs/samples/quote.ts`. `readme.test.ts` fails where it is stale. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "../..")
const path = join(root, "README.md")
const text = readFileSync(path, "utf8").replaceAll(
  /(<!-- (\S+)#(\S+) -->\n+```\w+\n)[\s\S]*?```/g,
  (_whole, head: string, file: string, name: string) => {
    const source = readFileSync(join(root, file), "utf8")
    const body = new RegExp(`#region ${name}\\n([\\s\\S]*?)\\n[^\\n]*#endregion ${name}`).exec(source)?.[1]
    if (body === undefined) throw new Error(`${file} has no region ${name}`)
    return `${head}${body}\n\`\`\``
  }
)
writeFileSync(path, text)
