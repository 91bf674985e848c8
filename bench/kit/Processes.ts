/** What processes took of the machine, as Linux counts it. */
import { readdirSync, readFileSync } from "node:fs"

/** Linux counts in hundredths of a second. */
const tickMicros = 10_000

interface Stat {
  readonly parent: number
  readonly micros: number
}

const stat = (pid: number): Stat | null => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8")
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
    return { parent: Number(fields[1]), micros: (Number(fields[11]) + Number(fields[12])) * tickMicros }
  } catch {
    // It has ended.
    return null
  }
}

export const parent = (pid: number): number => {
  const found = stat(pid)
  if (found === null) throw new Error(`there is no process ${pid}`)
  return found.parent
}

/** Processor time of one process so far, in microseconds. */
export const micros = (pid: number): number => stat(pid)?.micros ?? 0

/** Processor time so far, in microseconds: of the service, of a database with its children, and of this process. */
export const times = (service: number, postmaster: number) => {
  let database = stat(postmaster)?.micros ?? 0
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    const found = stat(Number(name))
    if (found?.parent === postmaster) database += found.micros
  }
  const { system, user } = process.cpuUsage()
  return { service: stat(service)?.micros ?? 0, database, client: user + system }
}

export type Times = ReturnType<typeof times>

/** Microseconds of processor time per operation. */
export interface Spent {
  readonly serviceMicros: number
  readonly databaseMicros: number
  readonly clientMicros: number
}

export const spent = (before: Times, after: Times, operations: number): Spent => ({
  serviceMicros: (after.service - before.service) / operations,
  databaseMicros: (after.database - before.database) / operations,
  clientMicros: (after.client - before.client) / operations
})

/** The most memory that a process ever held, in MiB. */
export const peakMiB = (pid: number): number => {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
  return Number(kib) / 1024
}
