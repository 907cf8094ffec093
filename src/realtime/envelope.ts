/**
 * A message between nodes: one header line of ASCII words, a newline, then ready-made protocol lines.
 *
 *     1 <node> all <count> <mark> <at> <traces>\n<lines>          to every subscriber of the channel
 *     1 <node> some <count> <whom> <at> <traces>\n<lines>         to some of them; whom is JSON, percent-encoded
 *     1 <node> numbered 1 <offset> <epoch> <mark> <traces>\n<line>
 *                                                       a publication with a place in the channel's history
 *     1 <node> skipped 1 <offset> <epoch>\n             a place that stays empty: something was published without one
 *     1 <node> control 1\n<json>                         to every node
 *
 * `<traces>` stands there where lines are traced: their `traceparent`s, with commas between them.
 *
 * The first word is the version, so two releases can share a Redis. What may change within a version, and how the
 * next one comes, is in docs/adr/0017-two-releases-side-by-side.md. The lines are never parsed by the receiver; they
 * go to its sockets as they are.
 */
import type { Position } from '../domain/index.ts'

/** Whom of a channel's subscribers a signal is for. */
export interface Whom {
  readonly client?: string
  readonly user?: string
  readonly exclude?: string
}

export type BusMessage =
  | {
      readonly kind: 'all'
      readonly count: number
      readonly mark: string | undefined
      readonly at: number
      readonly traces?: string | undefined
      readonly lines: Buffer
    }
  | {
      readonly kind: 'some'
      readonly count: number
      readonly whom: Whom
      readonly at: number
      readonly traces?: string | undefined
      readonly lines: Buffer
    }
  | {
      readonly kind: 'numbered'
      readonly place: Position
      readonly mark: string | undefined
      readonly traces?: string | undefined
      readonly line: Buffer
    }
  | { readonly kind: 'skipped'; readonly place: Position }
  | { readonly kind: 'control'; readonly from: string; readonly json: string }
  /** This node sent it and has delivered it already. */
  | { readonly kind: 'own' }
  /** Another version, or no message of Holdfast at all. */
  | { readonly kind: 'foreign' }

const version = '1'
/** No node's id, so that every node takes the message, the sending one included. */
const nobody = '-'
const own: BusMessage = { kind: 'own' }
const foreign: BusMessage = { kind: 'foreign' }

/** What stands between node and count; messages of one channel with the same one may travel together. */
export type Address = 'all' | 'control' | Whom

/** `at`: when the oldest of the lines was published, by Redis' clock; 0 where that is not known. */
export function encodeMessage(
  node: string,
  address: Address,
  count: number,
  at: number,
  lines: string,
  traces?: string,
): string {
  const last = lastWord(traces)
  if (address === 'all') return `${version} ${node} all ${count} - ${at}${last}\n${lines}`
  if (address === 'control') return `${version} ${node} control ${count}\n${lines}`
  return `${version} ${node} some ${count} ${encodeURIComponent(JSON.stringify(address))} ${at}${last}\n${lines}`
}

/** A line for everyone, the sending node included, under a mark. */
export function encodeMarked(mark: string, at: number, line: string, trace?: string): string {
  return `${version} ${nobody} all 1 ${mark} ${at}${lastWord(trace)}\n${line}`
}

/** Behind the last word that is always there. */
export function lastWord(traces: string | undefined): string {
  return traces === undefined ? '' : ` ${traces}`
}

/** What stands before the offset of a message that a script puts together, because it makes the offset. */
export function placedHead(node: string, kind: 'numbered' | 'skipped'): string {
  return `${version} ${node} ${kind} 1 `
}

export function decodeMessage(payload: Buffer, ownNode: string): BusMessage {
  const end = payload.indexOf(10)
  if (end < 0) return foreign
  const words = payload.toString('latin1', 0, end).split(' ')
  const [readVersion, from, kind, countWord] = words
  const count = Number(countWord)
  if (readVersion !== version || from === undefined || !Number.isSafeInteger(count) || count < 1)
    return foreign
  // These come from a script, in the channel's order: their own node takes them like all others.
  if (kind === 'numbered' || kind === 'skipped') {
    const offset = Number(words[4])
    const epoch = words[5]
    if (!Number.isSafeInteger(offset) || epoch === undefined) return foreign
    const place = { epoch, offset }
    if (kind === 'skipped') return { kind, place }
    return { kind, place, mark: words[6], traces: words[7], line: payload.subarray(end + 1) }
  }
  if (from === ownNode) return own
  const lines = payload.subarray(end + 1)
  if (kind === 'all')
    return { kind, count, mark: words[4], at: Number(words[5] ?? 0), traces: words[6], lines }
  if (kind === 'control') return { kind, from, json: lines.toString('utf8') }
  const whom = kind === 'some' ? decodeWhom(words[4]) : undefined
  return whom ? { kind: 'some', count, whom, at: Number(words[5] ?? 0), traces: words[6], lines } : foreign
}

const whomWords: ReadonlySet<string> = new Set(['client', 'user', 'exclude'] satisfies (keyof Whom)[])

/** A word that is not known may be a restriction: read past, it would deliver to more than were meant. */
function decodeWhom(word: string | undefined): Whom | undefined {
  try {
    const whom: unknown = JSON.parse(decodeURIComponent(word ?? ''))
    if (typeof whom !== 'object' || whom === null) return undefined
    return Object.keys(whom).every(key => whomWords.has(key)) ? whom : undefined
  } catch {
    return undefined
  }
}
