// Before `npm test`: the browser for the tests that need one. Never fails: without it they are skipped and say so.
import { bringChromium } from '../test/support/chromium.ts'

bringChromium(line => console.log(`holdfast: ${line}`))
