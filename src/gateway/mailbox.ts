import { Lane, Packet } from '../hub/index.ts'
import type { Flushable, FlushTurn } from './flush-turn.ts'
import type { Sink } from './sink.ts'

/** Whose packets these are: once it has ended, those still waiting are not sent any more. */
export interface PacketOwner {
  readonly ended: boolean
}

interface Waiting {
  readonly packet: Packet
  readonly owner: PacketOwner | undefined
}

export interface MailboxOptions {
  readonly sink: Sink
  readonly turn: FlushTurn
  /** Bytes of pushes (live ones, not replies or replay) that may wait before the session is cut. */
  readonly maxBytes: number
  /** The bound is passed: the receiver is too slow. Called once; the mailbox is closed already. */
  readonly onOverflow: () => void
  /** The kernel has caught up after it had lagged behind. */
  readonly onRoom: () => void
}

/** Replay handed to the socket at once; what is written can not be overtaken by a cursor any more. */
const replayChunkBytes = 262_144

/**
 * The bounded queue before one socket, in lanes: replies, live realtime, live durable, replay. It is written at
 * most once per turn of the event loop, everything that waits in one write, and not while the kernel still holds
 * an earlier one: so a reply or a cursor overtakes events that wait for a slow receiver.
 *
 * Bounds: live pushes by `maxBytes` (policy: disconnect slow), counted until the kernel has taken them; a single
 * packet is always admitted where nothing waits before it. Replay by its reader, through `replayRoom`. Replies
 * by the session, which takes no more commands while `replyBytes` is high.
 */
export class Mailbox implements Flushable {
  readonly #options: MailboxOptions
  #replies: string[] = []
  readonly #lanes: readonly [Waiting[], Waiting[], Waiting[], Waiting[]] = [[], [], [], []]
  #replyBytes = 0
  #pushBytes = 0
  /** What the last write carried of replies and pushes, while the kernel has not taken all of it. */
  #inKernelQueue = { replies: 0, pushes: 0 }
  #lagging = false
  #scheduled = false
  #closed = false
  #replayReaders: { readonly behind: number; readonly resolve: () => void }[] = []
  #replayAdded = 0
  #replayWritten = 0

  constructor(options: MailboxOptions) {
    this.#options = options
  }

  /** Bytes of replies that the kernel has not taken. */
  get replyBytes(): number {
    return this.#replyBytes + this.#inKernelQueue.replies
  }

  /** Bytes of live pushes that the kernel has not taken. */
  get pushBytes(): number {
    return this.#pushBytes + this.#inKernelQueue.pushes
  }

  /** A reply, ping or other line of the session itself; those of one turn leave as one packet. */
  reply(line: string): void {
    if (this.#closed) return
    this.#replies.push(line)
    this.#replyBytes += line.length
    this.#schedule()
  }

  push(lane: Lane, packet: Packet, owner?: PacketOwner): void {
    if (this.#closed) return
    this.#lanes[lane].push({ packet, owner })
    if (lane === Lane.replay) this.#replayAdded++
    else if (lane === Lane.reply) this.#replyBytes += packet.frame.length
    else {
      this.#pushBytes += packet.frame.length
      if (this.pushBytes > this.#options.maxBytes) this.#relieve(packet.frame.length)
    }
    this.#schedule()
  }

  /** @see Outlet.replayRoom */
  replayRoom(): Promise<void> {
    if (this.#closed || this.#replayWritten === this.#replayAdded) return Promise.resolve()
    return new Promise(resolve => this.#replayReaders.push({ behind: this.#replayAdded, resolve }))
  }

  flush(): void {
    this.#scheduled = false
    if (this.#closed || this.#lagging) return
    this.#write(replayChunkBytes)
    if (this.#lanes[Lane.replay].length > 0) this.#schedule()
  }

  /** Writes replies and live pushes whatever the kernel has taken, then takes no more. For an orderly end. */
  finish(): void {
    if (this.#closed) return
    this.#write(0)
    this.close()
  }

  /** Drops what waits and takes no more. */
  close(): void {
    this.#closed = true
    this.#replies = []
    for (const lane of this.#lanes) lane.length = 0
    const readers = this.#replayReaders
    this.#replayReaders = []
    for (const reader of readers) reader.resolve()
  }

  /** A burst within one turn is no sign of a slow receiver: the kernel may take it at once. */
  #relieve(newest: number): void {
    this.flush()
    if (this.#closed || this.pushBytes <= Math.max(this.#options.maxBytes, newest)) return
    this.close()
    this.#options.onOverflow()
  }

  #schedule(): void {
    if (this.#scheduled || this.#lagging || this.#closed) return
    this.#scheduled = true
    this.#options.turn.add(this)
  }

  #write(replayBytes: number): void {
    const packets: Packet[] = []
    if (this.#replies.length > 0) packets.push(Packet.of(this.#replies))
    this.#replies = []
    for (const lane of [Lane.reply, Lane.realtime, Lane.durable] as const) this.#empty(lane, packets)
    this.#takeReplay(replayBytes, packets)
    const { sink } = this.#options
    sink.write(packets)
    if (sink.untaken > 0) this.#lag()
    this.#replyBytes = 0
    this.#pushBytes = 0
    this.#tellReplayReaders()
  }

  #empty(lane: Lane, packets: Packet[]): void {
    const waiting = this.#lanes[lane]
    if (waiting.length === 0) return
    for (const { packet, owner } of waiting) if (!owner?.ended) packets.push(packet)
    waiting.length = 0
  }

  #takeReplay(most: number, packets: Packet[]): void {
    const waiting = this.#lanes[Lane.replay]
    let bytes = 0
    let taken = 0
    for (const { packet, owner } of waiting) {
      if (bytes >= most) break
      taken++
      if (owner?.ended) continue
      packets.push(packet)
      bytes += packet.frame.length
    }
    if (taken > 0) waiting.splice(0, taken)
    this.#replayWritten += taken
  }

  #lag(): void {
    this.#inKernelQueue.replies += this.#replyBytes
    this.#inKernelQueue.pushes += this.#pushBytes
    if (this.#lagging) return
    this.#lagging = true
    this.#options.sink.whenTaken(() => {
      this.#lagging = false
      this.#inKernelQueue = { replies: 0, pushes: 0 }
      if (this.#closed) return
      this.flush()
      this.#options.onRoom()
    })
  }

  #tellReplayReaders(): void {
    while (this.#replayReaders[0] && this.#replayReaders[0].behind <= this.#replayWritten) {
      this.#replayReaders.shift()?.resolve()
    }
  }
}
