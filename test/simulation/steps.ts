/**
 * What a simulated run is made of: people and agents, what they want, what hinders them, and when.
 *
 * A step names what it is about by who made it and under which key, never by what came back, and brings its own chance
 * for the interleaving of what follows it: any step may be left out, and those that stay mean and do what they did.
 */

/** Ann runs the service and owns sessions, as Bob does; Bob and Cyd may approve. Bot speaks in sessions, Rob runs a tool elsewhere. */
export type Who = "ann" | "bob" | "cyd" | "bot" | "rob"

/** Something by the one who made it and the key of the command that did. */
export interface Made {
  readonly by: Who
  readonly key: string
}

export interface Said extends Made {
  readonly process: number
}

export type Deed =
  | (Said & { readonly deed: "create"; readonly ttlMillis: number; readonly idleMillis: number })
  | (Said & { readonly deed: "touch" | "close" | "erase"; readonly session: Made })
  | (Said & {
      readonly deed: "propose"
      readonly session: Made
      readonly tool: string
      readonly word: string
      readonly millis: number
    })
  /** `word` takes the place of the proposed one, where there is one. */
  | (Said & { readonly deed: "approve"; readonly action: Made; readonly session: Made; readonly word: string | null })
  | (Said & {
      readonly deed: "deny" | "withdraw" | "claim" | "reconcile"
      readonly action: Made
      readonly session: Made
    })
  | (Said & { readonly deed: "renew" | "report"; readonly action: Made; readonly session: Made; readonly claim: Made })
  | (Said & {
      readonly deed: "turn"
      readonly session: Made
      readonly word: string
      readonly tools: ReadonlyArray<string>
    })
  | (Said & { readonly deed: "cancel"; readonly turn: Made; readonly session: Made })
  | (Said & { readonly deed: "declare" | "resume" })
  | (Said & { readonly deed: "halt"; readonly cancelRunning: boolean })
  /** Reads what was said in a session, as a door would show it. */
  | (Said & { readonly deed: "look"; readonly session: Made })

/** Strikes the next append of a process. */
export type Fault =
  | "lose the answer"
  | "lose the call"
  | "refuse"
  | "delay before"
  | "delay after"
  | "crash before"
  | "crash after"

export type Step = (
  | Deed
  | { readonly deed: "pass"; readonly millis: number }
  | { readonly deed: "fault"; readonly process: number; readonly fault: Fault; readonly millis: number }
  /** Answers the next reads of a process with "unavailable". */
  | { readonly deed: "blind"; readonly process: number; readonly reads: number }
  /** Lets the next reads of a process take so long. */
  | { readonly deed: "slow"; readonly process: number; readonly reads: number; readonly millis: number }
  | { readonly deed: "crash" | "start" | "stop"; readonly process: number }
) & {
  readonly number: number
  /** Tasks that run before the next step comes; null: all that can run. */
  readonly tasks: number | null
  /** Seeds the order of what runs from here. */
  readonly chance: number
}

export interface Plan {
  readonly seed: number
  readonly processes: number
  /** Each process has one place for turns and one for tools, and one may wait for each. */
  readonly isNarrow: boolean
  readonly steps: ReadonlyArray<Step>
}

/** Short lives, so that a minute of simulated time holds many of them. */
export const times = {
  ttlMillis: 12_000,
  idleMillis: 6_000,
  confirmationMillis: 4_000,
  leaseMillis: 2_500,
  turnMillis: 8_000
}

/** What is said in a session holds its mark, so that words can be told from everything else. */
export const mark = (session: Made): string => `~${session.by}.${session.key}~`
