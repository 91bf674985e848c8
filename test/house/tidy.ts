/**
 * House law that no compiler and no linter holds, as rules over texts.
 *
 * `tree.ts` reads the tree and runs them.
 *
 * Invariants: a rule is a pure function of a file and the list of files; there is no list of forgiven places.
 */
import * as path from "node:path"
import * as Variables from "#src/kernel/Variables.ts"
import { variablesRead } from "./variablesRead.ts"

export interface TextFile {
  /** Relative to the root, with forward slashes. */
  readonly path: string
  readonly text: string
}

export interface Untidy {
  readonly rule: string
  readonly path: string
  readonly line: number
  readonly detail: string
}

type Check = (file: TextFile, house: House) => ReadonlyArray<Omit<Untidy, "rule" | "path">>

interface Rule {
  readonly name: string
  readonly covers: RegExp
  readonly check: Check
}

/** All that a rule may know beyond its file. */
export interface House {
  readonly texts: ReadonlyMap<string, string>
  /** Every path there is, folders included. */
  readonly paths: ReadonlySet<string>
}

/** The places where the rules and their known-bad examples are written down. */
const speaksOfRules = /^test\/(house\/|tidy\.test\.ts$)/

/** Where every variable is declared. */
const declaration = "src/kernel/Variables.ts"

const code = /\.(ts|mts|mjs|js)$/
const anyText = /./

/** Every hit of a pattern (with the flag g), with its line. */
const hits =
  (pattern: RegExp, detail: (hit: RegExpExecArray) => string): Check =>
  ({ text }) =>
    [...text.matchAll(pattern)].map((hit) => ({
      line: text.slice(0, hit.index).split("\n").length,
      detail: detail(hit)
    }))

/** The same check over the text without its comments, lines kept. */
const inCode =
  (check: Check): Check =>
  (file, house) => {
    const blank = (comment: string) => comment.replace(/[^\n]/g, " ")
    const text = file.text.replace(/^[ \t]*\/\*[\s\S]*?\*\//gm, blank).replace(/(?<=^|\s)\/\/.*$/gm, blank)
    return check({ path: file.path, text }, house)
  }

const lineLimits: ReadonlyArray<readonly [RegExp, number]> = [
  [/^src\/.*\.ts$/, 400],
  [/^layers\/.*\.ts$/, 500],
  [/^(test|bench|chaos|docs)\/.*\.ts$/, 400],
  [/^(deploy|bin)\/.*\.mjs$/, 400]
]

const size: Check = ({ path: file, text }) => {
  const lines = text.split("\n").length - 1
  const limit = lineLimits.find(([where]) => where.test(file))?.[1] ?? Number.POSITIVE_INFINITY
  return lines > limit ? [{ line: limit, detail: `${lines} lines, of ${limit} at most` }] : []
}

/** Names that say nothing about what a thing does. */
const emptyName = /^(utils?|helpers?|common|misc|shared)$|(\wLive|Impl|Manager|Utils?|Helpers?)$/

const fileName: Check = ({ path: file }) =>
  file
    .split("/")
    .map((part) => part.replace(/\..*$/, ""))
    .filter((part) => emptyName.test(part))
    .map((part) => ({ line: 1, detail: `"${part}" says nothing; name it by what it does` }))

const declaredName: Check = (file, house) =>
  hits(/\b(?:const|let|class|interface|type|function|enum|namespace)\s+(\w+)/g, (hit) => String(hit[1]))(
    file,
    house
  ).filter(({ detail }) => emptyName.test(detail))

/** Anchors of a page, as web hosts of repositories make them from headings. */
export const anchorsOf = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/^#{1,6} +(.+?) *#*$/gm)].map((hit) =>
    String(hit[1])
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replace(/\s/g, "-")
  )

const withoutCode = (text: string): string =>
  text
    .replace(/^(```|~~~)[\s\S]*?^\1/gm, (block) => block.replace(/[^\n]/g, " "))
    .replace(/`[^`\n]*`/g, (span) => " ".repeat(span.length))

const links: Check = (file, { paths, texts }) =>
  hits(/\]\(\s*<?([^)\s>]+)/g, (hit) => String(hit[1]))(
    { path: file.path, text: withoutCode(file.text) },
    { paths, texts }
  )
    .filter(({ detail }) => !/^[a-z][a-z+.-]*:/i.test(detail))
    .filter(({ detail }) => {
      const [target = "", anchor] = decodeURI(detail).split("#")
      const full = target === "" ? file.path : path.posix.join(path.posix.dirname(file.path), target)
      const there = texts.get(full)
      if (anchor !== undefined && there !== undefined && full.endsWith(".md")) return !anchorsOf(there).includes(anchor)
      return !paths.has(full.replace(/\/$/, ""))
    })
    .map(({ detail, line }) => ({ line, detail: `no such place: ${detail}` }))

const exactVersions: Check = ({ text }) => {
  const manifest = JSON.parse(text) as { readonly [group: string]: unknown }
  return ["dependencies", "devDependencies", "optionalDependencies"].flatMap((group) =>
    Object.entries((manifest[group] ?? {}) as { readonly [name: string]: string })
      .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
      .map(([name, version]) => ({ line: 1, detail: `${name} is not pinned: ${version}` }))
  )
}

const docblock: Check = ({ text }) =>
  /^(#!.*\n)?\/\*\*/.test(text) ? [] : [{ line: 1, detail: "a module begins with what it owns and what it does not" }]

const said = (hit: RegExpExecArray) => hit[0].trim()

const rules: ReadonlyArray<Rule> = [
  { name: "size", covers: code, check: size },
  { name: "file name", covers: anyText, check: fileName },
  { name: "declared name", covers: code, check: declaredName },
  { name: "docblock", covers: /^(src|layers)\/.*\.ts$|^(deploy|bin)\/.*\.mjs$/, check: docblock },
  { name: "work put off", covers: anyText, check: hits(/\b(FIXME|TODO|XXX|HACK)\b/g, said) },
  {
    name: "silencer",
    covers: code,
    check: hits(/@ts-(ignore|nocheck)|\b(eslint|biome)-(disable|ignore)[\w-]*/g, said)
  },
  { name: "any", covers: /^(src|layers)\/.*\.ts$/, check: inCode(hits(/\bas any\b|\w\??: any\b|<any>\(?\w/g, said)) },
  { name: "chosen test", covers: /\.test\.ts$/, check: hits(/\.(only|todo|skip)\s*\(/g, said) },
  {
    name: "sleep in a test",
    covers: /\.test\.ts$|^test\/(contract|laws)\//,
    check: hits(
      /\b(setTimeout|Effect\.sleep)\s*\(|["']node:timers\/promises["']/g,
      (hit) => `wait for a condition, not ${said(hit)}`
    )
  },
  {
    name: "title",
    covers: /\.test\.ts$|^test\/(contract|laws)\//,
    check: hits(
      /\b(?:it|test|describe)(?:\.\w+)*\(\s*(["'`])[^\n]*?\bshould\b[^\n]*?\1/gi,
      () => "a title is a promise in the present tense"
    )
  },
  { name: "link", covers: /\.md$/, check: links },
  {
    name: "machine",
    covers: anyText,
    check: hits(
      /(?<![\w.~-])\/(?:work|root\/\.\w+|home\/\w+|Users\/\w+)(?:\/[\w.-]+)+|[A-Z]:\\Users\\|\bregistry\.[a-z]+js\.org|https?:\/\/registry\.|"resolved": "http/g,
      (hit) => `of one machine: ${said(hit)}`
    )
  },
  { name: "exact version", covers: /(^|\/)package\.json$/, check: exactVersions },
  {
    name: "permit",
    covers: /^(src|layers)\/(?!kernel\/Permit\.ts|gateway\/ActionRunner\.ts).*\.ts$/,
    check: hits(
      /\bredeem\s*\(|\.redeem\b|\bimport\s*\(\s*["'`][^"'`]*Permit/g,
      (hit) => `only ActionRunner redeems: ${said(hit)}`
    )
  },
  {
    name: "world in src",
    covers: /^src\/.*\.ts$/,
    check: inCode(
      hits(
        /["']effect\/DateTime["']|\bclockWith\b|\bEffect\.run(Sync|Promise|Fork|Callback)\w*|\.constructor\s*\(/g,
        (hit) => `asks the world, or runs in it: ${said(hit)}`
      )
    )
  },
  {
    name: "require",
    covers: /^(src|layers)\/.*\.ts$/,
    check: inCode(hits(/\bcreateRequire\b/g, () => "walls are judged by what a file says it imports"))
  },
  {
    name: "undeclared variable",
    covers: /^(src|layers|bin)\/|^deploy\/launch/,
    check: inCode(({ text }) =>
      variablesRead(text)
        .filter(({ name }) => name === null || !Variables.isDeclared(name))
        .map(({ line, name, text }) => ({
          line,
          detail: name === null ? `hides which variable is read: ${text}` : `${name} is not in ${declaration}`
        }))
    )
  },
  {
    name: "room",
    covers: /^src\/[^/]+\.ts$/,
    check: () => [{ line: 1, detail: "a module stands in a room, in kernel or in ports" }]
  },
  {
    name: "dynamic import",
    covers: /^src\/.*\.ts$/,
    check: hits(/(?<![\w.])import\s*\((?!\.)/g, () => "walls are judged by what a file says it imports")
  }
]

export const ruleNames: ReadonlyArray<string> = rules.map((rule) => rule.name)

/** What is untidy in a file. */
export const judge = (file: TextFile, house: House): ReadonlyArray<Untidy> =>
  speaksOfRules.test(file.path)
    ? []
    : rules
        .filter((rule) => rule.covers.test(file.path))
        .flatMap((rule) => rule.check(file, house).map((one) => ({ rule: rule.name, path: file.path, ...one })))

export const houseOf = (files: ReadonlyArray<TextFile>): House => {
  const folders = files.flatMap(({ path: file }) => {
    const parts = file.split("/")
    return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("/"))
  })
  return {
    texts: new Map(files.map((file) => [file.path, file.text])),
    paths: new Set([".", ...folders, ...files.map((file) => file.path)])
  }
}

/** What is untidy in a whole house. */
export const untidy = (files: ReadonlyArray<TextFile>): ReadonlyArray<Untidy> => {
  const house = houseOf(files)
  return files.flatMap((file) => judge(file, house))
}
