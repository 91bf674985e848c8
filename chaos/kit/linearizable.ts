/**
 * Whether what clients saw of one object could have happened one step at a time.
 *
 * Each operation took effect at some moment between its call and its return: is there an order of such moments that a
 * plain sequential object explains? Wing and Gong's search (Testing and Verifying Concurrent Objects, 1993), with Lowe's
 * memory of states already tried (Testing for linearizability, 2017). Objects are judged one by one: a history is
 * linearizable where each object's is (Herlihy and Wing, 1990, locality).
 */

/** One operation as its client saw it: called at `from`, answered at `to`, by one clock. */
export interface Operation<In, Out> {
  readonly from: number
  readonly to: number
  readonly input: In
  readonly output: Out
}

/** A plain object: the state after an operation, or null where this state can't give that answer. */
export interface Model<State extends string, In, Out> {
  readonly initial: State
  readonly step: (state: State, input: In, output: Out) => State | null
}

/** The longest history that is judged: the search is exponential in what overlaps. */
export const operationsMax = 200

/** An order that explains the history, or null where there is none. */
export const explain = <State extends string, In, Out>(
  model: Model<State, In, Out>,
  history: ReadonlyArray<Operation<In, Out>>
): ReadonlyArray<Operation<In, Out>> | null => {
  if (history.length > operationsMax)
    throw new Error(`a history of ${history.length} operations; ${operationsMax} at most`)
  const operations = history.toSorted((one, other) => one.from - other.from)
  const tried = new Set<string>()
  const order: Array<Operation<In, Out>> = []

  const search = (left: ReadonlyArray<number>, state: State): boolean => {
    if (left.length === 0) return true
    const seen = `${state}|${left.join(",")}`
    if (tried.has(seen)) return false
    tried.add(seen)
    // Nothing comes before what had returned when it was called.
    const firstReturn = Math.min(...left.map((index) => operations[index]!.to))
    for (const index of left) {
      const operation = operations[index]!
      if (operation.from > firstReturn) break
      const next = model.step(state, operation.input, operation.output)
      if (next === null) continue
      order.push(operation)
      if (
        search(
          left.filter((other) => other !== index),
          next
        )
      )
        return true
      order.pop()
    }
    return false
  }

  return search([...operations.keys()], model.initial) ? order : null
}
