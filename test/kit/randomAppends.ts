/**
 * Hand-overs made by lot over few names, so that they often collide: stale heads, repeated keys, guards that fail.
 *
 * The generator knows only what outcomes told it, as actors do. Same seed and same outcomes, same appends.
 */
import {
  type Append,
  absent,
  add,
  atMost,
  drop,
  type Guard,
  type Outcome,
  present,
  put,
  type RowChange
} from "#src/kernel/Append.ts"
import { type Head, on, start, subject, wrappedKey } from "./appends.ts"

export interface Lots {
  /** A whole number from 0 to below `below`. */
  readonly pick: (below: number) => number
}

/** mulberry32, a small public-domain generator: enough for tests, and the same everywhere. */
export const lots = (seed: number): Lots => {
  let state = seed >>> 0
  return {
    pick: (below) => {
      state = (state + 0x6d2b79f5) >>> 0
      let mixed = Math.imul(state ^ (state >>> 15), state | 1)
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
      return ((mixed ^ (mixed >>> 14)) >>> 0) % below
    }
  }
}

export interface Names {
  readonly streams: ReadonlyArray<string>
  readonly kind: string
  readonly keys: ReadonlyArray<string>
  readonly counters: ReadonlyArray<string>
  readonly subjects: ReadonlyArray<string>
}

/** Names that nobody else uses. */
export const names = (prefix: string): Names => ({
  streams: ["a", "b", "c"].map((name) => `${prefix}:${name}`),
  kind: prefix,
  keys: ["x", "y"],
  counters: ["m", "n"].map((name) => `${prefix}.${name}`),
  subjects: ["s", "t"].map((name) => `${prefix}:${name}`)
})

export class Generator {
  private readonly heads = new Map<string, Head>()
  private readonly words: Names
  private readonly lots: Lots
  private count = 0

  constructor(words: Names, seed: number) {
    this.words = words
    this.lots = lots(seed)
  }

  /** The next hand-over: one to six appends, mostly on the tentative heads that their predecessors leave. */
  next(): ReadonlyArray<Append> {
    const tentative = new Map(this.heads)
    return Array.from({ length: 1 + this.lots.pick(6) }, () => {
      const stream = this.one(this.words.streams)
      const head = this.chance(8) ? start(stream) : (tentative.get(stream) ?? start(stream))
      const made = on(head, this.what(stream))
      tentative.set(stream, made.next)
      return made.append
    })
  }

  /** Learns the heads that were committed; a conflict is forgotten until the next commit tells more. */
  learn(appends: ReadonlyArray<Append>, outcomes: ReadonlyArray<Outcome>): void {
    for (const [index, outcome] of outcomes.entries()) {
      const last = outcome._tag === "Committed" ? outcome.events.at(-1) : undefined
      const { stream } = appends[index]!
      if (last !== undefined) this.heads.set(stream, { stream, version: last.envelope.version, hash: last.hash })
    }
  }

  private what(stream: string) {
    this.count += 1
    const refusal = this.chance(8)
    const events = refusal ? 0 : 1 + this.lots.pick(3)
    return {
      key: this.chance(6) ? `${stream}/again` : `${stream}/${this.count}`,
      receipt: !this.chance(5),
      events,
      rows: refusal ? [] : this.many(3, () => this.change()),
      guards: this.many(2, () => this.guard()),
      keys: this.chance(6) ? [wrappedKey(this.one(this.words.subjects), `key${this.count}`)] : [],
      shred: this.chance(12) ? [subject(this.one(this.words.subjects))] : []
    }
  }

  private change(): RowChange {
    const key = this.one(this.words.keys)
    switch (this.lots.pick(4)) {
      case 0:
        return drop(this.words.kind, key)
      case 1:
        return put(this.words.kind, key, { count: this.count })
      default:
        return add(this.one(this.words.counters), this.lots.pick(5) - 1)
    }
  }

  private guard(): Guard {
    switch (this.lots.pick(4)) {
      case 0:
        return present(this.words.kind, this.one(this.words.keys))
      case 1:
        return absent(this.words.kind, this.one(this.words.keys))
      default:
        return atMost(this.one(this.words.counters), 3 + this.lots.pick(30))
    }
  }

  private many<A>(most: number, make: () => A): ReadonlyArray<A> {
    return Array.from({ length: this.lots.pick(most + 1) }, make)
  }

  private one<A>(of: ReadonlyArray<A>): A {
    return of[this.lots.pick(of.length)]!
  }

  private chance(oneIn: number): boolean {
    return this.lots.pick(oneIn) === 0
  }
}
