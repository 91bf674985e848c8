/** Of a thousand rivals at once, each pair has one winner, and nothing runs twice. */
import { rivals } from "./rivals-kit.ts"

rivals(1_000)
