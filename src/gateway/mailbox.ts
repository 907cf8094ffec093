import { type Flushable, Lane, type Loss, Packet, type Turn } from '../hub/index.ts'
import { type PacketOwner, PacketQueue } from './packet-queue.ts'
import { portionsOf } from './reply-portions.ts'
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
  /** Set when it takes no more: what was not written then is lost by this. */
  #loss: Loss | undefined
  /** Messages by lane that are written and that the kernel has not taken; made where it lags. */
  #underWay: Float64Array | undefined
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
    if (this.#loss) return
    this.#useLanes()
    this.#replies.push(line)
    this.#replyBytes += line.length
    this.#schedule()
  }

  /** Packets put into the reply lane count and go as realtime ones: replies are lines, given to `reply`. */
  push(lane: Lane, packet: Packet, owner?: PacketOwner): void {
    if (this.#loss) {
      this.lose(lane, packet.messages)
      return
    }
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

  /** Messages that came here, or would have, are not written: whoever they were for has gone, or is not subscribed any more. */
  lose(lane: Lane, messages: number): void {
    add(this.turn.deliveries.lost[this.#loss ?? 'unsubscribed'], lane, messages)
  }

  /** @see Outlet.replayRoom */
  replayRoom(): Promise<void> {
    if (this.#loss || this.#replay.isEmpty) return Promise.resolve()
    return new Promise(resolve => {
      this.#replayReaders ??= []
      this.#replayReaders.push({ behind: this.#replayAdded, resolve })
    })
  }

  flush(): void {
    this.#scheduled = false
    if (this.#loss || this.#lagging) return
    const crowded = this.#replyBytes > this.#maxBytes
    this.#write(replayChunkBytes)
    if (this.#inLanes) this.#schedule()
    if (crowded && !this.#lagging) this.#options.onRoom()
  }

  /** Writes replies and live pushes whatever the kernel has taken, then takes no more. For an orderly end. */
  finish(): void {
    if (this.#loss) return
    this.#write(0)
    this.close()
  }

  /** Drops what waits and takes no more. */
  close(loss: Loss = 'closed'): void {
    this.#loss ??= loss
    if (this.#alone) this.lose(this.#aloneLane, this.#alone.messages)
    this.#alone = undefined
    this.#aloneOwner = undefined
    this.#replies = []
    this.#replyBytes = 0
    this.#pushBytes = 0
    this.lose(Lane.realtime, this.#realtime.clear())
    this.lose(Lane.durable, this.#durable.clear())
    this.lose(Lane.replay, this.#replay.clear())
    const readers = this.#replayReaders ?? []
    this.#replayReaders = undefined
    for (const reader of readers) reader.resolve()
  }

  /** The connection is gone: the kernel takes nothing any more. */
  disconnect(): void {
    this.close()
    const underWay = this.#underWay
    this.#underWay = undefined
    for (const lane of messageLanes) this.lose(lane, underWay?.[lane] ?? 0)
  }

  /** A burst within one turn is no sign of a slow receiver: the kernel may take it at once. */
  #relieve(newest: number): void {
    this.flush()
    if (this.#loss || this.pushBytes <= Math.max(this.#maxBytes, newest)) return
    this.close('slow')
    this.#options.onOverflow()
  }

  #schedule(): void {
    if (this.#scheduled || this.#lagging || this.#loss) return
    this.#scheduled = true
    this.turn.write(this)
  }

  #write(replayBytes: number): void {
    const alone = this.#alone
    if (alone) {
      const owner = this.#aloneOwner
      this.#alone = undefined
      this.#aloneOwner = undefined
      if (owner?.ended) this.lose(this.#aloneLane, alone.messages)
      else add(this.#destination(this.#sink.write(alone)), this.#aloneLane, alone.messages)
    } else if (this.#inLanes) this.#writeLanes(replayBytes)
    if (this.#sink.untaken > 0) this.#lag()
    this.#replyBytes = 0
    this.#pushBytes = 0
    if (this.#replayReaders) this.#tellReplayReaders(this.#replayReaders)
  }

  #writeLanes(replayBytes: number): void {
    const { leaving } = this.turn.deliveries
    leaving.fill(0)
    const destination = this.#destination(this.#sink.writeAll(this.#takeAll(replayBytes, leaving)))
    for (const lane of messageLanes) add(destination, lane, leaving[lane] as number)
    this.#inLanes = !this.#replay.isEmpty
  }

  /** Where what was just given to the sink is counted. */
  #destination(given: boolean): Float64Array {
    const { lost, written } = this.turn.deliveries
    if (!given) return lost.closed
    if (this.#sink.untaken === 0) return written
    this.#underWay ??= new Float64Array(written.length)
    return this.#underWay
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

  /** `leaving`: by lane, how many messages they carry. */
  #takeAll(replayBytes: number, leaving: Float64Array): Packet[] {
    const packets: Packet[] = []
    if (this.#replies.length > 0) {
      for (const lines of portionsOf(this.#replies)) packets.push(Packet.of(lines))
      this.#replies = []
    }
    for (const lane of [Lane.realtime, Lane.durable]) {
      const queue = this.#laneOf(lane)
      for (let packet = queue.take(); packet; packet = queue.take()) {
        if (queue.unwanted) this.lose(lane, packet.messages)
        else {
          packets.push(packet)
          add(leaving, lane, packet.messages)
        }
      }
    }
    this.#takeReplay(replayBytes, packets, leaving)
    return packets
  }

  #takeReplay(most: number, packets: Packet[], leaving: Float64Array): void {
    for (let bytes = 0; bytes < most; ) {
      const packet = this.#replay.take()
      if (!packet) return
      this.#replayWritten++
      if (this.#replay.unwanted) {
        this.lose(Lane.replay, packet.messages)
        continue
      }
      packets.push(packet)
      add(leaving, Lane.replay, packet.messages)
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
      for (const lane of messageLanes) {
        add(this.turn.deliveries.written, lane, this.#underWay?.[lane] ?? 0)
        this.#underWay?.fill(0, lane, lane + 1)
      }
      if (this.#loss) return
      this.flush()
      this.#options.onRoom()
    })
  }

  #tellReplayReaders(readers: { readonly behind: number; readonly resolve: () => void }[]): void {
    while (readers[0] && readers[0].behind <= this.#replayWritten) readers.shift()?.resolve()
    if (readers.length === 0) this.#replayReaders = undefined
  }
}

const messageLanes = [Lane.realtime, Lane.durable, Lane.replay] as const

function add(counts: Float64Array, lane: Lane, messages: number): void {
  counts[lane] = (counts[lane] as number) + messages
}
