/**
 * What was looked up once and never changes: the last so many, the first of which are forgotten first.
 *
 * No cache that asks (`effect/Cache`): it holds what its owner notes, and takes no step of a fiber.
 */
export interface Remembered<K, V> {
  readonly get: (key: K) => V | undefined
  readonly note: (key: K, value: V) => void
}

export const make = <K, V>(maximum: number): Remembered<K, V> => {
  const held = new Map<K, V>()
  const note = (key: K, value: V): void => {
    if (held.size >= maximum && !held.has(key)) {
      const [first] = held.keys()
      if (first !== undefined) held.delete(first)
    }
    held.set(key, value)
  }
  return { get: (key) => held.get(key), note }
}
