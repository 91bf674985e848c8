/** Which packages a compiled module names: in its code, in its types, or as types that it refers to. */

const named = [
  // import … from "x", export … from "x", import "x"
  /(?:^|[;}])\s*(?:import|export)\b(?:[^;"'`]*?\bfrom)?\s*["']([^"']+)["']/gm,
  // import("x"), in code and in types; require("x") and what resolves like them
  /\b(?:import|require|(?:require|import\.meta)\.resolve)\s*\(\s*["'`]([^"'`]+)["'`]/g,
  // declare module "x", and the words of a comment that the compiler follows
  /^\s*declare module ["']([^"']+)["']/gm,
  /^\/\/\/ <reference types=["']([^"']+)["']/gm
]

/** @returns names of packages, each once: without Node's own modules, and without what is the package's own */
export const packagesNamedIn = (text: string): ReadonlyArray<string> => {
  const specifiers = named.flatMap((pattern) => [...text.matchAll(pattern)].map((hit) => String(hit[1])))
  const foreign = specifiers.filter((specifier) => !/^(?:\.|#|node:)/.test(specifier))
  const names = foreign.map((specifier) => /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier)
  return [...new Set(names)].sort()
}
