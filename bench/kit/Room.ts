/**
 * Whether commands over WebSocket meet their goals, and what a goal leaves for the service: the processors' time for a command,
 * without what database and clients take of it now.
 *
 * All three share the processors, and what decides has one thread. A goal that leaves less than that needs can't be met,
 * however well the work is spread, unless database and clients come to need less for a command.
 */

export interface Goal {
  /** Least share of the floor. */
  readonly ofFloor: number
  /** What the slowest of a hundred stays below. */
  readonly p99Millis: number
}

/** By commands outstanding. */
export const goals: ReadonlyMap<number, Goal> = new Map([
  [20, { ofFloor: 0.5, p99Millis: Infinity }],
  [200, { ofFloor: 1, p99Millis: 25 }]
])

/** Null where so many outstanding have no goal. */
export const isMet = (outstanding: number, ofFloor: number, p99Millis: number): boolean | null => {
  const goal = goals.get(outstanding)
  return goal === undefined ? null : ofFloor >= goal.ofFloor && p99Millis < goal.p99Millis
}

export interface Given {
  /** The floor of the same run. */
  readonly floorPerSecond: number
  /** As a share of the floor. */
  readonly ofFloor: number
  readonly processors: number
  /** Microseconds of processor time that a command takes from others. */
  readonly databaseMicros: number
  readonly clientMicros: number
}

/** Microseconds for a command; negative where database and clients alone need more than there is. */
export const leftMicros = ({ clientMicros, databaseMicros, floorPerSecond, ofFloor, processors }: Given): number => {
  const threadMicros = 1e6 / (ofFloor * floorPerSecond)
  return Math.min(threadMicros, processors * threadMicros - databaseMicros - clientMicros)
}
