/** The short form of `rivals.slow.test.ts`. */
import { rivals } from "./rivals-kit.ts"

rivals(100)
