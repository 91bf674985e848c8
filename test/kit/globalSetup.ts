/** One PostgreSQL server for the whole run, started when a test first asks, stopped at the end even where tests fail. */
import type { TestProject } from "vitest/node"
import * as PostgresServer from "./PostgresServer.ts"

declare module "vitest" {
  interface ProvidedContext {
    readonly postgresFolder: string
  }
}

export default (project: TestProject) => {
  const folder = PostgresServer.makeRunFolder()
  project.provide("postgresFolder", folder)
  return () => PostgresServer.stop(folder)
}
