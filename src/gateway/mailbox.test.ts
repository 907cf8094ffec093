import { describe, expect, it } from 'vitest'
import { Lane, Packet, Turn } from '../hub/index.ts'
import { Mailbox } from './mailbox.ts'
import type { Sink } from './sink.ts'

/** A kernel that takes everything at once, or nothing until it is told to. */
class TestSink implements Sink {
  readonly writes: string[][] = []
  untaken = 0
  stuck = false
  #taken: (() => void)[] = []

  write(packet: Packet): boolean {
    return this.writeAll([packet])
  }

  writeAll(packets: readonly Packet[]): boolean {
    if (packets.length === 0) return true
    this.writes.push(packets.map(packet => packet.payload.toString()))
    if (this.stuck) for (const packet of packets) this.untaken += packet.frame.length
    return true
  }

  whenTaken(callback: () => void): void {
    this.#taken.push(callback)
  }

  takeAll(): void {
    this.stuck = false
    this.untaken = 0
    for (const callback of this.#taken.splice(0)) callback()
  }
}

const packet = (text: string) => Packet.of([text])
const turn = () => new Promise(resolve => setImmediate(resolve))

function given(maxBytes = 1_000) {
  const sink = new TestSink()
  const events: string[] = []
  const mailbox = new Mailbox({
    sink,
    turn: new Turn(),
    maxBytes,
    onOverflow: () => events.push('overflow'),
    onRoom: () => events.push('room'),
  })
  return { sink, mailbox, events }
}

describe('a mailbox', () => {
  it('writes everything of one turn once, replies joined and first, then lane by lane', async () => {
    const { sink, mailbox } = given()
    mailbox.push(Lane.replay, packet('replay'))
    mailbox.push(Lane.durable, packet('durable'))
    mailbox.push(Lane.realtime, packet('realtime 1'))
    mailbox.reply('reply 1')
    mailbox.push(Lane.realtime, packet('realtime 2'))
    mailbox.reply('reply 2')
    expect(sink.writes).toEqual([])
    await turn()
    expect(sink.writes).toEqual([['reply 1\nreply 2', 'realtime 1', 'realtime 2', 'durable', 'replay']])
  })

  it('joins replies to frames that clients take, and a reply that is larger alone', async () => {
    const { sink, mailbox } = given()
    const lines = ['a', 'b'.repeat(200_000), 'c'.repeat(100_000), 'd', 'e'.repeat(2_000_000), 'f', 'g']
    for (const line of lines) mailbox.reply(line)
    await turn()
    expect(sink.writes).toHaveLength(1)
    expect(sink.writes[0]?.map(text => text.split('\n').map(line => line[0]))).toEqual([
      ['a', 'b'],
      ['c', 'd'],
      ['e'],
      ['f', 'g'],
    ])
    expect(sink.writes[0]?.join('\n').split('\n')).toEqual(lines)
  })

  it('says that there is room when more replies than the bound have gone at once', async () => {
    const { mailbox, events } = given(100)
    mailbox.reply('x'.repeat(100))
    await turn()
    expect(events).toEqual([])
    mailbox.reply('x'.repeat(101))
    await turn()
    expect(events).toEqual(['room'])
    expect(mailbox.replyBytes).toBe(0)
  })

  it('gives a lone push its place when something else comes, and drops it when its subscription has ended', async () => {
    const { sink, mailbox } = given()
    mailbox.push(Lane.durable, packet('durable'))
    await turn()
    mailbox.push(Lane.durable, packet('durable'))
    mailbox.push(Lane.realtime, packet('realtime'))
    await turn()
    mailbox.push(Lane.realtime, packet('realtime'))
    mailbox.reply('reply')
    await turn()
    mailbox.push(Lane.realtime, packet('of an ended one'), { ended: true })
    await turn()
    mailbox.push(Lane.realtime, packet('last'))
    mailbox.finish()
    expect(sink.writes).toEqual([['durable'], ['realtime', 'durable'], ['reply', 'realtime'], ['last']])
  })

  it('keeps what it has while the kernel is behind, and lets replies overtake what waits', async () => {
    const { sink, mailbox, events } = given()
    sink.stuck = true
    mailbox.push(Lane.durable, packet('first'))
    await turn()
    mailbox.push(Lane.replay, packet('replay'))
    mailbox.push(Lane.durable, packet('event'))
    mailbox.reply('pong')
    await turn()
    expect(sink.writes).toEqual([['first']])
    sink.takeAll()
    expect(sink.writes).toEqual([['first'], ['pong', 'event', 'replay']])
    expect(events).toEqual(['room'])
  })

  it('cuts a receiver that lets more than the bound wait, without writing any more', async () => {
    const { sink, mailbox, events } = given(200)
    sink.stuck = true
    mailbox.push(Lane.realtime, packet('x'.repeat(100)))
    await turn()
    mailbox.push(Lane.realtime, packet('x'.repeat(90)))
    expect(events).toEqual([])
    mailbox.push(Lane.realtime, packet('x'.repeat(90)))
    expect(events).toEqual(['overflow'])
    mailbox.push(Lane.realtime, packet('late'))
    mailbox.reply('late')
    sink.takeAll()
    await turn()
    expect(sink.writes).toHaveLength(1)
    expect(events).toEqual(['overflow'])
  })

  it('does not take a burst within one turn for a slow receiver', async () => {
    const { sink, mailbox, events } = given(200)
    for (let i = 0; i < 100; i++) mailbox.push(Lane.realtime, packet('x'.repeat(90)))
    await turn()
    expect(sink.writes.flat()).toHaveLength(100)
    expect(events).toEqual([])
  })

  it('admits one packet above the bound where nothing waits before it', async () => {
    const { sink, mailbox, events } = given(200)
    sink.stuck = true
    mailbox.push(Lane.durable, packet('x'.repeat(500)))
    await turn()
    expect(events).toEqual([])
    expect(sink.writes).toHaveLength(1)
    mailbox.push(Lane.durable, packet('x'))
    expect(events).toEqual(['overflow'])
  })

  it('never counts replies or replay against the bound', async () => {
    const { sink, mailbox, events } = given(100)
    sink.stuck = true
    mailbox.reply('r'.repeat(500))
    await turn()
    mailbox.reply('r'.repeat(500))
    for (let i = 0; i < 10; i++) mailbox.push(Lane.replay, packet('x'.repeat(90)))
    expect(events).toEqual([])
    expect(mailbox.replyBytes).toBe(1_000)
    sink.takeAll()
    await turn()
    expect(mailbox.replyBytes).toBe(0)
    expect(sink.writes.flat()).toHaveLength(12)
  })

  it('hands replay over in parts, and says when a part has gone', async () => {
    const { sink, mailbox } = given()
    const big = packet('x'.repeat(200_000))
    for (let i = 0; i < 4; i++) mailbox.push(Lane.replay, big)
    let gone = false
    const room = mailbox.replayRoom().then(() => {
      gone = true
    })
    await turn()
    expect(sink.writes).toHaveLength(1)
    expect(gone).toBe(false)
    mailbox.reply('in between')
    await room
    expect(sink.writes.map(write => write.length)).toEqual([2, 3])
    expect(sink.writes[1]?.[0]).toBe('in between')
    await mailbox.replayRoom()
  })

  it('sends nothing of a subscription that has ended', async () => {
    const { sink, mailbox } = given()
    const owner = { ended: false }
    mailbox.push(Lane.durable, packet('old'), owner)
    mailbox.push(Lane.replay, packet('old replay'), owner)
    mailbox.push(Lane.durable, packet('other'))
    owner.ended = true
    mailbox.push(Lane.durable, packet('new'), { ended: false })
    const room = mailbox.replayRoom()
    await turn()
    await room
    expect(sink.writes).toEqual([['other', 'new']])
  })

  it('writes replies and live pushes before an orderly end, whatever the kernel has taken', async () => {
    const { sink, mailbox } = given()
    sink.stuck = true
    mailbox.reply('a')
    await turn()
    mailbox.reply('b')
    mailbox.push(Lane.realtime, packet('c'))
    mailbox.finish()
    mailbox.reply('d')
    await turn()
    expect(sink.writes).toEqual([['a'], ['b', 'c']])
  })

  it('lets go of those who wait for room when it is closed', async () => {
    const { sink, mailbox } = given()
    sink.stuck = true
    mailbox.push(Lane.replay, packet('a'))
    await turn()
    mailbox.push(Lane.replay, packet('b'))
    const room = mailbox.replayRoom()
    mailbox.close()
    await room
  })

  it('counts every message once: written when the kernel has taken it, or lost by what ended it', async () => {
    const { sink, mailbox } = given()
    const { written, lost } = mailbox.turn.deliveries
    const counts = (of: Float64Array) => [of[Lane.realtime], of[Lane.durable], of[Lane.replay]]
    mailbox.push(Lane.realtime, packet('alone'))
    await turn()
    expect(counts(written)).toEqual([1, 0, 0])
    mailbox.push(Lane.durable, packet('left'), { ended: true })
    await turn()
    expect(counts(lost.unsubscribed)).toEqual([0, 1, 0])
    mailbox.push(Lane.realtime, packet('with others'))
    mailbox.push(Lane.durable, Packet.of(['two', 'three']))
    mailbox.push(Lane.replay, packet('past'))
    mailbox.push(Lane.realtime, packet('gone'), { ended: true })
    await turn()
    expect(counts(written)).toEqual([2, 2, 1])
    expect(counts(lost.unsubscribed)).toEqual([1, 1, 0])

    sink.stuck = true
    mailbox.push(Lane.realtime, packet('stuck'))
    await turn()
    expect(counts(written)).toEqual([2, 2, 1])
    sink.takeAll()
    expect(counts(written)).toEqual([3, 2, 1])

    sink.stuck = true
    mailbox.push(Lane.durable, packet('never taken'))
    await turn()
    mailbox.push(Lane.realtime, packet('waits'))
    mailbox.push(Lane.replay, packet('waits too'))
    mailbox.close()
    expect(counts(lost.closed)).toEqual([1, 0, 1])
    mailbox.disconnect()
    mailbox.push(Lane.realtime, packet('too late'))
    expect(counts(lost.closed)).toEqual([2, 1, 1])
    expect([...counts(written), ...counts(lost.slow)]).toEqual([3, 2, 1, 0, 0, 0])
  })

  it('counts what a slow receiver loses as that, but for what the kernel still takes', async () => {
    const { sink, mailbox, events } = given(100)
    sink.stuck = true
    mailbox.push(Lane.realtime, packet('under way'))
    await turn()
    for (let i = 0; i < 20 && events.length === 0; i++) mailbox.push(Lane.durable, packet(`waits ${i}`))
    const { written, lost } = mailbox.turn.deliveries
    expect(events).toEqual(['overflow'])
    expect(lost.slow[Lane.durable]).toBeGreaterThan(5)
    expect([written[Lane.realtime], lost.slow[Lane.realtime]]).toEqual([0, 0])
    sink.takeAll()
    mailbox.disconnect()
    expect([written[Lane.realtime], lost.slow[Lane.realtime]]).toEqual([1, 0])
  })
})
