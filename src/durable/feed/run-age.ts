import type { Run } from './run.ts'

/** A line ends in its publication's last field: `"time":1732330000000}}}`. */
const behindTime = '}}}'.length
const timeDigits = 13

/** How many seconds ago the last event of a run was recorded, by the ledger's clock; NaN where that is not known (`now` is 0). */
export function ageOf({ text }: Run, now: number): number {
  if (now === 0) return Number.NaN
  const end = text.length - behindTime
  const digits =
    typeof text === 'string'
      ? text.slice(end - timeDigits, end)
      : text.toString('latin1', end - timeDigits, end)
  return /^\d+$/.test(digits) ? (now - Number(digits)) / 1_000 : Number.NaN
}
