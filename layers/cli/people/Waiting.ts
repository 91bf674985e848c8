/** What the service says that waits for people, page by page up to a bound, and whether everything is stopped. */
import * as Effect from "effect/Effect"
import type { ConfirmationStatus } from "#src/gateway/Protocol.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Page from "../Page.ts"
import type { Question } from "./Question.ts"
import type { Service } from "./Remote.ts"

export interface Found {
  /** Oldest first. */
  readonly items: ReadonlyArray<Question>
  /** There are older ones, too. */
  readonly more: boolean
}

/** Those that wait for whoever asks, or those that came to `status`. */
export const found = Effect.fnUntraced(function* ({ client }: Service, status?: ConfirmationStatus) {
  const items: Array<Question> = []
  let after: string | null = null
  do {
    const page: { readonly items: ReadonlyArray<Question>; readonly next: string | null } =
      yield* client.confirmations.list({
        query: {
          limit: Bounds.pageMax,
          ...(status === undefined ? {} : { status }),
          ...(after === null ? {} : { after })
        }
      })
    items.push(...page.items)
    after = page.next
  } while (after !== null && items.length < foundMax)
  return { items: items.toReversed(), more: after !== null } as Found
})

export interface Halt {
  readonly halted: boolean
  readonly by: { readonly id: string } | null
  readonly since: string | null
  readonly reason: unknown
}

/** Who stopped everything, and why; null where nobody did. */
export const stoppedBy = ({ by, halted, reason }: Halt): string | null => {
  if (!halted) return null
  const why = typeof reason === "string" ? Page.oneLine(reason) : "the words were forgotten"
  return `Everything is stopped by ${by?.id ?? "somebody"}: ${why}`
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Questions that one look takes. */
const foundMax = 1_000
