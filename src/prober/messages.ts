import { z } from 'zod'

/** What canaries say to each other. What does not look like this is somebody else's, or another release's, and let pass. */
const message = z.discriminatedUnion('kind', [
  /** A node asks everybody who listens to answer. */
  z.object({ kind: z.literal('probe'), node: z.string(), n: z.int() }),
  /** `from` has heard the probe `n` of `node`. */
  z.object({ kind: z.literal('echo'), node: z.string(), n: z.int(), from: z.string() }),
  /** `from` listens to `node` from now on, and will answer. */
  z.object({ kind: z.literal('hello'), node: z.string(), from: z.string() }),
  /** It does so no more. */
  z.object({ kind: z.literal('bye'), node: z.string(), from: z.string() }),
])

export type CanaryMessage = z.output<typeof message>

export function canaryMessage(data: unknown): CanaryMessage | undefined {
  return message.safeParse(data).data
}

/** A channel as its canaries hear it. */
export interface Heard {
  readonly channel: string
  /** Of durable channels. */
  readonly offset: number | undefined
  /** Of durable channels. */
  readonly id: string | undefined
  readonly data: unknown
}
