/** The code of a system call that failed, as an error of the platform carries it: `ENOENT`, `EACCES`. */

/** Null where the cause carries none. */
export const of = (cause: unknown): string | null =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : null
