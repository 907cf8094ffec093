import { z } from 'zod'
import { isStorable } from '../domain/index.ts'

/** Text that becomes part of a statement: what Postgres cannot keep, it refuses as a whole. */
export function plainText(least: number, most: number) {
  const expected = 'expected whole characters, and none that is U+0000'
  return z.string().min(least).max(most).refine(isStorable, expected)
}

const text = plainText(1, 500)
const seconds = z.number().min(0).max(10_000_000_000)

/** Which parked deliveries, as a page asks for them. */
export const parkedFilter = z.strictObject({
  consumer: text.optional(),
  channel: text.optional(),
  namespace: text.optional(),
  type: text.optional(),
  reason: text.optional(),
  olderThanSeconds: seconds.optional(),
  newerThanSeconds: seconds.optional(),
})

/** By id, or all that match. */
export const selection = z.union([
  z.strictObject({ ids: z.array(z.int().min(1)).min(1).max(10_000) }),
  z.strictObject({ filter: parkedFilter }),
])
