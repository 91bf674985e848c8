/**
 * One page of a list: newest first, what the caller may see of it, bounded in items, in rows looked at and in text.
 *
 * Where not every row is for the caller's eyes a page may come short or empty and still have a next one.
 */
import * as Effect from "effect/Effect"
import type * as Questions from "#src/gateway/Questions.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Cursor from "../Cursor.ts"
import * as Problems from "../Problems.ts"

export interface Request {
  readonly after?: string | undefined
  readonly limit?: number | undefined
}

export interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly next: string | null
}

export interface List<Row, A, E> {
  /** What the list's keys look like, which its cursors carry. */
  readonly keys: RegExp
  readonly read: (request: Questions.PageRequest) => Effect.Effect<Questions.Page<Row>, E>
  readonly positionOf: (row: Row) => Cursor.Position
  readonly visible: (row: Row) => boolean
  /** Whether `visible` may refuse many: then more rows are read at once. */
  readonly sparse: boolean
  readonly show: (row: Row) => Effect.Effect<A, E>
}

export const page = Effect.fnUntraced(function* <Row, A, E>(
  list: List<Row, A, E>,
  request: Request
): Effect.fn.Return<Page<A>, E | Problems.Problem> {
  const limit = request.limit ?? Bounds.pageDefault
  const from = request.after === undefined ? undefined : Cursor.decode(list.keys, request.after)
  if (from === null) return yield* Problems.make("InvalidCursor")
  let after: Cursor.Position | undefined = from
  const items: Array<A> = []
  let text = 0
  let looked = 0
  for (;;) {
    const { items: rows, next }: Questions.Page<Row> = yield* list.read({
      after,
      limit: list.sparse ? Bounds.pageMax : limit
    })
    for (const row of rows) {
      if (items.length === limit) return { items, next: Cursor.encode(after!) }
      if (list.visible(row)) {
        const item = yield* list.show(row)
        text += JSON.stringify(item).length
        if (text > Bounds.pageTextMax && items.length > 0) return { items, next: Cursor.encode(after!) }
        items.push(item)
      }
      after = list.positionOf(row)
      looked += 1
    }
    if (next === null) return { items, next: null }
    if (items.length === limit || looked >= Bounds.pageScanMax) return { items, next: Cursor.encode(next) }
    after = next
  }
})
