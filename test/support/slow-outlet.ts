import { Lane, type Outlet, type Packet, Turn } from '../../src/hub/index.ts'

/**
 * A session that keeps what reaches its socket. Like a mailbox it writes the durable lane first and replay last,
 * one replay packet at a time, and only when it is told to, or at once where `pace` is left out.
 */
export class SlowOutlet implements Outlet {
  readonly client: string
  readonly user = ''
  readonly turn = new Turn()
  closed = false
  /** Lines in the order in which they reached the socket. */
  readonly lines: string[] = []
  readonly ended: { channel: string; code: number }[] = []
  /** What each lane was given, in bytes. */
  readonly bytes: Record<number, number> = {}
  readonly #lanes: Record<number, Packet[]> = { [Lane.durable]: [], [Lane.replay]: [] }
  readonly #slow: boolean
  #waiting: { behind: number; resolve: () => void }[] = []
  #added = 0
  #written = 0

  constructor(client: string, options: { slow?: boolean } = {}) {
    this.client = client
    this.#slow = options.slow ?? false
  }

  get offsets(): number[] {
    return this.lines.map(line => (JSON.parse(line) as { push: { pub: { offset: number } } }).push.pub.offset)
  }

  push(lane: Lane, packet: Packet): void {
    if (this.closed) return
    if (lane === Lane.replay) this.#added++
    this.bytes[lane] = (this.bytes[lane] ?? 0) + packet.payload.length
    this.#lanes[lane]?.push(packet)
    if (!this.#slow) this.write(Number.POSITIVE_INFINITY)
  }

  replayRoom(): Promise<void> {
    if (this.closed || this.#written === this.#added) return Promise.resolve()
    return new Promise(resolve => this.#waiting.push({ behind: this.#added, resolve }))
  }

  endSubscription(channel: string, code: number): void {
    this.ended.push({ channel, code })
  }

  /** Writes all live packets, then some of replay. */
  write(replayPackets: number): void {
    for (const packet of this.#lanes[Lane.durable]?.splice(0) ?? []) this.#put(packet)
    const replay = this.#lanes[Lane.replay] ?? []
    for (const packet of replay.splice(0, Math.min(replayPackets, replay.length))) {
      this.#put(packet)
      this.#written++
    }
    const open = this.#waiting.filter(each => each.behind <= this.#written)
    this.#waiting = this.#waiting.filter(each => each.behind > this.#written)
    for (const { resolve } of open) resolve()
  }

  close(): void {
    this.closed = true
    for (const { resolve } of this.#waiting.splice(0)) resolve()
  }

  #put(packet: Packet): void {
    const lines = packet.payload.toString().split('\n')
    if (lines.length !== packet.messages)
      throw new Error(`${lines.length} lines in a packet of ${packet.messages}`)
    this.lines.push(...lines)
  }
}
