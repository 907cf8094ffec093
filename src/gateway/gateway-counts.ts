import { disconnects } from '../protocol/index.ts'
import { LimitCounts } from './limit-counts.ts'

/**
 * Who ended a connection where it was not Holdfast with a code of its own: the client or the network (`peer`), a frame
 * that is too large or breaks the WebSocket protocol (`frame`), the application's code by one of its own
 * (`application`).
 */
export const otherEnds = ['peer', 'frame', 'application'] as const
export type OtherEnd = (typeof otherEnds)[number]

const ownCodes: ReadonlySet<number> = new Set(Object.values(disconnects).map(({ code }) => code))

/** What has happened to the connections of this node since its start. */
export class GatewayCounts {
  readonly limited = new LimitCounts()
  /** Connect commands that have succeeded. */
  connects = 0
  /** Sessions that were cut because their mailbox was over its bound. */
  slowConsumers = 0
  readonly #ended = new Map<string, number>()

  /** By code of the protocol, or by `OtherEnd`: a closed set, whatever codes an application makes up. */
  get ended(): ReadonlyMap<string, number> {
    return this.#ended
  }

  end(by: number | OtherEnd): void {
    const name = typeof by === 'string' ? by : ownCodes.has(by) ? String(by) : 'application'
    this.#ended.set(name, (this.#ended.get(name) ?? 0) + 1)
  }
}
