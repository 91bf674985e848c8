/**
 * SHA-256 and the ids derived from it: synchronous, because rules and the append path wait for neither.
 */
import * as Context from "effect/Context"
import type { Hash, IdPrefix } from "../kernel/Ids.ts"

export class Digest extends Context.Service<
  Digest,
  {
    /** SHA-256 (FIPS 180-4) of the text's UTF-8 bytes. */
    readonly sha256: (text: string) => Hash
    /** SHA-256 of the bytes that hex digits name, two for a byte. */
    readonly sha256OfHex: (hex: string) => Hash
    /** `<prefix>_` and the first 130 bits of SHA-256 over the length-framed parts, in base 32. Same parts, same id, for ever. */
    readonly derive: (prefix: IdPrefix, ...parts: ReadonlyArray<string>) => string
  }
>()("keelson/ports/Digest") {}
