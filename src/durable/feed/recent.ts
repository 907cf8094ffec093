import { Packet } from '../../hub/index.ts'
import { above, lastOf, type Run } from './run.ts'

/** As much as may go to one session at once without making it a slow consumer. */
const maxRuns = 1_024
const maxBytes = 262_144

/**
 * A channel's latest runs, kept only while a session is catching up: the last step from its place to the channel's
 * position must happen in one turn, and a read takes several. Older runs make way for newer.
 */
export class Recent {
  #runs: Run[] = []
  #bytes = 0

  keep(run: Run): void {
    this.#runs.push(run)
    this.#bytes += run.text.length
    while (this.#runs.length > maxRuns || this.#bytes > maxBytes) {
      this.#bytes -= (this.#runs.shift() as Run).text.length
    }
  }

  clear(): void {
    this.#runs = []
    this.#bytes = 0
  }

  /** Everything after `offset` in one packet; undefined where some of it is no longer here. */
  after(offset: number): Packet | undefined {
    let i = this.#runs.length - 1
    while (i >= 0 && (this.#runs[i] as Run).first > offset + 1) i--
    if (i < 0) return undefined
    const parts = this.#runs.slice(i).flatMap(run => above(run, offset) ?? [])
    const last = parts.at(-1)
    return (
      last &&
      Packet.of(
        parts.map(run => run.text),
        lastOf(last) - offset,
      )
    )
  }
}
