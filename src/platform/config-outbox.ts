import { z } from 'zod'

/** How the outbox is relayed into the ledger. */
export const outboxConfig = z.strictObject({
  /** Whether workers relay it at all. */
  relay: z.boolean().default(true),
  /**
   * How long events of a namespace that a node does not declare are left to others, which may know it, before they are
   * refused.
   */
  undeclaredSeconds: z.int().min(0).default(600),
  /** How long an empty outbox is left alone, at most; after work it is looked at again after 20 ms. */
  idleMs: z.int().min(20).max(60_000).default(200),
})
