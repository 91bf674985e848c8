import { defineConfig } from "vitest/config"

/** Real processes, kills and long runs: `npm run test:slow`. One file at a time, for they measure and kill. */
export default defineConfig({
  test: {
    include: ["test/**/*.slow.test.ts", "test/**/*.chaos.test.ts"],
    globalSetup: ["test/kit/globalSetup.ts"],
    testTimeout: 600_000,
    hookTimeout: 120_000,
    pool: "forks",
    fileParallelism: false,
    passWithNoTests: false
  }
})
