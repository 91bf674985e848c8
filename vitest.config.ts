import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts", "docs/samples/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/*.chaos.test.ts", "**/*.slow.test.ts"],
    globalSetup: ["test/kit/globalSetup.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: "forks",
    maxWorkers: 2,
    passWithNoTests: false
  }
})
