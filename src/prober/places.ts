import { createHash } from 'node:crypto'
import { canaryNamespaces, type Tier } from '../domain/index.ts'

/**
 * So many channels of each tier, however many nodes come and go: of a channel that was ever cut by retention a row stays
 * for ever. Nodes that share one know each other's messages by the node's id in them.
 */
const slots = 256

/** Where a node's canary publishes or appends. */
export function canaryChannel(tier: Tier, node: string): string {
  const slot = createHash('sha1').update(node).digest().readUInt32BE(0) % slots
  return `${canaryNamespaces[tier]}:${slot}`
}

/** The canaries of so many others a node listens to, so that N nodes cost N and not N². */
const mostHeard = 2

/** Whom a node listens to: the next ones in the ring of all nodes, so that each of them is heard by somebody. */
export function heardBy(node: string, others: Iterable<string>): string[] {
  const ring = [...new Set(others)].filter(each => each !== node).sort()
  const after = ring.filter(each => each > node)
  return [...after, ...ring].slice(0, Math.min(mostHeard, ring.length))
}
