import { z } from 'zod'

/** How often something may happen: `perSecond` in the long run (0: no limit), `burst` at once (two seconds' worth). */
export function rate(perSecond: number) {
  return z.strictObject({
    perSecond: z.number().min(0).max(1_000_000).default(perSecond),
    burst: z.int().min(1).max(10_000_000).optional(),
  })
}

/**
 * What clients may do how often, on one node. The defaults are far above what people do, and below what keeps a node
 * busy: they stop a loop that has gone wild.
 */
export const ratesConfig = z
  .strictObject({
    /** Frames of one connection, also of control. Above it the connection is ended. */
    connectionFrames: rate(20_000).prefault({}),
    /** Commands of one connection; subscribing is reckoned apart, and may be done for all channels at once. */
    connectionCommands: rate(2_000).prefault({}),
    /** Publications, signals and appends of one connection. */
    connectionPublications: rate(1_000).prefault({}),
    /** The same of all connections of a user. */
    userCommands: rate(10_000).prefault({}),
    userPublications: rate(5_000).prefault({}),
    /** New connections of this node, and of one client address. Off: how much a node can take is its own affair. */
    newConnections: rate(0).prefault({}),
    newConnectionsPerAddress: rate(0).prefault({}),
  })
  .prefault({})

const defaultPublicationsPerSecond = 1_000

/** Publications, signals and appends of clients into one channel of a namespace, on one node. */
export const publicationRate = rate(defaultPublicationsPerSecond)
export const publicationRateDefault = { perSecond: defaultPublicationsPerSecond }
