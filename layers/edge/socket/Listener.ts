/**
 * A connection as the others know it: whose it is, and whether it may be told anything now.
 *
 * Invariant: once held, it is let go only by a look that began after the last doubt; so once a key is revoked, nothing
 * that came after that is told. (Whose session it is and whose agent speaks there never change: that is judged once.)
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { PrincipalId } from "#src/kernel/Ids.ts"
import type { Principal } from "#src/ports/Identity.ts"
import type { Member } from "./Registry.ts"

export interface Listener extends Member {
  /** Tells no more of any session until it was looked whether that may be, and has it looked. */
  readonly hold: () => void
  /** Completes while nothing speaks against the principal. */
  readonly trusted: Effect.Effect<void>
  readonly isTrusted: () => boolean
}

/** A class, since there is one for each of thousands that lie idle. */
export class Held implements Listener {
  readonly id: string
  readonly principalId: PrincipalId
  /** A key can be revoked: such a one is held until it was looked at for the first time, and another never is. */
  readonly #revocable: boolean
  #open: boolean
  #doubts = 0
  #looking = false
  #look: (() => void) | undefined
  /** Where somebody waits. */
  #waiting: Latch.Latch | undefined

  constructor(id: string, by: Principal) {
    this.id = id
    this.principalId = by.actor.id
    this.#revocable = by.keyId !== undefined
    this.#open = !this.#revocable
  }

  /** Says who looks: at once where it is held, and at a doubt while nobody does. */
  attend(look: () => void): void {
    this.#look = look
    this.#haveLooked()
  }

  hold(): void {
    if (!this.#revocable) return
    this.#doubts += 1
    this.#open = false
    this.#haveLooked()
  }

  #haveLooked(): void {
    if (this.#open || this.#looking || this.#look === undefined) return
    this.#looking = true
    this.#look()
  }

  /** How often there was a reason to doubt. */
  get doubts(): number {
    return this.#doubts
  }

  /** Lets go, and says so, unless there was another doubt since that many: whoever looks then looks again. */
  trust(since: number): boolean {
    if (this.#doubts !== since) return false
    this.#looking = false
    this.#open = true
    this.#waiting?.openUnsafe()
    this.#waiting = undefined
    return true
  }

  isTrusted(): boolean {
    return this.#open
  }

  get trusted(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#open) return Effect.void
      this.#waiting ??= Latch.makeUnsafe(false)
      return this.#waiting.await
    })
  }
}
