/** Where and when figures were taken: without it they say nothing. */
import { cpus, totalmem } from "node:os"

export interface Machine {
  readonly machine: string
  readonly node: string
  readonly at: string
}

export const machine = (): Machine => ({
  machine: `${cpus().length} x ${cpus()[0]?.model ?? "unknown"}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
  node: process.version,
  at: new Date().toISOString().slice(0, 10)
})

export const about = ({ at, machine: of, node }: Machine): string => `${of}; Node ${node}; ${at}`
