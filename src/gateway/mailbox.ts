import { type Flushable, Lane, maxJoinedCharacters, Packet, type Turn } from '../hub/index.ts'
import { type PacketOwner, PacketQueue } from './packet-queue.ts'
import type { Sink } from './sink.ts'

export interface MailboxOptions {
  readonly sink: Sink
  readonly turn: Turn
  /** Bytes of pushes (live ones, not replies or replay) that may wait before the session is cut. */
  readonly maxBytes: number
  /** The bound is passed: the receiver is too slow. Called once; the mailbox is closed already. */
  readonly onOverflow: () => void
  /** The kernel has caught up after it had lagged behind, or has taken more than `maxBytes` of replies. */
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
  readonly turn: Turn
  readonly #sink: Sink
  readonly #options: MailboxOptions
  readonly #maxBytes: number
  /**
   * A live push while nothing else waits: nearly always so, and then a delivery makes nothing and looks at nothing but
   * this object. With hundreds of sockets per message each object more is a miss of the processor's cache.
   */
  #alone: Packet | undefined
  #aloneOwner: PacketOwner | undefined
  #aloneLane: Lane = Lane.realtime
  /** Whether anything waits in the lanes below; a lone push goes there before something else does. */
  #inLanes = false
  #replies: string[] = []
  readonly #realtime = new PacketQueue()
  readonly #durable = new PacketQueue()
  readonly #replay = new PacketQueue()
  #replyBytes = 0
  #pushBytes = 0
  /** What earlier writes carried of replies and pushes, while the kernel has not taken all of it. */
  #laggingReplyBytes = 0
  #laggingPushBytes = 0
  #lagging = false
  #scheduled = false
  #closed = false
  #replayReaders: { readonly behind: number; readonly resolve: () => void }[] | undefined
  #replayAdded = 0
  #replayWritten = 0

  constructor(options: MailboxOptions) {
    this.#options = options
    this.#maxBytes = options.maxBytes
    this.#sink = options.sink
    this.turn = options.turn
  }

  /** Bytes of replies that the kernel has not taken. */
  get replyBytes(): number {
    return this.#replyBytes + this.#laggingReplyBytes
  }

  /** Bytes of live pushes that the kernel has not taken. */
  get pushBytes(): number {
    return this.#pushBytes + this.#laggingPushBytes
  }

  /** A reply, ping or other line of the session itself; those of one turn leave as one packet. */
  reply(line: string): void {
    if (this.#closed) return
    this.#useLanes()
    this.#replies.push(line)
    this.#replyBytes += line.length
    this.#schedule()
  }

  /** Packets put into the reply lane count and go as realtime ones: replies are lines, given to `reply`. */
  push(lane: Lane, packet: Packet, owner?: PacketOwner): void {
    if (this.#closed) return
    if (lane === Lane.replay) {
      this.#useLanes()
      this.#replay.push(packet, owner)
      this.#replayAdded++
    } else {
      this.#pushBytes += packet.frame.length
      if (this.#alone === undefined && !this.#inLanes) {
        this.#alone = packet
        this.#aloneOwner = owner
        this.#aloneLane = lane
      } else {
        this.#useLanes()
        this.#laneOf(lane).push(packet, owner)
      }
      if (this.pushBytes > this.#maxBytes) this.#relieve(packet.frame.length)
    }
    this.#schedule()
  }

  /** @see Outlet.replayRoom */
  replayRoom(): Promise<void> {
    if (this.#closed || this.#replay.isEmpty) return Promise.resolve()
    return new Promise(resolve => {
      this.#replayReaders ??= []
      this.#replayReaders.push({ behind: this.#replayAdded, resolve })
    })
  }

  flush(): void {
    this.#scheduled = false
    if (this.#closed || this.#lagging) return
    const crowded = this.#replyBytes > this.#maxBytes
    this.#write(replayChunkBytes)
    if (this.#inLanes) this.#schedule()
    if (crowded && !this.#lagging) this.#options.onRoom()
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
    this.#alone = undefined
    this.#aloneOwner = undefined
    this.#replies = []
    this.#replyBytes = 0
    this.#pushBytes = 0
    for (const queue of [this.#realtime, this.#durable, this.#replay]) queue.clear()
    const readers = this.#replayReaders ?? []
    this.#replayReaders = undefined
    for (const reader of readers) reader.resolve()
  }

  /** A burst within one turn is no sign of a slow receiver: the kernel may take it at once. */
  #relieve(newest: number): void {
    this.flush()
    if (this.#closed || this.pushBytes <= Math.max(this.#maxBytes, newest)) return
    this.close()
    this.#options.onOverflow()
  }

  #schedule(): void {
    if (this.#scheduled || this.#lagging || this.#closed) return
    this.#scheduled = true
    this.turn.write(this)
  }

  #write(replayBytes: number): void {
    const alone = this.#alone
    if (alone) {
      const owner = this.#aloneOwner
      this.#alone = undefined
      this.#aloneOwner = undefined
      if (!owner?.ended) this.#sink.write(alone)
    } else if (this.#inLanes) {
      this.#sink.writeAll(this.#takeAll(replayBytes))
      this.#inLanes = !this.#replay.isEmpty
    }
    if (this.#sink.untaken > 0) this.#lag()
    this.#replyBytes = 0
    this.#pushBytes = 0
    if (this.#replayReaders) this.#tellReplayReaders(this.#replayReaders)
  }

  #useLanes(): void {
    this.#inLanes = true
    if (this.#alone === undefined) return
    this.#laneOf(this.#aloneLane).push(this.#alone, this.#aloneOwner)
    this.#alone = undefined
    this.#aloneOwner = undefined
  }

  #laneOf(lane: Lane): PacketQueue {
    return lane === Lane.durable ? this.#durable : this.#realtime
  }

  #takeAll(replayBytes: number): Packet[] {
    const packets: Packet[] = []
    if (this.#replies.length > 0) {
      for (const lines of portionsOf(this.#replies)) packets.push(Packet.of(lines))
      this.#replies = []
    }
    for (const queue of [this.#realtime, this.#durable]) {
      for (let packet = queue.take(); packet; packet = queue.take()) {
        if (packet !== 'dropped') packets.push(packet)
      }
    }
    this.#takeReplay(replayBytes, packets)
    return packets
  }

  #takeReplay(most: number, packets: Packet[]): void {
    for (let bytes = 0; bytes < most; ) {
      const packet = this.#replay.take()
      if (!packet) return
      this.#replayWritten++
      if (packet === 'dropped') continue
      packets.push(packet)
      bytes += packet.frame.length
    }
  }

  #lag(): void {
    this.#laggingReplyBytes += this.#replyBytes
    this.#laggingPushBytes += this.#pushBytes
    if (this.#lagging) return
    this.#lagging = true
    this.#sink.whenTaken(() => {
      this.#lagging = false
      this.#laggingReplyBytes = 0
      this.#laggingPushBytes = 0
      if (this.#closed) return
      this.flush()
      this.#options.onRoom()
    })
  }

  #tellReplayReaders(readers: { readonly behind: number; readonly resolve: () => void }[]): void {
    while (readers[0] && readers[0].behind <= this.#replayWritten) readers.shift()?.resolve()
    if (readers.length === 0) this.#replayReaders = undefined
  }
}

/** The lines in their order, in portions of at most a frame. */
function* portionsOf(lines: readonly string[]): Generator<readonly string[]> {
  let from = 0
  let characters = 0
  for (const [i, { length }] of lines.entries()) {
    if (i > from && characters + length > maxJoinedCharacters) {
      yield lines.slice(from, i)
      from = i
      characters = 0
    }
    characters += length
  }
  yield from === 0 ? lines : lines.slice(from)
}
