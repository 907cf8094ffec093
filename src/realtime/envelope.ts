/**
 * A message between nodes: one header line of ASCII words, a newline, then ready-made protocol lines.
 *
 *     1 <node> all <count>\n<lines>                      to every subscriber of the channel
 *     1 <node> some <count> <whom>\n<lines>              to some of them; whom is JSON, percent-encoded
 *     1 <node> numbered 1 <offset> <epoch>\n<line>       a publication with a place in the channel's history
 *     1 <node> control 1\n<json>                         to every node
 *
 * The first word is the version: a node ignores what it does not know, so two releases can share a Redis. The
 * lines are never parsed by the receiver; they go to its sockets as they are.
 */
import type { Position } from '../domain/index.ts'

/** Whom of a channel's subscribers a signal is for. */
export interface Whom {
  readonly client?: string
  readonly user?: string
  readonly exclude?: string
}

export type BusMessage =
  | { readonly kind: 'all'; readonly count: number; readonly lines: Buffer }
  | { readonly kind: 'some'; readonly count: number; readonly whom: Whom; readonly lines: Buffer }
  | { readonly kind: 'numbered'; readonly place: Position; readonly line: Buffer }
  | { readonly kind: 'control'; readonly from: string; readonly json: string }
  /** This node sent it and has delivered it already. */
  | { readonly kind: 'own' }
  /** Another version, or no message of Holdfast at all. */
  | { readonly kind: 'foreign' }

const version = '1'
const own: BusMessage = { kind: 'own' }
const foreign: BusMessage = { kind: 'foreign' }

/** What stands between node and count; messages of one channel with the same one may travel together. */
export type Address = 'all' | 'control' | Whom

export function encodeMessage(node: string, address: Address, count: number, lines: string): string {
  if (typeof address === 'string') return `${version} ${node} ${address} ${count}\n${lines}`
  return `${version} ${node} some ${count} ${encodeURIComponent(JSON.stringify(address))}\n${lines}`
}

/** What stands before the offset of a numbered message, which the script that numbers it puts together. */
export function numberedHead(node: string): string {
  return `${version} ${node} numbered 1 `
}

export function decodeMessage(payload: Buffer, ownNode: string): BusMessage {
  const end = payload.indexOf(10)
  if (end < 0) return foreign
  const words = payload.toString('latin1', 0, end).split(' ')
  const [readVersion, from, kind, countWord] = words
  const count = Number(countWord)
  if (readVersion !== version || from === undefined || !(count >= 1)) return foreign
  // A numbered message comes from a script, in the channel's order: its own node takes it like all others.
  if (kind === 'numbered') {
    const offset = Number(words[4])
    const epoch = words[5]
    if (!Number.isSafeInteger(offset) || epoch === undefined) return foreign
    return { kind, place: { epoch, offset }, line: payload.subarray(end + 1) }
  }
  if (from === ownNode) return own
  if (kind === 'all') return { kind, count, lines: payload.subarray(end + 1) }
  if (kind === 'control') return { kind, from, json: payload.toString('utf8', end + 1) }
  const whom = kind === 'some' ? decodeWhom(words[4]) : undefined
  return whom ? { kind: 'some', count, whom, lines: payload.subarray(end + 1) } : foreign
}

function decodeWhom(word: string | undefined): Whom | undefined {
  try {
    const whom: unknown = JSON.parse(decodeURIComponent(word ?? ''))
    return typeof whom === 'object' && whom !== null ? whom : undefined
  } catch {
    return undefined
  }
}
