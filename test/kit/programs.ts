/** Programs of the machine that a test can do without: where one is missing, that is said, and the test is skipped. */
import { execFileSync } from "node:child_process"

/** Whether the program is there; says `SKIP` with what provides it where it is not. Call it at the top of a test file. */
export const has = (program: "python3" | "openssl"): boolean => {
  try {
    execFileSync(program, [program === "openssl" ? "version" : "--version"], { stdio: "ignore" })
    return true
  } catch {
    if ((process.env["REQUIRE_REAL"] ?? "").split(",").includes(program)) {
      throw new Error(`REQUIRE_REAL=${program}, and it is not on this machine`)
    }
    console.warn(`SKIP ${program}: it is not on this machine; apt-get install --no-install-recommends ${program}`)
    return false
  }
}
