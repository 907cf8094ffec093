import { channelPattern } from '../domain/index.ts'
import type { Contract } from './types.ts'

/**
 * Says which channels there are and what they carry, once for server and clients:
 *
 * ```ts
 * export const contract = defineContract({
 *   'order:{id}': { PaymentCaptured: z.object({ amount: z.number() }) },
 *   'room:{room}': z.object({ typing: z.boolean() }),
 * })
 * ```
 *
 * @throws HoldfastError CONFIG_INVALID for a pattern with unnamed or repeated parameters
 */
export function defineContract<const C extends Contract>(contract: C): C {
  for (const pattern of Object.keys(contract)) channelPattern(pattern)
  return Object.freeze(contract)
}
