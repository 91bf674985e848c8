/**
 * What others build on: routes, event types and their payloads, SQL tables.
 *
 * Owns the number. `test/golden/contract` holds a copy of the contract for each; a change without a new number fails.
 */

/** Counts the contracts from 1. The service tells it at `/health`. */
export const CONTRACT_VERSION = 1
