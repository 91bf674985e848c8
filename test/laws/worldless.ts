/**
 * The instruments of the laws: taking the world away from a function, and telling plain data from anything else.
 */

/** Runs `ask` while clocks and chance throw, and says who reached for them. */
export const unworldly = <A>(what: string, ask: () => A): A => {
  const taken = [
    [Math, "random"],
    [Date, "now"],
    [performance, "now"],
    [crypto, "randomUUID"],
    [crypto, "getRandomValues"]
  ] as const
  const restore = taken.map(([owner, name]) => {
    const before = Object.getOwnPropertyDescriptor(owner, name)
    const value = (): never => {
      throw new Error(`${what} reached for ${name}`)
    }
    Object.defineProperty(owner, name, { value, configurable: true, writable: true })
    return () => {
      if (before === undefined) Reflect.deleteProperty(owner, name)
      else Object.defineProperty(owner, name, before)
    }
  })
  const clock = globalThis.Date
  globalThis.Date = new Proxy(clock, {
    construct: (target, args: ReadonlyArray<unknown>) => {
      if (args.length === 0) throw new Error(`${what} reached for the clock`)
      return Reflect.construct(target, args) as Date
    },
    apply: () => {
      throw new Error(`${what} reached for the clock`)
    }
  })
  try {
    return ask()
  } catch (error) {
    throw new Error(`${what} threw: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  } finally {
    globalThis.Date = clock
    for (const undo of restore) undo()
  }
}

/** Freezes plain data in place, all the way down; a write then throws. */
export const deepFrozen = <A>(value: A): A => {
  if (value !== null && typeof value === "object" && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const member of Object.values(value)) deepFrozen(member)
  }
  return value
}

/** Says where a value is more than plain data: objects, arrays, text, numbers, booleans, null, undefined. */
export const plainProblem = (value: unknown, where = "state"): string | undefined => {
  if (value === null || value === undefined) return undefined
  if (typeof value !== "object") {
    return typeof value === "function" || typeof value === "symbol" ? `${where} is a ${typeof value}` : undefined
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) {
    return `${where} is a ${value.constructor.name}, not plain data`
  }
  for (const [key, member] of Object.entries(value)) {
    const problem = plainProblem(member, `${where}.${key}`)
    if (problem !== undefined) return problem
  }
  return undefined
}
